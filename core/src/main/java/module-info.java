/** The idempotency key's state machine, the service around it and the port that storage adapters implement. */
module io.idempotencykey.core {
    requires static transitive org.jspecify;

    exports io.idempotencykey;
    exports io.idempotencykey.port;
    exports io.idempotencykey.service;
}
