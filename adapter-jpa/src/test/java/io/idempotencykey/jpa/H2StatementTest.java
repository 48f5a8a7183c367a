package io.idempotencykey.jpa;

class H2StatementTest extends JpaStatementContract {
    H2StatementTest() {
        super(TestDatabase.H2);
    }
}
