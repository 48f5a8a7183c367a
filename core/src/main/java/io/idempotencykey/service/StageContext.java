package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Request;

/**
 * What a stage works with; valid until the stage returns, on the thread that runs it.
 *
 * @param <T> the store's transaction handle
 */
public final class StageContext<T> {
    private final T transaction;
    private final IdempotencyKey key;

    StageContext(T transaction, IdempotencyKey key) {
        this.transaction = transaction;
        this.key = key;
    }

    /**
     * The handle of the stage's own transaction; the stage neither commits nor rolls it back.
     *
     * @return whatever is written with it is committed together with the key's change, or not at all
     */
    public T transaction() {
        return transaction;
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
     * @return as it was stored when the key was created
     */
    public Request request() {
        return key.request();
    }
}
