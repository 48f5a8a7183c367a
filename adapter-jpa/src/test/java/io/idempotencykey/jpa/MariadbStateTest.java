package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbStateTest extends JpaStateContract {
    MariadbStateTest() {
        super(TestDatabase.MARIADB);
    }
}
