package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.DriverManager;
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
                "set lazy_query_execution 0",
                "set lock_timeout 1000",
                "set non_keywords year",
                "set query_timeout 1000",
                "set retention_time 45000",
                "set schema public",
                "set schema_search_path public, information_schema",
                "set throttle 0",
                "set time zone 'UTC'",
                "set trace_level_file 1",
                "set trace_level_system_out 0",
                "set truncate_large_length false",
                "set variable_binary false",
                "set write_delay 500",
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
                "create temporary table c1 (d int) on commit delete rows transactional",
                "create table e (f varchar default 'transactional')",
                "create table transactional (f int)",
                "create local temporary table f (transactional int)",
                "create local temporary table g as select (1) transactional",
                "declare local temporary table h (b int)",
                "declare global temporary table i (b int)",
                "declare local temporary table j (b int) not persistent transactional",
                "prepare p as select 1",
                "deallocate p",
                "select 1 // ; commit",
                "/* /* */ ; commit */ select 1",
                "select ';' ; commit");
    }

    /** It fails on another connection than the view was made on. */
    @Test
    void h2IsKnownToCommitBeforeItRefreshesAView() throws Exception {
        String refresh = "refresh materialized view v";
        String url = database.create();
        try (Connection connection = DriverManager.getConnection(url)) {
            TestDatabase.execute(connection, "create materialized view v as select 1 a");
            connection.setAutoCommit(false);
            TestDatabase.execute(connection, "insert into contract_row values ('row', '1')");
            TestDatabase.execute(connection, refresh);
            connection.rollback();
        }
        assertThat(TestApplication.rows(url)).containsExactly("row");
        assertThat(EndingStatements.H2.contain(refresh)).isTrue();
    }

    /** The guard doesn't look into a procedure. The key's row, which was written first, shows what it has done. */
    @Test
    void aRequestThatCommitsByAProcedureAndMeetsAConflictThenFailsOnce() throws Exception {
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                String body = " as 'void f(java.sql.Connection c) throws Exception { ";
                TestDatabase.execute(connection, "create alias commit_it" + body + "c.commit(); }'");
                TestDatabase.execute(
                        connection,
                        "create alias conflict" + body
                                + "throw new java.sql.SQLException(\"conflict\", \"40001\", 40001); }'");
            }
            assertFailsOnceThoughItCommits(store, "call conflict()");
        });
    }
}
