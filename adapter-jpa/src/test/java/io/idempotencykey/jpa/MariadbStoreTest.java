package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbStoreTest extends InnodbStoreContract {
    MariadbStoreTest() {
        super(TestDatabase.MARIADB);
    }
}
