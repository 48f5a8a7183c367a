package io.idempotencykey.service;

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
}
