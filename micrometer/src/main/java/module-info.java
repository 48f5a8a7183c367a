/** Metrics and observations of idempotency keys. */
@SuppressWarnings({"requires-automatic", "requires-transitive-automatic"}) // Micrometer has no module descriptors
module io.idempotencykey.micrometer {
    requires transitive io.idempotencykey.core;
    requires static transitive micrometer.core;
    requires static transitive micrometer.observation;
    requires static org.jspecify;

    exports io.idempotencykey.micrometer;
}
