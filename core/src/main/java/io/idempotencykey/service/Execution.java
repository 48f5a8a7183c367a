package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;

/**
 * A request's end.
 *
 * @param key what is known of the finished key
 * @param response what the caller gets
 * @param replayed whether the response was stored before this call
 */
public record Execution(IdempotencyKey key, Response response, boolean replayed) {
    /** Checks that nothing is missing. */
    public Execution {
        Arguments.required(key, "key");
        Arguments.required(response, "response");
    }

    /**
     * Reads the value of the response.
     *
     * @param <V> the value
     * @param codec the one that the response was made with
     * @return the value
     */
    public <V> V value(ResponseCodec<V> codec) {
        return Arguments.required(codec, "codec").decode(response);
    }
}
