package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlStatementTest extends JpaStatementContract {
    MysqlStatementTest() {
        super(TestDatabase.MYSQL);
    }
}
