package io.idempotencykey.jpa;

class PostgresqlSingleTest extends JpaSingleContract {
    PostgresqlSingleTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
