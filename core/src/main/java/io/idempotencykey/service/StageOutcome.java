package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import java.util.function.Function;

/** How a stage ends: it advances to another recovery point, or it responds. */
public sealed interface StageOutcome permits Advance, Respond {
    /**
     * The key moves on to another recovery point and stays held for its stage.
     *
     * @param recoveryPoint any but {@code finished}
     * @return the outcome
     * @throws IllegalArgumentException if the recovery point is {@code finished}: a response leads there
     */
    static StageOutcome advanceTo(RecoveryPoint recoveryPoint) {
        return new Advance(recoveryPoint);
    }

    /**
     * The key is finished; this response, which may tell of an error, is what every retry gets.
     *
     * @param response what the caller gets
     * @return the outcome
     */
    static StageOutcome respond(Response response) {
        return new Respond(response);
    }

    /**
     * Applies the function for the outcome at hand; there is one per outcome and no other case.
     *
     * @param <R> the functions' result
     * @param advance applied to the recovery point of {@link #advanceTo}
     * @param respond applied to the response of {@link #respond}
     * @return what the function returned
     */
    <R> R match(Function<? super RecoveryPoint, ? extends R> advance, Function<? super Response, ? extends R> respond);
}
