package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbStatementTest extends JpaStatementContract {
    MariadbStatementTest() {
        super(TestDatabase.MARIADB);
    }
}
