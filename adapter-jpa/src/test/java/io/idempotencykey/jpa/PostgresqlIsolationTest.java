package io.idempotencykey.jpa;

class PostgresqlIsolationTest extends JpaIsolationContract {
    PostgresqlIsolationTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
