package io.idempotencykey.service;

import org.jspecify.annotations.Nullable;

/** What a listener that was told of a stage's beginning is told of its end; see {@link KeyListener#stageBegins}. */
@FunctionalInterface
public interface StageObservation {
    /**
     * Takes note of the end, on the thread on which the stage began.
     *
     * <p>Called once, after the events that tell what became of the stage. What this method throws is logged and goes
     * no further.
     *
     * @param failure what reaches the caller; {@code null} if the stage is committed, or its exception was the answer
     */
    void stageEnded(@Nullable Throwable failure);
}
