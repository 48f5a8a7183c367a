package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlHalfCommitTest extends InnodbHalfCommitContract {
    MysqlHalfCommitTest() {
        super(TestDatabase.MYSQL);
    }
}
