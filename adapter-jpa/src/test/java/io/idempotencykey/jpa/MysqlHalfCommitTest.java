package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("databases")
class MysqlHalfCommitTest extends InnodbHalfCommitContract {
    MysqlHalfCommitTest() {
        super(TestDatabase.MYSQL);
    }

    @Test
    void whatEndsATransactionOnMysqlAloneIsKnown() throws Exception {
        assertEndsAreKnown(EndingStatements.INNODB::contain, "reset persist");
    }
}
