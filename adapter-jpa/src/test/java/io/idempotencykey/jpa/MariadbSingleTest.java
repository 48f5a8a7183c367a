package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;

@Tag("databases")
class MariadbSingleTest extends JpaSingleContract {
    MariadbSingleTest() {
        super(TestDatabase.MARIADB);
    }
}
