package io.idempotencykey.jpa;

class H2StateTest extends JpaStateContract {
    H2StateTest() {
        super(TestDatabase.H2);
    }
}
