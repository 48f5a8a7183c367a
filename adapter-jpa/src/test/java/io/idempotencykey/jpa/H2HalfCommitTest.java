package io.idempotencykey.jpa;

import org.junit.jupiter.api.Test;

class H2HalfCommitTest extends JpaHalfCommitContract {
    H2HalfCommitTest() {
        super(TestDatabase.H2);
    }

    @Test
    void anImplicitCommitIsRefused() throws Exception {
        assertImplicitCommitIsRefused();
    }
}
