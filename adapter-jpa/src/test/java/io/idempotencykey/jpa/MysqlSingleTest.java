package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlSingleTest extends JpaSingleContract {
    MysqlSingleTest() {
        super(TestDatabase.MYSQL);
    }
}
