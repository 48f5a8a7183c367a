package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.agroal.api.AgroalDataSource;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.Synchronization;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** What the contract can't ask of every adapter: transactions, isolation, half commits, connections. */
abstract class JpaStoreContract {
    static final Duration LEASE = Duration.ofSeconds(30);

    private final TestDatabase database;

    JpaStoreContract(TestDatabase database) {
        this.database = database;
    }

    enum Pool {
        HIKARI,
        DBCP2,
        AGROAL,
        HIKARI_WITHOUT_AUTO_COMMIT;

        DataSource open(String url) throws SQLException {
            switch (this) {
                case DBCP2 -> {
                    BasicDataSource pool = new BasicDataSource();
                    pool.setUrl(url);
                    pool.setMaxTotal(1);
                    return pool;
                }
                case AGROAL -> {
                    return AgroalDataSource.from(new AgroalDataSourceConfigurationSupplier()
                            .connectionPoolConfiguration(
                                    c -> c.maxSize(1).connectionFactoryConfiguration(f -> f.jdbcUrl(url))));
                }
                default -> {
                    HikariDataSource pool = TestDatabase.pool(url, 1);
                    pool.setAutoCommit(this == HIKARI);
                    return pool;
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Pool.class)
    void aConnectionGoesBackAsItCame(Pool kind) throws Exception {
        DataSource pool = kind.open(database.create());
        try (EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            String before = settings(pool);
            for (Isolation isolation : store.isolations()) {
                StoredKey held = held(store);
                assertThat(store.commitStage(
                                held, isolation, LEASE, em -> next(held).progress()))
                        .isEqualTo(StageCommit.committed());
                assertThat(settings(pool)).isEqualTo(before);
                StoredKey other = held(store);
                store.commitStage(other, isolation, LEASE, em -> {
                    throw new IllegalStateException("thrown by the stage");
                });
                assertThat(settings(pool)).isEqualTo(before);
            }
        } finally {
            ((AutoCloseable) pool).close();
        }
    }

    private String settings(DataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            String idle = switch (database) {
                case H2 -> "call lock_timeout()";
                case POSTGRESQL ->
                    "select current_setting('idle_in_transaction_session_timeout') || current_setting"
                            + "('lock_timeout') || current_setting('transaction_isolation')";
                case MARIADB -> "select concat(@@session.idle_transaction_timeout, @@tx_isolation)";
                case MYSQL ->
                    "select concat_ws(' ', @@session.wait_timeout, @@session.innodb_lock_wait_timeout,"
                            + " @@session.transaction_isolation)";
            };
            String settings = connection.getTransactionIsolation() + " " + connection.getAutoCommit() + " "
                    + TestApplication.ask(connection, idle).get(0);
            if (!connection.getAutoCommit()) {
                connection.rollback();
            }
            return settings;
        }
    }

    @Test
    void aStageHasTheIsolationItAskedFor() {
        with(store -> {
            for (Isolation isolation : store.isolations()) {
                StoredKey held = held(store);
                StringBuilder seen = new StringBuilder();
                store.commitStage(held, isolation, LEASE, em -> {
                    seen.append(isolation(em));
                    return next(held).progress();
                });
                assertThat(seen.toString()).as("in %s", isolation).isEqualToIgnoringCase(expected(isolation));
            }
        });
    }

    private String isolation(EntityManager em) {
        return switch (database) {
            case H2 ->
                TestApplication.ask(
                        em, "select isolation_level from information_schema.sessions where session_id = session_id()");
            case POSTGRESQL -> TestApplication.ask(em, "select current_setting('transaction_isolation')");
            // Only behaviour shows the isolation: a serializable read locks.
            case MARIADB, MYSQL -> "see aWriteSkewIsPreventedButOnH2";
        };
    }

    private String expected(Isolation isolation) {
        String name = isolation.name().replace('_', ' ');
        return switch (database) {
            case H2 -> name;
            case POSTGRESQL -> isolation == Isolation.SNAPSHOT ? "repeatable read" : name;
            case MARIADB, MYSQL -> "see aWriteSkewIsPreventedButOnH2";
        };
    }

    /** Two stages read both rows, and each switches off a different one. */
    @Test
    void aWriteSkewIsPreventedButOnH2() {
        with((store, factory, pool) -> {
            factory.unwrap(SessionFactory.class).inTransaction(em -> {
                em.persist(new ContractRow("a", "on"));
                em.persist(new ContractRow("b", "on"));
            });
            StoredKey first = held(store);
            StoredKey second = held(store);
            CountDownLatch bothRead = new CountDownLatch(2);
            CompletableFuture<StageCommit> one =
                    TestApplication.elsewhere(() -> switchOff(store, first, "a", bothRead));
            CompletableFuture<StageCommit> other =
                    TestApplication.elsewhere(() -> switchOff(store, second, "b", bothRead));

            List<String> ends = List.of(nameOf(one.get(60, TimeUnit.SECONDS)), nameOf(other.get(60, TimeUnit.SECONDS)));

            if (database == TestDatabase.H2) {
                assertThat(ends).containsOnly("committed");
            } else {
                assertThat(ends).contains("transiently rolled back");
            }
        });
    }

    private static StageCommit switchOff(JpaKeyStore store, StoredKey held, String row, CountDownLatch bothRead) {
        return store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
            assertThat(em.createQuery("from ContractRow", ContractRow.class).getResultList())
                    .hasSize(2);
            bothRead.countDown();
            TestApplication.await(bothRead);
            em.find(ContractRow.class, row).content = "off";
            return next(held).progress();
        });
    }

    @Test
    void aTransactionThatTheStageMarksForRollbackIsItsOwnFailure() {
        with((store, factory, pool) -> {
            StoredKey held = held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                em.persist(new ContractRow("a", "1"));
                em.getTransaction().setRollbackOnly();
                return next(held).progress();
            });

            assertThat(nameOf(end)).isEqualTo("rolled back");
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @Test
    void aSwallowedDeadlockOnARawConnectionNeverMovesTheKey() {
        with((store, factory, pool) ->
                assertThat(keysMovedWithoutTheirWrites(store)).isZero());
    }

    @Test
    void aSwallowedDeadlockInAJtaTransactionNeverMovesTheKey() throws Exception {
        jta((store, factory, manager) ->
                assertThat(keysMovedWithoutTheirWrites(store)).isZero());
    }

    /** H2 doesn't report that a transaction is gone, and a connection that Spring takes can't be watched. */
    @Test
    void aSwallowedDeadlockInSpringsTransactionNeverMovesTheKeyButOnH2() {
        spring(
                TransactionDefinition.PROPAGATION_REQUIRES_NEW,
                (store, outer, em) ->
                        assertThat(keysMovedWithoutTheirWrites(store)).isEqualTo(database == TestDatabase.H2 ? 1 : 0));
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
    void aStageThatEndsItsTransactionOnTheRawConnectionNeverMovesTheKeyWithoutItsWrites(End end) {
        with((store, factory, pool) -> assertThat(isHalfCommitted(store, end)).isFalse());
    }

    @ParameterizedTest
    @EnumSource(
            value = End.class,
            names = {"ROLLBACK", "SQL"})
    void aRollbackBehindSpringsBackNeverMovesTheKeyButOnH2(End end) {
        spring(
                TransactionDefinition.PROPAGATION_REQUIRES_NEW,
                (store, outer, em) -> assertThat(isHalfCommitted(store, end)).isEqualTo(database == TestDatabase.H2));
    }

    private static boolean isHalfCommitted(JpaKeyStore store, End end) {
        Isolation isolation = Collections.max(store.isolations());
        StoredKey held = held(store);
        store.commitStage(held, isolation, LEASE, em -> {
            em.unwrap(Session.class).doWork(connection -> {
                TestDatabase.execute(connection, "insert into contract_row values ('row', '1')");
                try {
                    end.on(connection);
                } catch (SQLException swallowed) {
                    assertThat((Throwable) swallowed).isNotNull();
                }
            });
            return next(held).progress();
        });
        boolean moved = !store.find(held.id()).orElseThrow().equals(held);
        return moved != contents(store, isolation).containsKey("row");
    }

    /** Two stages deadlock: the server rolls one of them back, and its session doesn't know. */
    private static long keysMovedWithoutTheirWrites(JpaKeyStore store) throws Exception {
        return keysMovedWithoutTheirWrites(store, "update contract_row set content = '1' where name = ");
    }

    static long keysMovedWithoutTheirWrites(JpaKeyStore store, String update) throws Exception {
        Isolation isolation = Collections.max(store.isolations());
        rows(store, isolation, "x", "y");
        StoredKey one = held(store);
        StoredKey two = held(store);
        CountDownLatch bothHold = new CountDownLatch(2);

        CompletableFuture<StageCommit> first =
                TestApplication.elsewhere(() -> deadlock(store, one, isolation, "x", update + "('y')", bothHold));
        CompletableFuture<StageCommit> second =
                TestApplication.elsewhere(() -> deadlock(store, two, isolation, "y", update + "('x')", bothHold));
        first.get(60, TimeUnit.SECONDS);
        second.get(60, TimeUnit.SECONDS);

        long moved = 0;
        for (StoredKey key : List.of(one, two)) {
            if (!store.find(key.id()).orElseThrow().equals(key)
                    && !contents(store, isolation).containsKey("by " + key.id().value())) {
                moved++;
            }
        }
        return moved;
    }

    /** Writes rows in a stage, which works with any kind of transaction. */
    private static void rows(JpaKeyStore store, Isolation isolation, String... names) {
        StoredKey held = held(store);
        assertThat(store.commitStage(held, isolation, LEASE, em -> {
                    for (String name : names) {
                        em.persist(new ContractRow(name, "0"));
                    }
                    return next(held).progress();
                }))
                .isEqualTo(StageCommit.committed());
    }

    private static Map<String, String> contents(JpaKeyStore store, Isolation isolation) {
        Map<String, String> contents = new HashMap<>();
        store.commitStage(held(store), isolation, LEASE, em -> {
            for (ContractRow row :
                    em.createQuery("from ContractRow", ContractRow.class).getResultList()) {
                contents.put(row.name, row.content);
            }
            throw new IllegalStateException("only read");
        });
        return contents;
    }

    private static StageCommit deadlock(
            JpaKeyStore store,
            StoredKey held,
            Isolation isolation,
            String mine,
            String updateOfTheirs,
            CountDownLatch bothHold) {
        return store.commitStage(held, isolation, LEASE, em -> {
            em.unwrap(Session.class).doWork(connection -> {
                try (Statement statement = connection.createStatement()) {
                    statement.execute(
                            "insert into contract_row values ('by " + held.id().value() + "', '1')");
                    statement.execute("update contract_row set content = '1' where name = '" + mine + "'");
                    bothHold.countDown();
                    TestApplication.await(bothHold);
                    statement.execute(updateOfTheirs);
                } catch (SQLException swallowed) {
                    assertThat((Throwable) swallowed).isNotNull();
                }
            });
            return next(held).progress();
        });
    }

    @Test
    void aStageThatCommitsByItselfIsRefused() {
        with((store, factory, pool) -> {
            StoredKey held = held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                em.getTransaction().commit();
                em.getTransaction().begin();
                return next(held).progress();
            });

            assertThat(nameOf(end)).isEqualTo("rolled back");
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @Test
    void aWriteThatMeetsAHeldRowGivesUpAsBusy() {
        with((store, factory, pool) -> {
            StoredKey held = held(store);
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(false);
                try (Statement statement = connection.createStatement()) {
                    statement.execute("update idempotency_key set attempts = 9");
                    assertThat(kindOf(() -> store.replace(held.revision(), next(held))))
                            .isEqualTo(StoreFailure.Kind.BUSY);
                    statement.execute("rollback");
                }
                connection.rollback();
                connection.setAutoCommit(true);
            }
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @Test
    void aServerThatIsAwayIsUnavailable() {
        HikariDataSource pool = TestDatabase.pool(database.create(), 2);
        EntityManagerFactory factory = TestDatabase.factory(pool);
        JpaKeyStore store = new JpaKeyStore(factory);
        pool.close();

        assertThat(kindOf(() -> store.find(KeyId.of("a")))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        StoredKey held = sample();
        assertThat(nameOf(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> held.progress())))
                .isIn("transiently rolled back", "rolled back");
    }

    @Test
    void springsTransactionIsSuspendedAndTheStagesOwnCommits() {
        spring(TransactionDefinition.PROPAGATION_REQUIRES_NEW, (store, outer, em) -> {
            StoredKey held = held(store);
            outer.executeWithoutResult(status -> {
                em.persist(new ContractRow("outer", "1"));
                assertThat(store.commitStage(held, Isolation.READ_COMMITTED, LEASE, stage -> {
                            em.persist(new ContractRow("stage", "1"));
                            return next(held).progress();
                        }))
                        .isEqualTo(StageCommit.committed());
                status.setRollbackOnly();
            });
            outer.executeWithoutResult(status -> {
                assertThat(em.find(ContractRow.class, "outer")).isNull();
                assertThat(em.find(ContractRow.class, "stage")).isNotNull();
            });
            assertThat(store.find(held.id())).isNotEqualTo(Optional.of(held));
        });
    }

    @Test
    void aTransactionThatWouldJoinSpringsIsRefused() {
        spring(TransactionDefinition.PROPAGATION_REQUIRED, (store, outer, em) -> {
            StoredKey held = held(store);
            outer.executeWithoutResult(status -> {
                StageCommit end = store.commitStage(
                        held,
                        Isolation.READ_COMMITTED,
                        LEASE,
                        stage -> next(held).progress());
                assertThat(nameOf(end)).isEqualTo("rolled back");
                status.setRollbackOnly();
            });
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @FunctionalInterface
    interface SpringTest {
        void run(JpaKeyStore store, TransactionTemplate outer, EntityManager shared) throws Exception;
    }

    void spring(int propagation, SpringTest test) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaTransactionManager manager = new JpaTransactionManager(factory);
            EntityManager shared = SharedEntityManagerCreator.createSharedEntityManager(factory);
            TransactionTemplate template = new TransactionTemplate(manager);
            template.setPropagationBehavior(propagation);
            NewTransaction transaction =
                    (isolation, timeout, work) -> template.executeWithoutResult(status -> work.accept(shared));
            JpaKeyStore store = JpaKeyStore.builder(factory)
                    .transactions(transaction)
                    .strongest(database == TestDatabase.H2 ? Isolation.READ_COMMITTED : Isolation.SERIALIZABLE)
                    .allowOuterTransactions()
                    .build();
            test.run(store, new TransactionTemplate(manager), shared);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aCallbackThatFailsBeforeTheCommitRollsTheStageBack() throws Exception {
        Synchronization failing = JtaApplication.synchronization(JpaStoreContract::fail, () -> {});
        with((store, factory, pool) -> assertThat(callbackFails(
                        store,
                        false,
                        em -> em.unwrap(Session.class).getTransaction().registerSynchronization(failing)))
                .isEqualTo("rolled back"));
        jta((store, factory, manager) -> assertThat(
                        callbackFails(store, false, em -> JtaApplication.register(manager, failing)))
                .isEqualTo("rolled back"));
        spring(
                TransactionDefinition.PROPAGATION_REQUIRES_NEW,
                (store, outer, shared) -> assertThat(callbackFails(
                                store,
                                false,
                                em -> register(new TransactionSynchronization() {
                                    @Override
                                    public void beforeCommit(boolean readOnly) {
                                        fail();
                                    }
                                })))
                        .isEqualTo("rolled back"));
    }

    @Test
    void aCallbackThatFailsAfterTheCommitIsNoRollback() throws Exception {
        Synchronization failing = JtaApplication.synchronization(() -> {}, JpaStoreContract::failOfADuplicate);
        with((store, factory, pool) -> assertThat(callbackFails(
                        store,
                        true,
                        em -> em.unwrap(Session.class).getTransaction().registerSynchronization(failing)))
                .isEqualTo("unknown"));
        jta((store, factory, manager) -> assertThat(
                        callbackFails(store, true, em -> JtaApplication.register(manager, failing)))
                .isEqualTo("committed"));
        spring(
                TransactionDefinition.PROPAGATION_REQUIRES_NEW,
                (store, outer, shared) -> assertThat(callbackFails(
                                store,
                                true,
                                em -> register(new TransactionSynchronization() {
                                    @Override
                                    public void afterCommit() {
                                        failOfADuplicate();
                                    }
                                })))
                        .isEqualTo("unknown"));
    }

    private static String callbackFails(JpaKeyStore store, boolean committed, Consumer<EntityManager> registration) {
        StoredKey held = held(store);
        StoredKey next = next(held);
        StageCommit end = store.commitStage(held, Collections.max(store.isolations()), LEASE, em -> {
            registration.accept(em);
            return next.progress();
        });
        assertThat(store.find(held.id())).contains(committed ? next : held);
        return nameOf(end);
    }

    private static void fail() {
        throw new IllegalStateException("thrown by a callback");
    }

    /** Fails like a callback whose own statement, on another connection, met a duplicate. */
    private static void failOfADuplicate() {
        throw new IllegalStateException("thrown by a callback", new SQLException("a duplicate", "23505"));
    }

    private static void register(TransactionSynchronization synchronization) {
        TransactionSynchronizationManager.registerSynchronization(synchronization);
    }

    @Test
    void anIsolationThatATransactionManagerCannotGiveIsRefused() {
        if (database != TestDatabase.H2) {
            return;
        }
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(
                            () -> new JpaKeyStore(factory, (isolation, timeout, work) -> {}, Isolation.SERIALIZABLE))
                    .withMessageContaining("Configure the data source");
        }
    }

    @Test
    void aJtaTransactionIsSuspendedAndTheStagesOwnCommits() throws Exception {
        jta((store, factory, manager) -> {
            StoredKey held = held(store);
            manager.begin();
            try (EntityManager outer = factory.createEntityManager()) {
                outer.joinTransaction();
                outer.persist(new ContractRow("outer", "1"));
                outer.flush();
                assertThat(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                            em.persist(new ContractRow("stage", "1"));
                            return next(held).progress();
                        }))
                        .isEqualTo(StageCommit.committed());
                assertThat(store.find(held.id())).isNotEqualTo(Optional.of(held));
            } finally {
                manager.rollback();
            }
            assertThat(manager.getTransaction()).isNull();
            StoredKey again = held(store);
            StageCommit failed = store.commitStage(again, Isolation.SERIALIZABLE, LEASE, em -> {
                em.persist(new ContractRow("failed", "1"));
                throw new IllegalStateException("thrown by the stage");
            });
            assertThat(nameOf(failed)).isEqualTo("rolled back");
            assertThat(contents(store, Isolation.SERIALIZABLE)).containsOnlyKeys("stage");
        });
    }

    @Test
    void aJtaTransactionThatTimesOutIsTheStagesOwnFailure() throws Exception {
        jta((store, factory, manager) -> {
            StoredKey held = held(store);
            manager.setTransactionTimeout(1);
            try {
                StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                    em.persist(new ContractRow("row", "1"));
                    JtaApplication.awaitTimeout(manager);
                    return next(held).progress();
                });

                assertThat(nameOf(end)).isEqualTo("rolled back");
                assertThat(store.find(held.id())).contains(held);
            } finally {
                manager.setTransactionTimeout(0);
            }
        });
    }

    @FunctionalInterface
    interface JtaTest {
        void run(JpaKeyStore store, EntityManagerFactory factory, TransactionManager manager) throws Exception;
    }

    void jta(JtaTest test) throws Exception {
        JtaApplication.with(
                database.create(),
                5,
                (factory, manager) -> test.run(
                        JpaKeyStore.builder(factory).allowOuterTransactions().build(), factory, manager));
    }

    @Test
    void theMappingIsThatOfTheSchema() {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 2);
                EntityManagerFactory factory =
                        TestDatabase.factory(pool, Map.of("hibernate.hbm2ddl.auto", "validate"))) {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = held(store);
            List<String> values = TestDatabase.inTransaction(
                    factory,
                    em -> em.createQuery(
                                    "select k.keyValue from IdempotencyKeyEntity k where k.state = 'locked'",
                                    String.class)
                            .getResultList());
            assertThat(values).containsExactly(held.id().value());
        }
    }

    @Test
    void aRowThatCannotBeReadHoldsNobodyUp() {
        with((store, factory, pool) -> {
            StoredKey bad = held(store);
            StoredKey good = sample("scope-b");
            assertThat(store.insert(good)).isTrue();
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "update idempotency_key set attempts = -1 where key_value = '"
                                + bad.id().value() + "'");
            }

            Instant later = Instant.parse("2050-01-01T00:00:00Z");
            assertThat(store.findResumable(Map.of(), null, later, 9)).containsExactly(good);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> store.find(bad.id()))
                    .withMessageContaining("'attempts'");
        });
    }

    @Test
    void theTableMayBeInAnotherSchema() throws Exception {
        String url = database.create();
        String use = switch (database) {
            case POSTGRESQL -> "set search_path to other";
            case MARIADB, MYSQL -> "use other";
            case H2 -> "set schema other";
        };
        TestDatabase.execute(url, "drop table idempotency_key", "create schema other", use, database.schema());
        String property = database == TestDatabase.MARIADB || database == TestDatabase.MYSQL
                ? "hibernate.default_catalog"
                : "hibernate.default_schema";
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool, Map.of(property, "other"))) {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = held(store);
            StoredKey next = next(held);

            assertThat(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> next.progress()))
                    .isEqualTo(StageCommit.committed());
            assertThat(store.find(held.id())).contains(next);
        }
    }

    @FunctionalInterface
    interface StoreTest {
        void run(JpaKeyStore store, EntityManagerFactory factory, DataSource pool) throws Exception;
    }

    private void with(Consumer<JpaKeyStore> test) {
        with((store, factory, pool) -> test.accept(store));
    }

    void with(StoreTest test) {
        with(database.create(), test);
    }

    static void with(String url, StoreTest test) {
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            test.run(new JpaKeyStore(factory), factory, pool);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static StoredKey held(JpaKeyStore store) {
        StoredKey key = sample();
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    private static StoredKey sample() {
        return sample("scope");
    }

    static StoredKey sample(String scope) {
        Instant at = Instant.parse("2039-12-31T23:59:59.001Z");
        Request request = Request.of("POST", "/carts", Map.of());
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(
                                new KeyId(scope, UUID.randomUUID().toString()),
                                UUID.randomUUID(),
                                "",
                                request,
                                Fingerprint.of("", request),
                                at),
                        new KeyProgress(
                                new KeyState.Locked(RecoveryPoint.STARTED, at, at.plusSeconds(30)), 1, 0, "", at)),
                new Revision(UUID.randomUUID()));
    }

    static StoredKey next(StoredKey held) {
        return new StoredKey(held.key(), new Revision(UUID.randomUUID()));
    }

    private static StoreFailure.Kind kindOf(Runnable work) {
        try {
            work.run();
        } catch (StoreFailure e) {
            return e.kind();
        }
        throw new AssertionError("nothing failed");
    }

    static String nameOf(StageCommit end) {
        return end.kind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
