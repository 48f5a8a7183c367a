/** The tests that every storage adapter passes: {@link io.idempotencykey.contract.KeyStoreContract}. */
module io.idempotencykey.contract {
    requires transitive io.idempotencykey.core;
    requires static transitive org.jspecify;
    requires org.assertj.core;
    requires org.junit.jupiter.api;
    requires org.junit.jupiter.params;

    exports io.idempotencykey.contract;

    // The groups of tests are interfaces of this package only; JUnit finds and calls their methods by reflection.
    opens io.idempotencykey.contract to
            org.junit.platform.commons;
}
