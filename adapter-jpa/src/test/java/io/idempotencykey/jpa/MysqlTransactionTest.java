package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlTransactionTest extends JpaTransactionContract {
    MysqlTransactionTest() {
        super(TestDatabase.MYSQL);
    }
}
