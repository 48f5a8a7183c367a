package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.OptimisticLockException;
import jakarta.persistence.PersistenceException;
import jakarta.transaction.HeuristicMixedException;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.hibernate.Session;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the application's own query causes is its own failure, once. So a bound that it has set bounds the request, and
 * isn't multiplied by running the query again.
 */
class OwnErrorTest {
    private static final String HINT = "jakarta.persistence.query.timeout";

    @Test
    void aTimeOutOfTheTransactionsStatementsIsTheStagesOwnFailureOnce() throws SQLException {
        failsOnce(TestDatabase.POSTGRESQL, em -> {
            TestApplication.ask(em, "select set_config('statement_timeout', '200', true)");
            em.createNativeQuery("select cast(pg_sleep(60) as varchar)").getResultList();
        });
    }

    /** The server ends the connection with it. */
    @Test
    void aTimeOutOfTheTransactionIsTheStagesOwnFailureOnce() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        int version = Integer.parseInt(TestApplication.ask(url, "select current_setting('server_version_num')")
                .get(0));
        assumeThat(version).as("17 is the first that has it").isGreaterThanOrEqualTo(170_000);
        failsOnce(url, em -> {
            TestApplication.ask(em, "select set_config('transaction_timeout', '200', true)");
            em.createNativeQuery("select cast(pg_sleep(60) as varchar)").getResultList();
        });
    }

    /** The bound is for statements of the application, and the wait for the key's row was the fence's. */
    @Test
    void aTimeOutOfTheDataSourceAtTheFenceIsTransient() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        try (Connection other = DriverManager.getConnection(url)) {
            other.setAutoCommit(false);
            with(url + "&options=-c%20statement_timeout=500", store -> {
                StoredKey held = JpaStoreFixture.held(store);

                StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                    hold(other);
                    return JpaStoreFixture.next(held).progress();
                });

                assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
                assertThat(store.find(held.id())).contains(held);
            });
            other.rollback();
        }
    }

    private static void hold(Connection other) {
        try {
            TestDatabase.execute(other, "select 1 from idempotency_key for update");
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aTimeOutOfAQueryIsTheStagesOwnFailureOnce() throws SQLException {
        failsOnce(
                TestDatabase.POSTGRESQL,
                em -> em.createNativeQuery("select cast(pg_sleep(60) as varchar)")
                        .setHint(HINT, 1_000)
                        .getResultList());
    }

    @Test
    void aTimeOutOfAQueryOnH2IsTheStagesOwnFailureOnce() throws SQLException {
        failsOnce(
                TestDatabase.H2,
                em -> em.createNativeQuery(
                                "select count(*) from system_range(1, 1000000) a, system_range(1, 1000000) b where a.x = -b.x")
                        .setHint(HINT, 1_000)
                        .getResultList());
    }

    @Tag("databases")
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aTimeOutOfAQueryOnMariadbIsTheStagesOwnFailureOnce(boolean byTheDriver) throws SQLException {
        String slow = "select count(*) from information_schema.collations a, information_schema.collations b,"
                + " information_schema.collations c, information_schema.collations d";
        failsOnce(TestDatabase.MARIADB, em -> {
            if (byTheDriver) {
                em.createNativeQuery(slow).setHint(HINT, 1_000).getResultList();
            } else {
                em.createNativeQuery("set statement max_statement_time = 0.5 for " + slow)
                        .getResultList();
            }
        });
    }

    /** MariaDB's driver gives no SQL state with it. */
    @Tag("databases")
    @Test
    void anErrorOfMariadbsDriverIsTheStagesOwnFailureOnce() throws SQLException {
        failsOnce(TestDatabase.MARIADB, em -> readOne(em, result -> result.getString("two")));
    }

    @Test
    void aFeatureThatH2LacksIsTheStagesOwnFailureOnce() throws SQLException {
        failsOnce(TestDatabase.H2, em -> readOne(em, result -> result.getRowId(1)));
    }

    /** Reads something of a result. */
    @FunctionalInterface
    private interface Reading {
        Object of(ResultSet result) throws SQLException;
    }

    private static void readOne(EntityManager em, Reading reading) {
        em.unwrap(Session.class).doWork(connection -> {
            try (Statement statement = connection.createStatement();
                    ResultSet result = statement.executeQuery("select 1 one")) {
                assertThat(result.next()).isTrue();
                assertThat(reading.of(result)).isNotNull();
            }
        });
    }

    /** It says nothing of the stage's own transaction, which a new try wouldn't mend. */
    @ParameterizedTest
    @ValueSource(strings = {"40001", "08006", "57P01"})
    void anErrorOfAnotherDatabaseIsTheStagesOwnFailureOnce(String state) throws SQLException {
        for (TestDatabase database : new TestDatabase[] {TestDatabase.H2, TestDatabase.POSTGRESQL}) {
            failsOnce(database, em -> failElsewhere(state));
        }
    }

    /** Hibernate finds no row to change, or one of another version, and the next try reads it anew. */
    @OnH2AndPostgresql
    void anEntityWhoseRowAnotherTransactionHasDeletedIsTransient(TestDatabase database) throws SQLException {
        String url = database.create();
        TestDatabase.execute(url, "insert into contract_row values ('row', '1')");
        with(url, store -> {
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.find(ContractRow.class, "row").content = "2";
                deleteRows(url);
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
            assertThat(end.cause()).isInstanceOf(OptimisticLockException.class);
        });
    }

    private static void deleteRows(String url) {
        try {
            TestDatabase.execute(url, "delete from contract_row");
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    /** An error of the application's own that can't be asked. */
    static final class Mute extends SQLException {
        private static final long serialVersionUID = 1L;

        @Override
        public String getSQLState() {
            throw new IllegalStateException("thrown by getSQLState");
        }

        @Override
        public int getErrorCode() {
            throw new IllegalStateException("thrown by getErrorCode");
        }

        @Override
        public SQLException getNextException() {
            throw new IllegalStateException("thrown by getNextException");
        }
    }

    /** An error of the application's own with others behind it for ever. */
    private static final class Endless extends SQLException {
        private static final long serialVersionUID = 1L;

        @Override
        public SQLException getNextException() {
            return new Endless();
        }
    }

    static Stream<SQLException> errorsOfTheApplication() {
        return Stream.of(new Mute(), new Endless());
    }

    @ParameterizedTest
    @MethodSource("errorsOfTheApplication")
    void anErrorThatCanNotBeAskedReachesTheCallerAsItIs(SQLException error) {
        RuntimeException original = new IllegalStateException("thrown by the stage", error);
        Consumer<EntityManager> work = em -> {
            em.persist(new ContractRow("row", "1"));
            em.flush();
            throw original;
        };
        for (TestDatabase database : new TestDatabase[] {TestDatabase.H2, TestDatabase.POSTGRESQL}) {
            with(database.create(), store -> {
                assertThat(JpaStoreFixture.assertFailsOnce(store, Isolation.READ_COMMITTED, work))
                        .isSameAs(original);
                assertThat(JpaStoreFixture.rows(store, Isolation.READ_COMMITTED))
                        .isEmpty();
            });
        }
    }

    /** Such a manager commits, unless the transaction is marked for rollback. */
    @ParameterizedTest
    @MethodSource("errorsOfTheApplication")
    void anErrorThatCanNotBeAskedCommitsNothingThoughTheManagerSwallowsIt(SQLException error) throws SQLException {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            NewTransaction swallowing = (isolation, timeout, work) -> {
                try (EntityManager em = factory.createEntityManager()) {
                    em.getTransaction().begin();
                    try {
                        work.accept(em);
                    } catch (RuntimeException swallowed) {
                        assertThat(swallowed).isNotNull();
                    }
                    em.getTransaction().commit();
                }
            };
            RuntimeException original = new IllegalStateException("thrown by the stage", error);
            assertThat(JpaStoreFixture.assertFailsOnce(
                            new JpaKeyStore(factory, swallowing, Isolation.READ_COMMITTED),
                            Isolation.READ_COMMITTED,
                            em -> {
                                em.persist(new ContractRow("row", "1"));
                                em.flush();
                                throw original;
                            }))
                    .isSameAs(original);
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    /** The endless one doesn't keep the conflict from being seen. */
    @Test
    void aConflictBesideAnErrorOfTheApplicationIsTransient() {
        with(TestDatabase.POSTGRESQL.create(), store -> {
            StoredKey held = JpaStoreFixture.held(store);
            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                try {
                    em.createNativeQuery("do $$ begin raise exception 'conflict' using errcode = '40001'; end $$")
                            .executeUpdate();
                } catch (PersistenceException e) {
                    Exception endless = new Endless();
                    endless.addSuppressed(e);
                    throw new IllegalStateException(endless);
                }
                return JpaStoreFixture.next(held).progress();
            });
            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    /** A batch's own error says less than the one behind it, which an application may pass on. */
    @Test
    void aConflictThatAnApplicationTakesFromABatchIsTransient() {
        with(TestDatabase.POSTGRESQL.create(), store -> {
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.unwrap(Session.class).doWork(connection -> {
                    try (Statement statement = connection.createStatement()) {
                        statement.addBatch("do $$ begin raise exception 'conflict' using errcode = '40001'; end $$");
                        statement.executeBatch();
                    } catch (BatchUpdateException e) {
                        throw e.getNextException();
                    }
                });
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    @OnH2AndPostgresql
    void aConflictOfAnotherDatabaseBesideAnOwnErrorDoesNotCount(TestDatabase database) throws SQLException {
        failsOnce(database, em -> {
            try {
                em.createNativeQuery("insert into contract_row values ('row', '2')")
                        .executeUpdate();
            } catch (PersistenceException e) {
                e.addSuppressed(new SQLException("of another database", "40001"));
                throw e;
            }
        });
    }

    /** As with PostgreSQL's COPY, for which there is no other way. */
    @Test
    void aConflictOnAnUnwrappedConnectionIsTransient() {
        with(TestDatabase.POSTGRESQL.create(), store -> {
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.unwrap(Session.class)
                        .doWork(connection -> TestDatabase.execute(
                                connection.unwrap(Connection.class),
                                "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$"));
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    /** There a conflict of another database can't be told from one of the stage's. */
    @OnH2AndPostgresql
    void aConnectionThatIsLostToAnotherDatabaseIsTheOwnFailureOfAStageOfAnotherManager(TestDatabase database)
            throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store =
                    new JpaKeyStore(factory, SpringTransactions.of(factory).plain(), Isolation.READ_COMMITTED);

            JpaStoreFixture.assertFailsOnce(store, Isolation.READ_COMMITTED, em -> failElsewhere("08006"));
        }
    }

    @OnH2AndPostgresql
    void anErrorOfAnotherDatabaseInACallbackIsTheStagesOwnFailureOnce(TestDatabase database) throws SQLException {
        failsOnce(
                database,
                em -> em.unwrap(Session.class)
                        .getTransaction()
                        .registerSynchronization(
                                JtaApplication.synchronization(() -> failElsewhere("40001"), () -> {})));
    }

    /** Each try would wait for the pool with the only connection in hand. */
    @OnH2AndPostgresql
    void aStageThatCallsTheServiceWithoutASecondConnectionFailsOnce(TestDatabase database) throws SQLException {
        HikariDataSource unbegun = TestDatabase.pool(database.create(), 2);
        unbegun.setConnectionTimeout(250);
        try (HikariDataSource pool = unbegun;
                EntityManagerFactory factory = TestDatabase.factory(pool);
                Connection other = pool.getConnection()) {
            assertThat(other.isClosed()).isFalse();
            JpaKeyStore store = new JpaKeyStore(factory);
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                    .replayCacheBytes(0)
                    .maxTries(3)
                    .build();
            AtomicInteger runs = new AtomicInteger();

            assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                    .isThrownBy(() -> keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                        runs.incrementAndGet();
                        keys.retrieve(KeyId.of("other"));
                        return TestApplication.RESPONSE;
                    }))
                    .satisfies(e -> assertThat(e.keyId()).contains(KeyId.of("other")));

            assertThat(runs).hasValue(1);
            assertThat(store.find(KeyId.of("key"))).isEmpty();
        }
    }

    /** The adapter's own connection is of no JTA transaction. */
    @OnH2AndPostgresql
    void aHeuristicOutcomeOfAnotherTransactionIsTheStagesOwnFailureOnce(TestDatabase database) throws SQLException {
        failsOnce(database, em -> {
            throw new IllegalStateException(new HeuristicMixedException("of another transaction"));
        });
    }

    @OnH2AndPostgresql
    void aHeuristicOutcomeOfAnotherTransactionBesideAnOwnErrorDoesNotCount(TestDatabase database) throws SQLException {
        failsOnce(database, em -> {
            try {
                em.createNativeQuery("insert into contract_row values ('row', '2')")
                        .executeUpdate();
            } catch (PersistenceException e) {
                e.addSuppressed(new HeuristicMixedException("of another transaction"));
                throw e;
            }
        });
    }

    /** PostgreSQL's driver gives no SQL state with it. The other error would say that the connection wasn't lost. */
    @Test
    @SuppressWarnings("NullAway")
    void anErrorOfAnotherDatabaseBesideAnUnclearOwnOneDoesNotCount() throws SQLException {
        failsOnce(
                TestDatabase.POSTGRESQL,
                em -> readOne(em, result -> {
                    try {
                        return result.getObject("one", (Class<?>) null);
                    } catch (SQLException e) {
                        assertThat(e.getSQLState()).isNull();
                        e.addSuppressed(new SQLException("of another database", "23505"));
                        throw e;
                    }
                }));
    }

    /** PostgreSQL's driver writes a large object at once, which may wait for another transaction. */
    @Test
    void aWaitForALargeObjectIsTransient() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        with(url, store -> {
            StoredKey held = JpaStoreFixture.held(store);
            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.unwrap(Session.class).doWork(connection -> writeHeldObject(connection, url));
                return JpaStoreFixture.next(held).progress();
            });
            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    private static void writeHeldObject(Connection connection, String url) throws SQLException {
        TestDatabase.execute(connection, "set local lock_timeout = '100ms'");
        try (Connection other = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            String id = TestApplication.ask(other, "select lo_from_bytea(0, '\\x01')")
                    .get(0);
            other.setAutoCommit(false);
            assertThat(TestApplication.ask(other, "select lo_put(" + id + ", 0, '\\x02')"))
                    .hasSize(1);
            try (ResultSet row = statement.executeQuery("select cast(" + id + " as oid)")) {
                assertThat(row.next()).isTrue();
                assertThat(row.getBlob(1).setBytes(1, new byte[] {3})).isZero();
            }
        }
    }

    private static void failElsewhere(String state) {
        throw new PersistenceException("the other database failed", new SQLException("of another database", state));
    }

    /** The pool says without an SQL state that a connection is closed that it has found broken. */
    @Test
    void aPoolsErrorAfterALostConnectionIsTransient() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        with(url, store -> {
            StoredKey held = JpaStoreFixture.held(store);
            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.unwrap(Session.class).doWork(connection -> {
                    assertThatException()
                            .isThrownBy(() ->
                                    TestApplication.ask(connection, "select pg_terminate_backend(pg_backend_pid())"));
                    assertThatException()
                            .isThrownBy(connection::createStatement)
                            .isInstanceOfSatisfying(
                                    SQLException.class,
                                    closed -> assertThat(closed.getSQLState()).isNull());
                    connection.createStatement();
                });
                return JpaStoreFixture.next(held).progress();
            });
            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    /** A time-out of a statement aborts PostgreSQL's transaction, and the stage may not see it. */
    @Test
    void aTimeOutThatTheStageSwallowsNeverMovesTheKey() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        with(url, store -> {
            StoredKey held = JpaStoreFixture.held(store);
            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                em.persist(new ContractRow("row", "1"));
                em.flush();
                try {
                    em.createNativeQuery("select cast(pg_sleep(60) as varchar)")
                            .setHint(HINT, 1_000)
                            .getResultList();
                } catch (PersistenceException swallowed) {
                    assertThat(swallowed).isNotNull();
                }
                return JpaStoreFixture.next(held).progress();
            });
            assertThat(JpaStoreFixture.nameOf(end)).isIn("rolled back", "transiently rolled back");
            assertThat(store.find(held.id())).contains(held);
        });
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    private static void failsOnce(TestDatabase database, Consumer<EntityManager> slow) throws SQLException {
        failsOnce(database.create(), slow);
    }

    private static void failsOnce(String url, Consumer<EntityManager> slow) throws SQLException {
        with(
                url,
                store -> JpaStoreFixture.assertFailsOnce(store, Isolation.READ_COMMITTED, em -> {
                    em.persist(new ContractRow("row", "1"));
                    em.flush();
                    slow.accept(em);
                }));
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    private static void with(String url, Consumer<JpaKeyStore> test) {
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            test.accept(new JpaKeyStore(factory));
        }
    }
}
