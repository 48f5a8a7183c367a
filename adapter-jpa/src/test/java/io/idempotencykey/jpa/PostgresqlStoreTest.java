package io.idempotencykey.jpa;

class PostgresqlStoreTest extends JpaStoreContract {
    PostgresqlStoreTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
