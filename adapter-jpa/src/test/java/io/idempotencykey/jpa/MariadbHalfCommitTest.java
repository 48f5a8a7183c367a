package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbHalfCommitTest extends InnodbHalfCommitContract {
    MariadbHalfCommitTest() {
        super(TestDatabase.MARIADB);
    }
}
