package io.idempotencykey.jpa;

class PostgresqlConnectionTest extends JpaConnectionContract {
    PostgresqlConnectionTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
