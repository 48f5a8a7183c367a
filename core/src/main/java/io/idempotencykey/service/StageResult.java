package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Response;

/** Where a key stands after a change by its holder. */
public sealed interface StageResult {
    /**
     * Calls the visitor's method for the result at hand.
     *
     * @param <R> the visitor's result
     * @param visitor has one method per result
     * @return what that method returned
     */
    <R> R accept(Visitor<R> visitor);

    /**
     * Has one method for each result.
     *
     * @param <R> the visitor's result
     */
    interface Visitor<R> {
        /**
         * The key advanced, and is held for its next stage.
         *
         * @param held the result
         * @return what the visitor makes of it
         */
        R held(Held held);

        /**
         * The key is finished.
         *
         * @param finished the result
         * @return what the visitor makes of it
         */
        R finished(Finished finished);
    }

    /**
     * The key advanced, and is held for the stage at its new recovery point.
     *
     * @param key the right to go on
     */
    record Held(HeldKey key) implements StageResult {
        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.held(this);
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
        public <R> R accept(Visitor<R> visitor) {
            return visitor.finished(this);
        }
    }
}
