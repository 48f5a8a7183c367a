/** Idempotency keys in memory, for tests and for applications of a single process. */
module io.idempotencykey.inmemory {
    requires transitive io.idempotencykey.core;
    requires static transitive org.jspecify;

    exports io.idempotencykey.inmemory;
}
