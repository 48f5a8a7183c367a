package io.idempotencykey.jpa;

class PostgresqlHalfCommitTest extends JpaHalfCommitContract {
    PostgresqlHalfCommitTest() {
        super(TestDatabase.POSTGRESQL);
    }
}
