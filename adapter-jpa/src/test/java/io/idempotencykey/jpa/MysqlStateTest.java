package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlStateTest extends JpaStateContract {
    MysqlStateTest() {
        super(TestDatabase.MYSQL);
    }
}
