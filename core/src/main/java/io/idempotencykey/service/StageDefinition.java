package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A declared stage: {@code prepare} makes the outside call and returns the work that uses its result; what is
 * {@code null} is the service's to say.
 */
record StageDefinition<T>(
        Function<IdempotencyKey, WorkStage<T>> prepare,
        @Nullable Duration lease,
        @Nullable Isolation isolation,
        Set<RecoveryPoint> targets) {}
