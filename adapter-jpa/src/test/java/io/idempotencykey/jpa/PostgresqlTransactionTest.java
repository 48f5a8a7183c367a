package io.idempotencykey.jpa;

class PostgresqlTransactionTest extends JpaTransactionContract {
    PostgresqlTransactionTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
