package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.sql.Connection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A deadlock that a procedure of MySQL or MariaDB keeps to itself. */
abstract class InnodbHalfCommitContract extends JpaHalfCommitContract {
    private static final String QUIET = "create procedure quiet(n varchar(50)) begin"
            + " declare continue handler for sqlexception begin end;"
            + " update contract_row set content = '1' where name = n; end";

    InnodbHalfCommitContract(TestDatabase database) {
        super(database);
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) -> assertNoKeyMovesThoughAProcedureSwallows(store, way, factory, QUIET));
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsInAJtaTransactionNeverMovesTheKey(Way way) throws Exception {
        jta((store, factory, manager) -> assertNoKeyMovesThoughAProcedureSwallows(store, way, factory, QUIET));
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aDeadlockThatAProcedureSwallowsInSpringsTransactionNeverMovesTheKey(Way way) throws Exception {
        spring((store, outer, em) ->
                assertNoKeyMovesThoughAProcedureSwallows(store, way, em.getEntityManagerFactory(), QUIET));
    }

    @Test
    void whatEndsATransactionIsKnown() throws Exception {
        assertEndsAreKnown(
                EndingStatements.INNODB::contain,
                "insert into contract_row values ('a', 'Don\\'t panic; drop it')",
                "insert into contract_row values ('b', \"say \\\"no\\\"; drop it\")",
                "set @note = 'the autocommit setting'",
                "set @a = ';', `autocommit` = 1, @b = 'c'",
                "create /* a */ temporary table a (b int)",
                "drop /* a */ temporary table if exists a",
                "/*!50000 create table b (c int) */",
                "drop table b");
    }

    @Test
    void anImplicitCommitIsRefused() throws Exception {
        assertImplicitCommitIsRefused();
    }

    /** What the stage has written by then is committed, so it isn't run again. */
    @ParameterizedTest
    @EnumSource(Way.class)
    void anImplicitCommitOnAnApplicationsConnectionIsTheStagesOwnFailure(Way way) throws Exception {
        spring((store, outer, em) -> assertImplicitCommitIsTheStagesOwnFailure(store, way));
        jta((store, factory, manager) -> assertImplicitCommitIsTheStagesOwnFailure(store, way));
    }

    private static void assertImplicitCommitIsTheStagesOwnFailure(JpaKeyStore store, Way way) {
        StoredKey key = way.key(store);
        StageCommit end = way.commit(store, key, Isolation.SERIALIZABLE, em -> {
            em.createNativeQuery(COMMITS).executeUpdate();
            em.persist(new ContractRow("row", "1"));
            return next(key).progress();
        });
        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(end.cause()).hasMessageContaining("ended before its commit");
        assertThat(rows(store, Isolation.SERIALIZABLE)).isEmpty();
    }

    /** A deadlock would have ended the transaction; this conflict leaves it open, and its savepoint. */
    @Test
    void aStageThatCommitsByAProcedureAndMeetsAConflictThenFailsOnce() throws Exception {
        String conflict = "signal sqlstate '40001' set message_text = 'conflict'";
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "create procedure commit_it() commit");
            }
            assertStageFailsOnceIfItCommits(store, conflict);
            TestDatabase.execute(pool.getJdbcUrl(), "delete from contract_row");
            assertFailsOnceThoughItCommits(store, conflict);
        });
    }
}
