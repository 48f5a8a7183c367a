package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlContractTest extends JpaContract {
    MysqlContractTest() {
        super(TestDatabase.MYSQL);
    }
}
