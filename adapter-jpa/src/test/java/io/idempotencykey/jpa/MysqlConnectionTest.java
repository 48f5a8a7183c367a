package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlConnectionTest extends JpaConnectionContract {
    MysqlConnectionTest() {
        super(TestDatabase.MYSQL);
    }
}
