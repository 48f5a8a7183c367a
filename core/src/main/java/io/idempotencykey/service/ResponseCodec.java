package io.idempotencykey.service;

import io.idempotencykey.Response;

/**
 * Turns a value into the response that is stored, and back: for callers that aren't HTTP, such as message listeners and
 * jobs.
 *
 * <p>The first caller, too, gets the value that comes back, so that it can't differ from what a retry gets. A codec
 * lives as long as the keys that were stored with it: {@link #decode} has to read what earlier versions of the
 * application wrote. Implementations are safe for many threads.
 *
 * @param <V> the value
 */
public interface ResponseCodec<V> {
    /**
     * Makes the response that is stored.
     *
     * @param value what a stage returned
     * @return the response; its status is the codec's choice, such as 200
     */
    Response encode(V value);

    /**
     * Reads a stored response.
     *
     * @param response what {@link #encode} made, or what an operation answers to an exception (see {@link
     *     Operation.Builder#answering}), which is to be told by its status
     * @return the value
     */
    V decode(Response response);
}
