package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Request;

/**
 * What a stage works with, on the thread that runs it. The transaction is refused after the stage has ended.
 *
 * @param <T> the store's transaction handle
 */
public final class StageContext<T> {
    private final T transaction;
    private final IdempotencyKey key;
    private volatile boolean ended;

    StageContext(T transaction, IdempotencyKey key) {
        this.transaction = transaction;
        this.key = key;
    }

    /**
     * The handle of the stage's own transaction; the stage neither commits nor rolls it back.
     *
     * @return whatever is written with it is committed together with the key's change, or not at all
     * @throws IllegalStateException if the stage has ended: what is written now would be part of no stage
     */
    public T transaction() {
        if (ended) {
            throw new IllegalStateException("the stage of " + key.id()
                    + " has ended; use its transaction before it returns, on the thread that runs it");
        }
        return transaction;
    }

    /** The stage returned or threw. */
    void end() {
        ended = true;
    }

    /**
     * What is known of the key.
     *
     * @return as of the beginning of the stage
     */
    public IdempotencyKey key() {
        return key;
    }

    /**
     * The request to serve.
     *
     * @return as its client sent it; for the completer, as it is stored, which is less if the operation redacts it
     */
    public Request request() {
        return key.request();
    }
}
