package io.idempotencykey.benchmarks;

/** One of two ways to do the same work. */
interface Side extends AutoCloseable {
    /** Runs a new request: claims its key, and writes one row in each of two stages. */
    void request(String key) throws Exception;

    /** Repeats a request, and returns when it has the stored response. */
    void replay(String key) throws Exception;

    @Override
    void close();
}
