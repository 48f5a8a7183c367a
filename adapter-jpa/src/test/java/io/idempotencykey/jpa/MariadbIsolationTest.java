package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbIsolationTest extends JpaIsolationContract {
    MariadbIsolationTest() {
        super(TestDatabase.MARIADB);
    }
}
