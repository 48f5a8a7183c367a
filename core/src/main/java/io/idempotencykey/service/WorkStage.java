package io.idempotencykey.service;

import org.jspecify.annotations.Nullable;

/**
 * One atomic stage of a request's work, which says itself how it ends: by advancing or by responding.
 *
 * <p>It may be run again after a transient failure, so all it does outside its transaction has to bear repetition. What
 * it throws, checked exceptions too, rolls the stage back, releases the key and reaches the caller as it is. A call of
 * the service within a stage is best avoided, since it needs a second connection; what it fails with is the stage's own
 * failure, and the stage isn't run again for it.
 *
 * @param <T> the store's transaction handle
 */
@FunctionalInterface
public interface WorkStage<T> {
    /**
     * Does the work.
     *
     * @param stage the transaction, the key and the request
     * @return how the stage ends
     * @throws Exception whatever goes wrong; nothing of the stage is kept
     */
    StageOutcome work(StageContext<T> stage) throws Exception;

    /**
     * One atomic stage that follows an outside call and gets its result.
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
         * @return how the stage ends
         * @throws Exception whatever goes wrong; nothing of the stage is kept
         */
        StageOutcome work(StageContext<T> stage, I input) throws Exception;
    }

    /**
     * What a stage does before the request goes on to the stage declared next.
     *
     * <p>It may be run again after a transient failure, so all it does outside its transaction has to bear repetition.
     * What it throws, checked exceptions too, rolls the stage back and reaches the caller as it is.
     *
     * @param <T> the store's transaction handle
     */
    @FunctionalInterface
    interface Action<T> {
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

    /**
     * The work of a request's last stage, which gives its answer.
     *
     * <p>It may be run again after a transient failure, so all it does outside its transaction has to bear repetition.
     * What it throws, checked exceptions too, rolls the stage back and reaches the caller as it is.
     *
     * @param <T> the store's transaction handle
     * @param <V> the answer: a {@link io.idempotencykey.Response}, or a value that a {@link ResponseCodec} makes one of
     */
    @FunctionalInterface
    interface Answer<T, V> {
        /**
         * Does the work.
         *
         * @param stage the transaction, the key and the request
         * @return what the caller, and every retry, gets
         * @throws Exception whatever goes wrong; nothing of the stage is kept
         */
        V answer(StageContext<T> stage) throws Exception;

        /**
         * The same with the result of the outside call that was made before it.
         *
         * @param <T> the store's transaction handle
         * @param <I> the outside call's result
         * @param <V> the answer
         */
        @FunctionalInterface
        interface WithInput<T, I extends @Nullable Object, V> {
            /**
             * Does the work.
             *
             * @param stage the transaction, the key and the request
             * @param input what the outside call returned in this attempt
             * @return what the caller, and every retry, gets
             * @throws Exception whatever goes wrong; nothing of the stage is kept
             */
            V answer(StageContext<T> stage, I input) throws Exception;
        }
    }
}
