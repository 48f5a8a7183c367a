package io.idempotencykey.jpa;

import org.junit.jupiter.api.Test;

class PostgresqlHalfCommitTest extends JpaHalfCommitContract {
    PostgresqlHalfCommitTest() {
        super(TestDatabase.POSTGRESQL);
    }

    @Test
    void whatEndsATransactionIsKnown() throws Exception {
        assertEndsAreKnown(
                EndingStatements.POSTGRESQL::contain,
                "create table a$$b (x int); commit; create table c$$d (x int)",
                "create table a (b text default 'begin atomic'); commit",
                "select '\\'; commit; select '\\'",
                "select E'it\\'s; commit'",
                "select date'2000-01-01', $a$; commit $A$ $a$",
                "/* /* */ ; commit */ select 1",
                "set application_name = 'autocommit test'",
                "do $$ begin perform 1; end $$",
                "create function f() returns int language sql begin atomic select 1; end");
    }
}
