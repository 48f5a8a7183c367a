package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A key moves together with what its stage writes, or not at all, whatever becomes of the transaction meanwhile. */
abstract class JpaHalfCommitContract extends JpaStoreFixture {
    JpaHalfCommitContract(TestDatabase database) {
        super(database);
    }

    @Test
    void aTransactionThatTheStageMarksForRollbackIsItsOwnFailure() throws Exception {
        with((store, factory, pool) -> assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
            em.persist(new ContractRow("a", "1"));
            em.getTransaction().setRollbackOnly();
        }));
    }

    @Test
    void aStageThatCommitsByItselfIsRefused() throws Exception {
        with((store, factory, pool) -> assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
            em.getTransaction().commit();
            em.getTransaction().begin();
        }));
    }

    /** What ends a transaction on the stage's raw connection, so that the fence would run in the next one. */
    enum End {
        ROLLBACK,
        COMMIT,
        AUTO_COMMIT,
        SQL,
        SQL_AFTER_A_COMMENT,
        SQL_AFTER_A_SEMICOLON;

        void on(Connection connection) throws SQLException {
            switch (this) {
                case ROLLBACK -> connection.rollback();
                case COMMIT -> connection.commit();
                case AUTO_COMMIT -> connection.setAutoCommit(true);
                case SQL -> TestDatabase.execute(connection, "rollback");
                case SQL_AFTER_A_COMMENT -> TestDatabase.execute(connection, "/* a */ -- b\n rollback");
                case SQL_AFTER_A_SEMICOLON -> TestDatabase.execute(connection, "; rollback");
            }
        }
    }

    @ParameterizedTest
    @EnumSource(End.class)
    void aStageThatEndsItsTransactionOnTheRawConnectionNeverMovesTheKeyWithoutItsWrites(End end) throws Exception {
        with((store, factory, pool) -> assertNotHalfCommitted(store, end));
    }

    @ParameterizedTest
    @EnumSource(
            value = End.class,
            names = {"ROLLBACK", "SQL"})
    void aRollbackBehindSpringsBackNeverMovesTheKey(End end) throws Exception {
        spring((store, outer, em) -> assertNotHalfCommitted(store, end));
    }

    private static void assertNotHalfCommitted(JpaKeyStore store, End end) {
        Isolation isolation = Collections.max(store.isolations());
        for (Way way : Way.values()) {
            StoredKey key = way.key(store);
            way.commit(store, key, isolation, em -> {
                em.unwrap(Session.class).doWork(connection -> {
                    TestDatabase.execute(connection, "insert into contract_row values ('" + way + "', '1')");
                    try {
                        end.on(connection);
                    } catch (SQLException swallowed) {
                        assertThat((Throwable) swallowed).isNotNull();
                    }
                });
                return next(key).progress();
            });
            assertThat(way.hasMoved(store, key))
                    .as("moved, %s", way)
                    .isEqualTo(rows(store, isolation).contains(way.name()));
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockOnARawConnectionNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) ->
                assertThat(keysMovedWithoutTheirWrites(store, way)).isZero());
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockInAJtaTransactionNeverMovesTheKey(Way way) throws Exception {
        jta((store, factory, manager) ->
                assertThat(keysMovedWithoutTheirWrites(store, way)).isZero());
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockInSpringsTransactionNeverMovesTheKey(Way way) throws Exception {
        spring((store, outer, em) ->
                assertThat(keysMovedWithoutTheirWrites(store, way)).isZero());
    }

    /** Two stages deadlock: the server rolls one of them back, and its session doesn't know. */
    private static long keysMovedWithoutTheirWrites(JpaKeyStore store, Way way) throws Exception {
        return keysMovedWithoutTheirWrites(store, way, "update contract_row set content = '1' where name = ");
    }

    static long keysMovedWithoutTheirWrites(JpaKeyStore store, Way way, String update) throws Exception {
        Isolation isolation = Collections.max(store.isolations());
        insert(store, isolation, "x", "y");
        StoredKey one = way.key(store);
        StoredKey two = way.key(store);
        CountDownLatch bothHold = new CountDownLatch(2);

        CompletableFuture<StageCommit> first =
                TestApplication.elsewhere(() -> deadlock(store, way, one, isolation, "x", update + "('y')", bothHold));
        CompletableFuture<StageCommit> second =
                TestApplication.elsewhere(() -> deadlock(store, way, two, isolation, "y", update + "('x')", bothHold));
        first.get(60, TimeUnit.SECONDS);
        second.get(60, TimeUnit.SECONDS);

        long moved = 0;
        for (StoredKey key : List.of(one, two)) {
            if (way.hasMoved(store, key)
                    && !rows(store, isolation).contains("by " + key.id().value())) {
                moved++;
            }
        }
        return moved;
    }

    /** Writes rows in a stage, which works with any kind of transaction. */
    private static void insert(JpaKeyStore store, Isolation isolation, String... names) {
        StoredKey held = held(store);
        assertThat(store.commitStage(held, isolation, LEASE, em -> {
                    for (String name : names) {
                        em.persist(new ContractRow(name, "0"));
                    }
                    return next(held).progress();
                }))
                .isEqualTo(StageCommit.committed());
    }

    private static StageCommit deadlock(
            JpaKeyStore store,
            Way way,
            StoredKey key,
            Isolation isolation,
            String mine,
            String updateOfTheirs,
            CountDownLatch bothHold) {
        return way.commit(store, key, isolation, em -> {
            em.unwrap(Session.class).doWork(connection -> {
                try (Statement statement = connection.createStatement()) {
                    statement.execute(
                            "insert into contract_row values ('by " + key.id().value() + "', '1')");
                    statement.execute("update contract_row set content = '1' where name = '" + mine + "'");
                    bothHold.countDown();
                    TestApplication.await(bothHold);
                    statement.execute(updateOfTheirs);
                } catch (SQLException swallowed) {
                    assertThat((Throwable) swallowed).isNotNull();
                }
            });
            return next(key).progress();
        });
    }
}
