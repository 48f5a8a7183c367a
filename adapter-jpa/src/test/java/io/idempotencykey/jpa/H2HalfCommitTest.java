package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.OptimisticLockException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class H2HalfCommitTest extends JpaHalfCommitContract {
    private static final String QUIET = "create alias quiet as 'void quiet(java.sql.Connection c, String n) {"
            + " try (var update = c.createStatement()) {"
            + " update.execute(\"update contract_row set content = ''1'' where name = ''\" + n + \"''\");"
            + " } catch (java.sql.SQLException swallowed) { } }'";

    H2HalfCommitTest() {
        super(TestDatabase.H2);
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) -> assertNoKeyMovesThoughAProcedureSwallows(store, way, factory, QUIET));
        jta((store, factory, manager) -> assertNoKeyMovesThoughAProcedureSwallows(store, way, factory, QUIET));
        spring((store, outer, em) ->
                assertNoKeyMovesThoughAProcedureSwallows(store, way, em.getEntityManagerFactory(), QUIET));
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
            commitsAndConflicts(pool);
            assertFailsOnceThoughItCommits(store, "call deadlock()");
        });
    }

    /** H2 ends the transaction by itself with its own conflict, and not with a procedure's. */
    @Test
    void aStageThatCommitsByAProcedureAndMeetsAConflictThenFailsOnce() throws Exception {
        with((store, factory, pool) -> {
            commitsAndConflicts(pool);
            assertStageFailsOnceIfItCommits(store, "call conflict()");
        });
    }

    /** Hibernate's error doesn't say what became of the transaction, but the connection has seen it. */
    @Test
    void aStageThatSwallowsADeadlockAndFailsOtherwiseIsRunAgain() throws Exception {
        with((store, factory, pool) -> {
            commitsAndConflicts(pool);
            StoredKey held = held(store);
            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                assertThatException()
                        .isThrownBy(
                                () -> em.createNativeQuery("call deadlock()").executeUpdate());
                throw new OptimisticLockException("the row was rolled back");
            });
            assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    private static void commitsAndConflicts(DataSource source) throws SQLException {
        try (Connection connection = source.getConnection()) {
            String body = " as 'void f(java.sql.Connection c) throws Exception { ";
            String fails = body + "throw new java.sql.SQLException(\"conflict\", \"40001\"";
            TestDatabase.execute(connection, "create alias commit_it" + body + "c.commit(); }'");
            TestDatabase.execute(connection, "create alias conflict" + fails + "); }'");
            TestDatabase.execute(connection, "create alias deadlock" + fails + ", 40001); }'");
        }
    }
}
