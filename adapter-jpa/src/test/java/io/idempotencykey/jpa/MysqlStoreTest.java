package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MysqlStoreTest extends InnodbStoreContract {
    MysqlStoreTest() {
        super(TestDatabase.MYSQL);
    }
}
