package io.idempotencykey.benchmarks;

/**
 * What one turn of one side measured.
 *
 * @param rate requests per second
 * @param p50Micros the median latency
 * @param p99Micros the latency that one request of a hundred passes
 * @param bytes allocated by the threads that ask, for each request
 * @param clientMicros this process's time on a processor, for each request
 * @param serverMicros the server's, for each request; NaN where it can't be seen
 * @param askers answers per second to those who asked meanwhile; 0 where nobody did
 */
record Turn(
        double rate,
        double p50Micros,
        double p99Micros,
        double bytes,
        double clientMicros,
        double serverMicros,
        double askers) {
    /** The same turn, beside which so many answers were given in a second. */
    Turn beside(double answers) {
        return new Turn(rate, p50Micros, p99Micros, bytes, clientMicros, serverMicros, answers);
    }
}
