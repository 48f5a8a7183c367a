package io.idempotencykey.jpa;

class H2SingleTest extends JpaSingleContract {
    H2SingleTest() {
        super(TestDatabase.H2);
    }
}
