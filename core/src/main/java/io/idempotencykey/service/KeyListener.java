package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import org.jspecify.annotations.Nullable;

/** Is told what happens to keys; called on the worker's thread, so it should be quick. */
@FunctionalInterface
public interface KeyListener {
    /**
     * Takes note of an event.
     *
     * <p>What this method throws is logged and goes no further. Called by many threads.
     *
     * @param event what happened
     */
    void onEvent(KeyEvent event);

    /**
     * Takes note that a stage begins, to have something about it for as long as it lasts: a span, a logging context.
     *
     * <p>The stage lasts from before its outside call to after its commit, with all its tries and the pauses between
     * them, and all of it is on this thread. Where a request's only stage runs in one transaction, it begins when the
     * transaction has taken the key. That transaction is open then: what this method does in the store's database is
     * part of the stage, and a method of Spring's with {@code @Transactional} that throws here makes the stage fail.
     * Several listeners are told of the end in the opposite order. What this method throws is logged and goes no
     * further.
     *
     * @param key as it is held; its recovery point is where the stage begins
     * @return what is told of the end
     */
    default StageObservation stageBegins(IdempotencyKey key) {
        return Events.UNOBSERVED;
    }

    /** What a listener that was told of a stage's beginning is told of its end. */
    @FunctionalInterface
    interface StageObservation {
        /**
         * Takes note of the end, on the thread on which the stage began.
         *
         * <p>Called once, after the events that tell what became of the stage. What this method throws is logged and
         * goes no further.
         *
         * @param failure what reaches the caller; {@code null} if the stage is committed, or its exception was the
         *     answer
         */
        void stageEnded(@Nullable Throwable failure);
    }
}
