package io.idempotencykey.jpa;

class H2HalfCommitTest extends JpaHalfCommitContract {
    H2HalfCommitTest() {
        super(TestDatabase.H2);
    }
}
