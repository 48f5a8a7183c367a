/** Metrics and observations of idempotency keys. */
@SuppressWarnings("requires-transitive-automatic") // Micrometer has no module descriptors
module io.idempotencykey.micrometer {
    requires transitive io.idempotencykey.core;
    requires transitive micrometer.core;
    requires transitive micrometer.observation;
    requires static org.jspecify;

    exports io.idempotencykey.micrometer;
}
