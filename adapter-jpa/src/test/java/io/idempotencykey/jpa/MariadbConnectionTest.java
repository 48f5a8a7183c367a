package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbConnectionTest extends JpaConnectionContract {
    MariadbConnectionTest() {
        super(TestDatabase.MARIADB);
    }
}
