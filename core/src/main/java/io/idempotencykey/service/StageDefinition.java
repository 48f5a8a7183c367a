package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A declared stage; what is {@code null} is the service's to say.
 *
 * @param callsOutside whether another system is called before the transaction, so that a failed attempt may have had an
 *     effect there
 */
record StageDefinition<T>(
        Preparation<T> preparation,
        boolean callsOutside,
        @Nullable Duration lease,
        @Nullable Isolation isolation,
        Set<RecoveryPoint> targets) {

    /** Makes the outside call, if there is one, and returns the work that uses its result. */
    @FunctionalInterface
    interface Preparation<T> {
        WorkStage<T> prepare(IdempotencyKey seen) throws Exception;
    }
}
