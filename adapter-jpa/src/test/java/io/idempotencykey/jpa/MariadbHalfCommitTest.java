package io.idempotencykey.jpa;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("databases")
class MariadbHalfCommitTest extends InnodbHalfCommitContract {
    MariadbHalfCommitTest() {
        super(TestDatabase.MARIADB);
    }

    @Test
    void whatEndsATransactionOnMariadbAloneIsKnown() throws Exception {
        assertEndsAreKnown(
                EndingStatements.INNODB::contain,
                "if 1 = 1 then update contract_row set content = '2'; end if",
                "case when 1 = 1 then update contract_row set content = '2'; end case",
                "for a in (select 1 b) do update contract_row set content = '2'; end for",
                "begin not atomic update contract_row set content = '2'; end",
                "create temporary sequence s");
    }
}
