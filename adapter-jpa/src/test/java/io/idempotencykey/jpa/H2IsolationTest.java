package io.idempotencykey.jpa;

class H2IsolationTest extends JpaIsolationContract {
    H2IsolationTest() {
        super(TestDatabase.H2);
    }
}
