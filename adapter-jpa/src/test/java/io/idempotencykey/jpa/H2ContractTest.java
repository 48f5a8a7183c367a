package io.idempotencykey.jpa;

class H2ContractTest extends JpaContract {
    H2ContractTest() {
        super(TestDatabase.H2);
    }
}
