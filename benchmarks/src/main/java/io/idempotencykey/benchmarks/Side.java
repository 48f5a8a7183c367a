package io.idempotencykey.benchmarks;

/** One of two ways to do the same. */
interface Side extends AutoCloseable {
    /** A new request: its key is claimed, and each of two stages writes one row. */
    void request(String key) throws Exception;

    /** A request that came before, up to the stored response. */
    void replay(String key) throws Exception;

    @Override
    void close();
}
