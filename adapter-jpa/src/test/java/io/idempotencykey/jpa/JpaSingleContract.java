package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.WorkStage;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hibernate.Interceptor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests of one stage on a real database: what they leave of their connections, and what their faults come to. */
abstract class JpaSingleContract extends JpaStoreFixture {
    private static final KeyId ID = KeyId.of("key");

    JpaSingleContract(TestDatabase database) {
        super(database);
    }

    /** How a request ends. */
    private enum Ending {
        COMMITTED {
            @Override
            void run(World world, KeyId id) {
                world.once(id, stage -> TestApplication.RESPONSE);
            }
        },
        REPLAYED {
            @Override
            void run(World world, KeyId id) {
                world.once(id, stage -> TestApplication.RESPONSE);
                world.once(id, stage -> TestApplication.RESPONSE);
            }
        },
        HELD {
            @Override
            void run(World world, KeyId id) {
                world.once(id, stage -> {
                    assertThatExceptionOfType(IdempotencyException.Locked.class)
                            .isThrownBy(() -> world.once(id, again -> TestApplication.RESPONSE));
                    return TestApplication.RESPONSE;
                });
            }
        },
        THROWN {
            @Override
            void run(World world, KeyId id) {
                fails(world, id, em -> {
                    throw new IllegalStateException("thrown by the stage");
                });
            }
        },
        REFUSED {
            @Override
            void run(World world, KeyId id) {
                fails(world, id, em -> em.persist(new ContractRow("present", "1")));
            }
        },
        SWALLOWED {
            @Override
            void run(World world, KeyId id) {
                Throwable unused = catchThrowable(() -> world.once(id, stage -> {
                    assertThat(catchThrowable(() -> stage.transaction()
                                    .createNativeQuery("insert into contract_row values ('present', '1')")
                                    .executeUpdate()))
                            .isNotNull();
                    return TestApplication.RESPONSE;
                }));
            }
        },
        /** Another key is stored while the stage runs, where it isn't kept out by the stage's own row. */
        FENCED_OFF {
            @Override
            void run(World world, KeyId id) {
                StoredKey other = expired("other");
                StageCommit end =
                        world.store.commitSingle(other, world.strongest(), LEASE, single(stored -> false, em -> {
                            try {
                                assertThat(world.store.insert(next(other))).isTrue();
                            } catch (StoreFailure e) {
                                assertThat(e.kind()).isEqualTo(StoreFailure.Kind.BUSY);
                            }
                            return other.progress();
                        }));
                assertThat(nameOf(end)).isIn("committed", "fenced off", "transiently rolled back");
            }
        },
        /** Hibernate can't open a session, because of an application's interceptor. */
        WITHOUT_A_SESSION {
            @Override
            void run(World world, KeyId id) {
                world.refusesSessions.set(true);
                assertThat(catchThrowable(() -> world.once(id, stage -> TestApplication.RESPONSE)))
                        .isNotNull();
                world.refusesSessions.set(false);
            }
        },
        KILLED {
            @Override
            void run(World world, KeyId id) {
                AtomicInteger runs = new AtomicInteger();
                world.once(id, stage -> {
                    stage.transaction().persist(new ContractRow(id.value(), "1"));
                    stage.transaction().flush();
                    if (runs.incrementAndGet() == 1) {
                        world.kill(stage.transaction());
                    }
                    return TestApplication.RESPONSE;
                });
                assertThat(runs).hasValue(2);
            }
        };

        abstract void run(World world, KeyId id) throws Exception;

        private static void fails(World world, KeyId id, Consumer<EntityManager> work) {
            assertThat(catchThrowable(() -> world.once(id, stage -> {
                        work.accept(stage.transaction());
                        return TestApplication.RESPONSE;
                    })))
                    .isNotNull()
                    .isNotInstanceOf(IdempotencyException.class);
        }
    }

    /** The pool cleans nothing up: it neither rolls back nor resets what comes back. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void eachConnectionComesBackAsItWent(boolean autoCommit) throws Exception {
        try (World world = new World(autoCommit)) {
            TestDatabase.execute(world.url, "insert into contract_row values ('present', '1')");
            for (Ending ending : Ending.values()) {
                ending.run(world, KeyId.of(ending.name()));
                world.assertConnectionsAreAsNew(ending);
                assertThat(world.once(KeyId.of(ending.name()), stage -> TestApplication.RESPONSE)
                                .response())
                        .as("after %s", ending)
                        .isEqualTo(TestApplication.RESPONSE);
            }
        }
    }

    /** The server may tell the client of its end before it frees what the session held. */
    @Test
    void theKeyOfAKilledSessionIsFreeAtOnce() throws Exception {
        try (World world = new World(true)) {
            for (int i = 0; i < 20; i++) {
                Ending.KILLED.run(world, KeyId.of("key-" + i));
            }
            assertThat(TestApplication.rows(world.url)).hasSize(20);
        }
    }

    /** Found at the flush, after the work has returned. */
    @Test
    void aDuplicateThatTheFlushFindsIsTheStagesOwnFailure() throws Exception {
        with((store, factory, pool) -> duplicateFails(store));
        jta((store, factory, manager) -> duplicateFails(store));
        spring((store, outer, em) -> duplicateFails(store));
    }

    private static void duplicateFails(JpaKeyStore store) {
        Isolation isolation = Collections.max(store.isolations());
        StoredKey key = sample("scope");
        assertThat(store.commitSingle(key, isolation, LEASE, single(stored -> false, em -> {
                    em.persist(new ContractRow("present", "1"));
                    return key.progress();
                })))
                .isEqualTo(StageCommit.committed());
        assertFailsOnce(store, isolation, em -> {
            em.persist(new ContractRow("row", "1"));
            em.persist(new ContractRow("present", "2"));
        });
        assertThat(rows(store, isolation)).containsExactly("present");
    }

    @Test
    void aStageThatAsksForItsOwnKeyIsToldThatItIsInFlightAndForAnotherItGetsIt() throws Exception {
        with((store, factory, pool) -> asksWithin(store));
        jta((store, factory, manager) -> asksWithin(store));
        spring((store, outer, em) -> asksWithin(store));
    }

    private static void asksWithin(JpaKeyStore store) {
        IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(store)
                .replayCacheBytes(0)
                .isolation(Collections.min(store.isolations()))
                .build();
        Execution execution = keys.once("order", ID, TestApplication.REQUEST, stage -> {
            stage.transaction().persist(new ContractRow("outer", "1"));
            assertThatExceptionOfType(IdempotencyException.Locked.class)
                    .isThrownBy(() -> keys.once("order", ID, TestApplication.REQUEST, again -> {
                        throw new AssertionError("the key is taken");
                    }));
            keys.once("order", KeyId.of("another"), TestApplication.REQUEST, another -> {
                another.transaction().persist(new ContractRow("inner", "1"));
                return TestApplication.RESPONSE;
            });
            return TestApplication.RESPONSE;
        });
        assertThat(execution.replayed()).isFalse();
        assertThat(rows(store, Collections.max(store.isolations()))).containsExactlyInAnyOrder("inner", "outer");
    }

    /** The reaper deletes it after it was found. */
    @Test
    void anExpiredKeyThatIsReapedBeforeItIsReplacedIsMadeAnewByTheNextTry() throws Exception {
        with((store, factory, pool) -> {
            StoredKey expired = expired("scope");
            assertThat(store.insert(expired)).isTrue();
            StoredKey next = next(expired);
            AtomicInteger deleted = new AtomicInteger();
            List<String> ends = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                String row = "row " + i;
                ends.add(nameOf(store.commitSingle(
                        next,
                        Collections.max(store.isolations()),
                        LEASE,
                        single(
                                found -> {
                                    deleted.addAndGet(store.deleteExpired(LATER, 9));
                                    return true;
                                },
                                em -> {
                                    em.persist(new ContractRow(row, "1"));
                                    return next.progress();
                                }))));
            }
            assertThat(deleted).hasValue(1);
            assertThat(ends.get(0)).isIn("fenced off", "transiently rolled back");
            assertThat(ends.get(1)).isEqualTo("committed");
            assertThat(store.find(next.id())).contains(next);
            assertThat(rows(store, Collections.max(store.isolations()))).containsExactly("row 1");
        });
    }

    @Test
    void keysOfAnotherTableAreNotHeld() throws Exception {
        String url = database.create();
        TestDatabase.execute(url, database.schema().replace("idempotency_key", "other_key"));
        with(url, (store, factory, pool) -> {
            JpaKeyStore other = JpaKeyStore.builder(factory).table("other_key").build();
            Isolation isolation = Collections.min(store.isolations());
            StoredKey key = sample("scope");
            StageCommit end = store.commitSingle(key, isolation, LEASE, single(stored -> false, em -> {
                assertThat(other.commitSingle(
                                key,
                                isolation,
                                LEASE,
                                single(stored -> false, unused -> next(key).progress())))
                        .isEqualTo(StageCommit.committed());
                return key.progress();
            }));
            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(store.find(key.id())).contains(key);
            assertThat(other.find(key.id())).isPresent().isNotEqualTo(Optional.of(key));
        });
    }

    /** What the application's own trigger or a narrower column refuses. */
    @Test
    void aKeyThatTheTableRefusesIsNotStoredNorItsStagesWrites() throws Exception {
        String narrow = switch (database) {
            case POSTGRESQL -> "alter table idempotency_key alter column request_path type varchar(3)";
            case MYSQL, MARIADB -> "alter table idempotency_key modify request_path varchar(3) not null";
            case H2 -> "alter table idempotency_key alter column request_path varchar(3) not null";
        };
        with((store, factory, pool) -> {
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, narrow);
            }
            AtomicInteger runs = new AtomicInteger();
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
            assertThat(catchThrowable(() -> keys.once("order", ID, TestApplication.REQUEST, stage -> {
                        runs.incrementAndGet();
                        stage.transaction().persist(new ContractRow("row", "1"));
                        return TestApplication.RESPONSE;
                    })))
                    .isNotNull()
                    .isNotInstanceOf(IdempotencyException.RetriesExhausted.class);
            assertThat(runs).hasValueLessThan(2);
            assertThat(store.find(ID)).isEmpty();
            try (Connection connection = pool.getConnection()) {
                assertThat(TestApplication.ask(connection, "select name from contract_row"))
                        .isEmpty();
            }
        });
    }

    /** A store over a pool of raw connections. */
    private final class World implements AutoCloseable {
        private static final int SIZE = 3;

        private final String url = database.create();
        private final BasicDataSource pool = new BasicDataSource();
        private final AtomicBoolean refusesSessions = new AtomicBoolean();
        private final EntityManagerFactory factory;
        private final JpaKeyStore store;

        World(boolean autoCommit) {
            pool.setUrl(url);
            pool.setMaxTotal(SIZE);
            pool.setMaxIdle(SIZE);
            pool.setDefaultAutoCommit(autoCommit);
            pool.setRollbackOnReturn(false);
            pool.setAutoCommitOnReturn(false);
            pool.setTestOnBorrow(false);
            Supplier<Interceptor> interceptor = () -> {
                if (refusesSessions.get()) {
                    throw new IllegalStateException("thrown by the application's interceptor");
                }
                return new Interceptor() {};
            };
            factory = TestDatabase.factory(
                    pool, Map.of("hibernate.session_factory.session_scoped_interceptor", interceptor));
            store = new JpaKeyStore(factory);
        }

        Isolation strongest() {
            return Collections.max(store.isolations());
        }

        Execution once(KeyId id, WorkStage.Answer<EntityManager, Response> answer) {
            return IdempotencyKeyService.builder(store)
                    .replayCacheBytes(0)
                    .pauses(Duration.ofMillis(1), Duration.ofMillis(5))
                    .build()
                    .once("order", id, TestApplication.REQUEST, answer);
        }

        void kill(EntityManager em) {
            String session = switch (database) {
                case POSTGRESQL -> "select pg_backend_pid()";
                case MYSQL, MARIADB -> "select connection_id()";
                case H2 -> "select session_id()";
            };
            String id = TestApplication.ask(em, session);
            try {
                TestDatabase.execute(
                        url,
                        switch (database) {
                            case POSTGRESQL -> "select pg_terminate_backend(" + id + ")";
                            case MYSQL, MARIADB -> "kill " + id;
                            case H2 -> "call abort_session(" + id + ")";
                        });
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }

        void assertConnectionsAreAsNew(Ending ending) throws SQLException {
            assertNothingIsOpen(ending);
            String fresh;
            try (Connection connection = DriverManager.getConnection(url)) {
                fresh = settings(connection);
            }
            List<Connection> all = new ArrayList<>();
            try {
                while (all.size() < SIZE) {
                    Connection connection = pool.getConnection();
                    all.add(connection);
                    assertThat(connection.getAutoCommit())
                            .as("autocommit after %s", ending)
                            .isEqualTo(pool.getDefaultAutoCommit());
                    assertThat(settings(connection)).as("after %s", ending).isEqualTo(fresh);
                }
            } finally {
                for (Connection each : all) {
                    if (!each.getAutoCommit()) {
                        each.rollback();
                    }
                    each.close();
                }
            }
        }

        private String settings(Connection connection) throws SQLException {
            return String.join(
                    ",",
                    TestApplication.ask(
                            connection,
                            switch (database) {
                                case POSTGRESQL ->
                                    "select concat_ws(', ', current_setting('transaction_isolation'),"
                                            + " current_setting('lock_timeout'),"
                                            + " current_setting('idle_in_transaction_session_timeout'))";
                                case MYSQL ->
                                    "select concat_ws(', ', @@session.transaction_isolation,"
                                            + " @@session.innodb_lock_wait_timeout,"
                                            + " @@session.wait_timeout)";
                                case MARIADB ->
                                    "select concat_ws(', ', @@session.tx_isolation,"
                                            + " @@session.innodb_lock_wait_timeout,"
                                            + " @@session.idle_transaction_timeout)";
                                case H2 ->
                                    "select concat_ws(', ', isolation_level, lock_timeout())"
                                            + " from information_schema.sessions"
                                            + " where session_id = session_id()";
                            }));
        }

        /** A killed session's transaction is rolled back a little later. */
        private void assertNothingIsOpen(Ending ending) throws SQLException {
            String open = switch (database) {
                case POSTGRESQL ->
                    "select state from pg_stat_activity where datname = current_database() and state like 'idle in %'"
                            + " union all select 'lock' from pg_locks where locktype = 'advisory' and database ="
                            + " (select oid from pg_database where datname = current_database())";
                case MYSQL, MARIADB ->
                    "select 'transaction' from information_schema.innodb_trx t join information_schema.processlist p"
                            + " on p.id = t.trx_mysql_thread_id where p.db = database()";
                case H2 -> "select 'lock' from information_schema.locks";
            };
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            List<String> found;
            do {
                found = TestApplication.ask(url, open);
            } while (!found.isEmpty() && ending == Ending.KILLED && System.nanoTime() - end < 0);
            assertThat(found).as("open after %s", ending).isEmpty();
        }

        @Override
        public void close() throws SQLException {
            factory.close();
            pool.close();
        }
    }
}
