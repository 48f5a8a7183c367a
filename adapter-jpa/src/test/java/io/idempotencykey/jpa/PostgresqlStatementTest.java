package io.idempotencykey.jpa;

class PostgresqlStatementTest extends JpaStatementContract {
    PostgresqlStatementTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
