package io.idempotencykey.service;

import org.jspecify.annotations.Nullable;

/**
 * What a stage does before the request goes on to the stage declared next.
 *
 * <p>It may be run again after a transient failure, so all it does outside its transaction has to bear repetition. What it
 * throws, checked exceptions too, rolls the stage back and reaches the caller as it is.
 *
 * @param <T> the store's transaction handle
 */
@FunctionalInterface
public interface StageAction<T> {
    /**
     * Does the work.
     *
     * @param stage the transaction, the key and the request
     * @throws Exception whatever goes wrong; nothing of the stage is kept
     */
    void run(StageContext<T> stage) throws Exception;

    /**
     * What a stage does with the result of the outside call that was made before it.
     *
     * @param <T> the store's transaction handle
     * @param <I> the outside call's result
     */
    @FunctionalInterface
    interface WithInput<T, I extends @Nullable Object> {
        /**
         * Does the work.
         *
         * @param stage the transaction, the key and the request
         * @param input what the outside call returned in this attempt
         * @throws Exception whatever goes wrong; nothing of the stage is kept
         */
        void run(StageContext<T> stage, I input) throws Exception;
    }
}
