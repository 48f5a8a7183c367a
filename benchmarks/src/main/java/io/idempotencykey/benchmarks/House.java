package io.idempotencykey.benchmarks;

import java.io.IOException;

/** A place that is open, with its server, for the cells of one run. */
interface House extends AutoCloseable {
    /** Prepares the sides of a cell, each with data of its own. */
    Contest contest(Cell cell) throws Exception;

    /** The server's time on a processor so far, in nanoseconds; NaN if it can't be seen. */
    double serverNanos();

    @Override
    void close() throws IOException;
}
