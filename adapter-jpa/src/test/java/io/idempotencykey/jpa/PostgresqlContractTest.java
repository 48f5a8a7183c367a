package io.idempotencykey.jpa;

class PostgresqlContractTest extends JpaContract {
    PostgresqlContractTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
