package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbTransactionTest extends JpaTransactionContract {
    MariadbTransactionTest() {
        super(TestDatabase.MARIADB);
    }
}
