package io.idempotencykey.jpa;

class H2TransactionTest extends JpaTransactionContract {
    H2TransactionTest() {
        super(TestDatabase.H2);
    }
}
