package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import java.util.function.Function;

/** Where a key stands after a change by its holder. */
public sealed interface StageResult {
    /**
     * Applies the function for the result at hand; there is one per result and no other case.
     *
     * @param <R> the functions' result
     * @param held applied if the key is held for its next stage
     * @param finished applied if the key is finished
     * @return what the function returned
     */
    <R> R match(Function<? super Held, ? extends R> held, Function<? super Finished, ? extends R> finished);

    /**
     * The key advanced, and is held for the stage at its new recovery point.
     *
     * @param key the right to go on
     */
    record Held(HeldKey key) implements StageResult {
        @Override
        public <R> R match(Function<? super Held, ? extends R> held, Function<? super Finished, ? extends R> finished) {
            return Arguments.required(held, "held").apply(this);
        }
    }

    /**
     * The key is finished.
     *
     * @param key what is known of it
     * @param response what the caller gets
     */
    record Finished(IdempotencyKey key, Response response) implements StageResult {
        @Override
        public <R> R match(Function<? super Held, ? extends R> held, Function<? super Finished, ? extends R> finished) {
            return Arguments.required(finished, "finished").apply(this);
        }
    }
}
