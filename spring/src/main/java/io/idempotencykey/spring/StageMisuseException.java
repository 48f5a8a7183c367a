package io.idempotencykey.spring;

/**
 * The application's code did in a stage what can't be part of one, such as leaving its transaction or answering later.
 *
 * <p>The stage is rolled back, and its key is released. This is never a request's answer, whatever the application's
 * exception handlers make of it, because the next version of the application may do better.
 */
public final class StageMisuseException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    /**
     * Made where a stage's code is watched.
     *
     * @param message what was done, and what to do instead
     */
    public StageMisuseException(String message) {
        super(message);
    }
}
