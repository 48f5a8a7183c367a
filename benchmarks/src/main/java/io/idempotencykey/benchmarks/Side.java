package io.idempotencykey.benchmarks;

/** One of several ways to do the same work. */
interface Side extends AutoCloseable {
    /** Runs a new request, which has a key of its own and writes one row in each of its stages. */
    void request(String key) throws Exception;

    @Override
    void close();
}
