package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.engine.spi.SessionImplementor;
import org.hibernate.resource.transaction.spi.TransactionObserver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** A key moves together with what its stage writes, or not at all, whatever becomes of the transaction meanwhile. */
abstract class JpaHalfCommitContract extends JpaStoreFixture {
    private static final String UPDATE = "update contract_row set content = '1' where name = ";

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

    /** What the stage has written by then is committed, and would be once more by each further run. */
    @Test
    void aStageThatCommitsJtasTransactionIsItsOwnFailureOnce() throws Exception {
        jta((store, factory, manager) -> assertCommittedOnce(store, em -> commit(manager)));
    }

    @Test
    void aStageThatCommitsSpringsTransactionIsItsOwnFailureOnce() throws Exception {
        spring((store, outer, em) -> assertCommittedOnce(
                store, own -> own.unwrap(Session.class).getTransaction().commit()));
    }

    private static void commit(TransactionManager manager) {
        try {
            manager.commit();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertCommittedOnce(JpaKeyStore store, Consumer<EntityManager> commit) {
        Isolation isolation = Collections.max(store.isolations());
        StoredKey held = held(store);
        StageCommit end = store.commitStage(held, isolation, LEASE, em -> {
            em.persist(new ContractRow("staged", "1"));
            em.flush();
            commit.accept(em);
            return next(held).progress();
        });
        assertThat(nameOf(end)).isEqualTo("rolled back");

        AtomicInteger runs = new AtomicInteger();
        IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .maxTries(3)
                .build();
        assertThatIllegalStateException()
                .isThrownBy(() -> keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                    stage.transaction().persist(new ContractRow("run " + runs.incrementAndGet(), "1"));
                    stage.transaction().flush();
                    commit.accept(stage.transaction());
                    return TestApplication.RESPONSE;
                }))
                .withMessageContaining("only the library may commit or roll back");
        assertThat(rows(store, isolation)).containsExactlyInAnyOrder("staged", "run 1");
    }

    /** Hibernate alone would commit. */
    @Test
    void aCallbackThatMarksTheTransactionForRollbackIsTheStagesOwnFailureOnce() throws Exception {
        Consumer<EntityManager> marks = em -> {
            em.persist(new ContractRow("row", "1"));
            Session session = em.unwrap(Session.class);
            session.getTransaction()
                    .registerSynchronization(JtaApplication.synchronization(
                            () -> session.getTransaction().setRollbackOnly(), () -> {}));
        };
        with((store, factory, pool) -> assertFailsOnceWithoutRows(store, marks));
        spring((store, outer, em) -> assertFailsOnceWithoutRows(store, marks));
        jta((store, factory, manager) -> assertFailsOnceWithoutRows(store, em -> {
            em.persist(new ContractRow("row", "1"));
            JtaApplication.register(manager, JtaApplication.synchronization(() -> mark(manager), () -> {}));
        }));
    }

    private static void mark(TransactionManager manager) {
        try {
            manager.setRollbackOnly();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertFailsOnceWithoutRows(JpaKeyStore store, Consumer<EntityManager> work) {
        Isolation isolation = Collections.max(store.isolations());
        assertThat(assertFailsOnce(store, isolation, work)).hasMessageContaining("marked the stage's transaction");
        assertThat(rows(store, isolation)).isEmpty();
    }

    @Test
    void anInterposedCallbackThatFailsIsTheStagesOwnFailureOnce() throws Exception {
        jta((store, factory, manager) -> {
            Isolation isolation = Collections.max(store.isolations());
            Exception thrown = assertFailsOnce(store, isolation, em -> {
                em.persist(new ContractRow("row", "1"));
                Moment.INTERPOSED_CALLBACK.run(em.unwrap(Session.class), () -> {
                    throw new IllegalStateException("thrown by a callback");
                });
            });
            assertThat(thrown).hasStackTraceContaining("thrown by a callback");
            assertThat(rows(store, isolation)).isEmpty();
        });
    }

    @Test
    void aMarkOfAnInterposedCallbackIsTheStagesOwnFailureOnce() throws Exception {
        jta((store, factory, manager) -> {
            Isolation isolation = Collections.max(store.isolations());
            assertFailsOnce(store, isolation, em -> {
                em.persist(new ContractRow("row", "1"));
                Moment.INTERPOSED_CALLBACK.run(em.unwrap(Session.class), () -> mark(manager));
            });
            assertThat(rows(store, isolation)).isEmpty();
        });
    }

    /** Hibernate marks the transaction then, which may be the server's doing. */
    @ParameterizedTest
    @EnumSource(Way.class)
    void anErrorThatAnInterposedCallbackSwallowsIsRunAgain(Way way) throws Exception {
        jta((store, factory, manager) -> {
            Isolation isolation = Collections.max(store.isolations());
            StoredKey key = way.key(store);
            StageCommit end = way.commit(store, key, isolation, em -> {
                em.persist(new ContractRow("row", "1"));
                Moment.INTERPOSED_CALLBACK.run(
                        em.unwrap(Session.class),
                        () -> assertThatException()
                                .isThrownBy(() -> em.createNativeQuery("insert into contract_row values ('row', '2')")
                                        .executeUpdate()));
                return next(key).progress();
            });
            assertThat(nameOf(end)).isEqualTo("transiently rolled back");
            assertThat(way.hasMoved(store, key)).isFalse();
            assertThat(rows(store, isolation)).isEmpty();
        });
    }

    /** As Hibernate's own sessions on the same connection have, which are opened by a callback. */
    @ParameterizedTest
    @EnumSource(
            value = End.class,
            names = {"ROLLBACK", "SQL"})
    void anObserverThatRollsBackAfterAllCallbacksNeverMovesTheKeyWithoutTheStagesWrites(End end) throws Exception {
        with((store, factory, pool) -> assertNotHalfCommitted(store, end, Moment.LATE_OBSERVER));
        spring((store, outer, em) -> assertNotHalfCommitted(store, end, Moment.LATE_OBSERVER));
    }

    @Test
    void anObserverThatFailsAfterAllCallbacksIsTheStagesOwnFailureOnce() throws Exception {
        Consumer<EntityManager> fails = em -> {
            em.persist(new ContractRow("row", "1"));
            Moment.LATE_OBSERVER.run(em.unwrap(Session.class), () -> {
                throw new IllegalStateException("thrown by an observer");
            });
        };
        with((store, factory, pool) -> assertFailsOnce(store, Collections.max(store.isolations()), fails));
        spring((store, outer, em) -> assertFailsOnce(store, Collections.max(store.isolations()), fails));
    }

    /** What ends a transaction on the stage's raw connection, so that the fence would run in the next one. */
    enum End {
        ROLLBACK,
        COMMIT,
        AUTO_COMMIT,
        /** H2's driver commits before it sets one. */
        ISOLATION,
        SQL,
        SQL_AFTER_A_COMMENT,
        SQL_AFTER_A_SEMICOLON,
        SQL_AFTER_A_STATEMENT,
        SQL_IN_A_BATCH,
        /** PostgreSQL's. */
        TWO_PHASE_COMMIT;

        void on(Connection connection) throws SQLException {
            switch (this) {
                case ROLLBACK -> connection.rollback();
                case COMMIT -> connection.commit();
                case AUTO_COMMIT -> connection.setAutoCommit(true);
                case ISOLATION -> connection.setTransactionIsolation(connection.getTransactionIsolation());
                case SQL -> TestDatabase.execute(connection, "rollback");
                case SQL_AFTER_A_COMMENT -> TestDatabase.execute(connection, "/* a */ -- b\n rollback");
                case SQL_AFTER_A_SEMICOLON -> TestDatabase.execute(connection, "; rollback");
                case SQL_AFTER_A_STATEMENT -> TestDatabase.execute(connection, "select ';' /* ; */; rollback");
                case SQL_IN_A_BATCH -> {
                    try (Statement statement = connection.createStatement()) {
                        statement.addBatch("rollback");
                        statement.executeBatch();
                    }
                }
                case TWO_PHASE_COMMIT -> TestDatabase.execute(connection, "prepare transaction 'stage'");
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

    @ParameterizedTest
    @EnumSource(End.class)
    void aCallbackThatEndsTheTransactionNeverMovesTheKeyWithoutTheStagesWrites(End end) throws Exception {
        with((store, factory, pool) -> assertNotHalfCommitted(store, end, Moment.HIBERNATES_CALLBACK));
    }

    private static void assertNotHalfCommitted(JpaKeyStore store, End end) {
        assertNotHalfCommitted(store, end, Moment.WORK);
    }

    private static void assertNotHalfCommitted(JpaKeyStore store, End end, Moment moment) {
        Isolation isolation = Collections.max(store.isolations());
        for (Way way : Way.values()) {
            StoredKey key = way.key(store);
            way.commit(store, key, isolation, em -> {
                Session session = em.unwrap(Session.class);
                session.doWork(connection ->
                        TestDatabase.execute(connection, "insert into contract_row values ('" + way + "', '1')"));
                moment.run(
                        session,
                        () -> session.doWork(connection -> {
                            try {
                                end.on(connection);
                            } catch (SQLException swallowed) {
                                assertThat((Throwable) swallowed).isNotNull();
                            }
                            TestDatabase.execute(
                                    connection, "insert into contract_row values ('" + way + " later', '1')");
                        }));
                return next(key).progress();
            });
            List<String> rows = rows(store, isolation);
            assertThat(rows.contains(way.name())).as("moved, %s", way).isEqualTo(way.hasMoved(store, key));
            assertThat(rows.contains(way + " later")).as("moved, %s", way).isEqualTo(way.hasMoved(store, key));
        }
    }

    /** When a stage does what it should not. */
    enum Moment {
        WORK {
            @Override
            void run(Session session, Runnable deed) {
                deed.run();
            }
        },
        HIBERNATES_CALLBACK {
            @Override
            void run(Session session, Runnable deed) {
                session.getTransaction().registerSynchronization(JtaApplication.synchronization(deed, () -> {}));
            }
        },
        /** An observer of Hibernate's that a callback has added, and that runs after all others. */
        LATE_OBSERVER {
            @Override
            void run(Session session, Runnable deed) {
                HIBERNATES_CALLBACK.run(
                        session,
                        () -> session.unwrap(SessionImplementor.class)
                                .getTransactionCoordinator()
                                .addObserver(new TransactionObserver() {
                                    @Override
                                    public void afterBegin() {}

                                    @Override
                                    public void beforeCompletion() {
                                        deed.run();
                                    }

                                    @Override
                                    public void afterCompletion(boolean successful, boolean delayed) {}
                                }));
            }
        },
        /** JTA runs it after all that weren't interposed. */
        INTERPOSED_CALLBACK {
            @Override
            void run(Session session, Runnable deed) {
                JtaApplication.registerInterposed(JtaApplication.synchronization(deed, () -> {}));
            }
        },
        /** Spring logs and swallows what it throws. */
        SPRINGS_CALLBACK {
            @Override
            void run(Session session, Runnable deed) {
                TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                    @Override
                    public void beforeCompletion() {
                        deed.run();
                    }
                });
            }
        };

        abstract void run(Session session, Runnable deed);
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockOfACallbackNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) -> assertThat(
                        keysMovedWithoutTheirWrites(store, way, UPDATE, Moment.HIBERNATES_CALLBACK))
                .isZero());
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockOfACallbackInAJtaTransactionNeverMovesTheKey(Way way) throws Exception {
        for (Moment moment : List.of(Moment.HIBERNATES_CALLBACK, Moment.INTERPOSED_CALLBACK)) {
            jta((store, factory, manager) -> assertThat(keysMovedWithoutTheirWrites(store, way, UPDATE, moment))
                    .as("moved, %s", moment)
                    .isZero());
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockOfACallbackInSpringsTransactionNeverMovesTheKey(Way way) throws Exception {
        for (Moment moment : List.of(Moment.HIBERNATES_CALLBACK, Moment.SPRINGS_CALLBACK)) {
            spring((store, outer, em) -> assertThat(keysMovedWithoutTheirWrites(store, way, UPDATE, moment))
                    .as("moved, %s", moment)
                    .isZero());
        }
    }

    /** A statement before and after which MySQL, MariaDB and H2 commit. */
    static final String COMMITS = "create table made_by_a_stage (id int)";

    void assertImplicitCommitIsRefused() throws Exception {
        with((store, factory, pool) -> {
            Exception refused = assertFailsOnce(store, Collections.max(store.isolations()), em -> {
                em.persist(new ContractRow("row", "1"));
                em.flush();
                em.createNativeQuery(COMMITS).executeUpdate();
            });
            assertThat(refused).hasStackTraceContaining("only the library ends a stage's transaction");
            assertThat(rows(store, Collections.max(store.isolations()))).isEmpty();
        });
    }

    /** Runs each statement, and looks whether a row is there after a rollback. */
    void assertEndsAreKnown(Predicate<String> ends, String... statements) throws SQLException {
        String url = database.create();
        for (String sql : statements) {
            TestDatabase.execute(url, "delete from contract_row");
            try (Connection connection = DriverManager.getConnection(url)) {
                connection.setAutoCommit(false);
                TestDatabase.execute(connection, "insert into contract_row values ('row', '1')");
                try {
                    TestDatabase.execute(connection, sql);
                } finally {
                    connection.rollback();
                }
            }
            assertThat(ends.test(sql))
                    .as(sql)
                    .isEqualTo(!TestApplication.rows(url).isEmpty());
        }
    }

    /** A request of one stage commits by a procedure, which isn't refused, and then meets a conflict. */
    static void assertFailsOnceThoughItCommits(JpaKeyStore store, String conflict) {
        AtomicInteger runs = new AtomicInteger();
        IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .maxTries(3)
                .build();
        KeyId id = KeyId.of("key");
        assertThatException()
                .isThrownBy(() -> keys.once("order", id, TestApplication.REQUEST, stage -> {
                    commitAndMeet(stage.transaction(), "run " + runs.incrementAndGet(), conflict);
                    return TestApplication.RESPONSE;
                }))
                .isNotInstanceOf(IdempotencyException.class)
                .satisfies(thrown -> assertThat(thrown).hasStackTraceContaining("conflict"));
        assertThat(rows(store, Isolation.READ_COMMITTED)).containsExactly("run 1");
        assertThat(keys.retrieve(id).state()).isInstanceOf(KeyState.Failed.class);
    }

    /** A stage of several fails once if it commits before it meets a conflict that leaves its transaction open. */
    static void assertStageFailsOnceIfItCommits(JpaKeyStore store, String conflict) {
        StoredKey held = held(store);
        for (boolean commits : List.of(true, false)) {
            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                if (commits) {
                    commitAndMeet(em, "row", conflict);
                }
                em.createNativeQuery(conflict).executeUpdate();
                return next(held).progress();
            });
            assertThat(nameOf(end)).isEqualTo(commits ? "rolled back" : "transiently rolled back");
        }
    }

    private static void commitAndMeet(EntityManager em, String row, String conflict) {
        em.unwrap(Session.class).doWork(connection -> {
            TestDatabase.execute(connection, "insert into contract_row values ('" + row + "', '1')");
            TestDatabase.execute(connection, "call commit_it()");
            TestDatabase.execute(connection, conflict);
        });
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

    /** There the adapter sees no errors. */
    @ParameterizedTest
    @EnumSource(Way.class)
    void aSwallowedDeadlockOnAnUnwrappedConnectionNeverMovesTheKey(Way way) throws Exception {
        with((store, factory, pool) -> assertThat(keysMovedWithoutTheirWrites(
                        store, way, UPDATE, Moment.WORK, connection -> connection.unwrap(Connection.class)))
                .isZero());
    }

    /** A procedure that swallows a deadlock: the client sees no error, and no warning. */
    static void assertNoKeyMovesThoughAProcedureSwallows(
            JpaKeyStore store, Way way, EntityManagerFactory factory, String procedure) throws Exception {
        try (Session session = factory.unwrap(SessionFactory.class).openSession()) {
            session.doWork(connection -> TestDatabase.execute(connection, procedure));
        }
        assertThat(keysMovedWithoutTheirWrites(store, way, "call quiet", Moment.WORK))
                .isZero();
    }

    /** Two stages deadlock: the server rolls one of them back, and its session doesn't know. */
    private static long keysMovedWithoutTheirWrites(JpaKeyStore store, Way way) throws Exception {
        return keysMovedWithoutTheirWrites(store, way, UPDATE, Moment.WORK);
    }

    private static long keysMovedWithoutTheirWrites(JpaKeyStore store, Way way, String update, Moment moment)
            throws Exception {
        return keysMovedWithoutTheirWrites(store, way, update, moment, connection -> connection);
    }

    /** What a stage makes of its session's connection. */
    @FunctionalInterface
    private interface Handle {
        Connection of(Connection connection) throws SQLException;
    }

    private static long keysMovedWithoutTheirWrites(
            JpaKeyStore store, Way way, String update, Moment moment, Handle handle) throws Exception {
        Isolation isolation = Collections.max(store.isolations());
        insert(store, isolation, "x", "y");
        StoredKey one = way.key(store);
        StoredKey two = way.key(store);
        CountDownLatch bothHold = new CountDownLatch(2);

        CompletableFuture<StageCommit> first = TestApplication.elsewhere(
                () -> deadlock(store, way, one, isolation, "x", update + "('y')", moment, handle, bothHold));
        CompletableFuture<StageCommit> second = TestApplication.elsewhere(
                () -> deadlock(store, way, two, isolation, "y", update + "('x')", moment, handle, bothHold));
        long moved = 0;
        for (Map.Entry<StoredKey, CompletableFuture<StageCommit>> each :
                Map.of(one, first, two, second).entrySet()) {
            StoredKey key = each.getKey();
            StageCommit end = each.getValue().get(60, TimeUnit.SECONDS);
            assertThat(end.kind() == StageCommit.Kind.COMMITTED)
                    .as("committed, says %s", end)
                    .isEqualTo(way.hasMoved(store, key));
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
            Moment moment,
            Handle handle,
            CountDownLatch bothHold) {
        return way.commit(store, key, isolation, em -> {
            Session session = em.unwrap(Session.class);
            session.doWork(connection -> {
                TestDatabase.execute(
                        connection,
                        "insert into contract_row values ('by " + key.id().value() + "', '1')");
                TestDatabase.execute(connection, "update contract_row set content = '1' where name = '" + mine + "'");
            });
            moment.run(
                    session,
                    () -> session.doWork(connection -> {
                        try {
                            bothHold.countDown();
                            TestApplication.await(bothHold);
                            TestDatabase.execute(handle.of(connection), updateOfTheirs);
                        } catch (SQLException swallowed) {
                            assertThat((Throwable) swallowed).isNotNull();
                        }
                    }));
            return next(key).progress();
        });
    }
}
