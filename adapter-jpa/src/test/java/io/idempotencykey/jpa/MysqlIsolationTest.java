package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlIsolationTest extends JpaIsolationContract {
    MysqlIsolationTest() {
        super(TestDatabase.MYSQL);
    }
}
