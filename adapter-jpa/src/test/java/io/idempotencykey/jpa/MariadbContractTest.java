package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbContractTest extends JpaContract {
    MariadbContractTest() {
        super(TestDatabase.MARIADB);
    }
}
