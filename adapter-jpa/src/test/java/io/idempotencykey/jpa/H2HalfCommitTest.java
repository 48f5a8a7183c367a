package io.idempotencykey.jpa;

import org.junit.jupiter.api.Test;

class H2HalfCommitTest extends JpaHalfCommitContract {
    H2HalfCommitTest() {
        super(TestDatabase.H2);
    }

    @Test
    void anImplicitCommitIsRefused() throws Exception {
        assertImplicitCommitIsRefused();
    }

    @Test
    void whatH2CommitsBeforeIsKnown() throws Exception {
        assertEndsAreKnown(
                EndingStatements.H2::contain,
                "set @note = 'the autocommit setting'",
                "set lock_timeout 1000",
                "set query_timeout 1000",
                "set schema public",
                "set time zone 'UTC'",
                "set referential_integrity false",
                "set cache_size 1000",
                "set mode mysql",
                "set mode regular",
                "set ignorecase true",
                "set ignorecase false",
                "set session characteristics as transaction isolation level read committed",
                "script",
                "checkpoint",
                "explain select 1",
                "create local temporary table a (b int)",
                "create local temporary table c (d int) transactional",
                "create table e (f varchar default 'transactional')",
                "select 1 // ; commit",
                "/* /* */ ; commit */ select 1",
                "select ';' ; commit");
    }
}
