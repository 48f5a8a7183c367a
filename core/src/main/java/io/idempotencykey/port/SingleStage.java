package io.idempotencykey.port;

/**
 * A request's only stage, as {@link KeyStore#commitSingle} runs it.
 *
 * @param <T> the handle that the stage writes with in its transaction
 */
public interface SingleStage<T> {
    /**
     * Says whether the stage runs although its key is stored, and replaces that key. Asks the store nothing, and
     * doesn't throw.
     *
     * @param stored the key as it was last committed
     * @return whether it does
     */
    boolean replaces(StoredKey stored);

    /**
     * Does the work.
     *
     * @param transaction the handle
     * @return the key's progress after the stage; it may throw anything, checked exceptions too
     */
    StoredProgress work(T transaction);
}
