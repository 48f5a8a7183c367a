package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.jdbc.datasource.DelegatingDataSource;

/** A data source gives connections with other settings than when the store was made, as routers and poolers do. */
class RoutedDataSourceTest {
    private static final int RUNS = 8;
    private static final Duration LEASE = Duration.ofSeconds(60);
    private static final String SERIALIZABLE_AND_BOUNDED_ON_POSTGRESQL =
            "&options=-c%20default_transaction_isolation=serializable%20-c%20idle_in_transaction_session_timeout=10s";

    /** Which pool a data source takes connections from, after the store was made over the first. */
    private enum Route {
        SWITCHED,
        /** Every third connection comes from the first pool; a request without trouble takes two. */
        MIXED;

        Supplier<DataSource> of(DataSource first, DataSource second, Supplier<Boolean> isMade) {
            AtomicInteger taken = new AtomicInteger();
            return () -> !isMade.get() || (this == MIXED && taken.getAndIncrement() % 3 == 0) ? first : second;
        }
    }

    @ParameterizedTest
    @EnumSource(Route.class)
    void aStageOnPostgresqlHasWhatItWasPromised(Route route) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        HikariDataSource first = TestDatabase.pool(url + SERIALIZABLE_AND_BOUNDED_ON_POSTGRESQL, 3);
        HikariDataSource second = TestDatabase.pool(url, 3);
        eachStageSees(
                "serializable, bounded",
                route,
                first,
                second,
                em -> TestApplication.ask(
                        em,
                        "select current_setting('transaction_isolation') || ', ' || case"
                                + " current_setting('idle_in_transaction_session_timeout')"
                                + " when '0' then 'unbounded' else 'bounded' end"));
    }

    @ParameterizedTest
    @EnumSource(Route.class)
    void aStageOnH2HasWhatItWasPromised(Route route) throws SQLException {
        String url = TestDatabase.H2.create();
        HikariDataSource first = TestDatabase.pool(url, 3);
        HikariDataSource second = TestDatabase.pool(url, 3);
        first.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
        eachStageSees("SERIALIZABLE", route, first, second, TestApplication::isolationOnH2);
    }

    @Tag("databases")
    @ParameterizedTest
    @EnumSource(Route.class)
    void aStageOnMariadbHasWhatItWasPromised(Route route) throws SQLException {
        String url = TestDatabase.MARIADB.create();
        HikariDataSource first =
                TestDatabase.pool(url + "&sessionVariables=tx_isolation='SERIALIZABLE',idle_transaction_timeout=10", 3);
        HikariDataSource second = TestDatabase.pool(url, 3);
        second.setConnectionInitSql("set session transaction isolation level read committed");
        eachStageSees("locks, bounded", route, first, second, lockAndBound(url, "idle_transaction_timeout", "0"));
    }

    @Tag("databases")
    @ParameterizedTest
    @EnumSource(Route.class)
    void aStageOnMysqlHasWhatItWasPromised(Route route) throws SQLException {
        String url = TestDatabase.MYSQL.create();
        HikariDataSource first = TestDatabase.pool(url, 3);
        HikariDataSource second = TestDatabase.pool(url, 3);
        first.setConnectionInitSql("set session transaction_isolation = 'SERIALIZABLE', session wait_timeout = 20,"
                + " session innodb_lock_wait_timeout = 20");
        second.setConnectionInitSql("set session transaction_isolation = 'READ-COMMITTED'");
        eachStageSees("locks, bounded", route, first, second, lockAndBound(url, "wait_timeout", "28800"));
    }

    /** The fence bounds its own wait if the data source's bound is longer than a second, and takes that for nobody's. */
    @ParameterizedTest
    @ValueSource(strings = {"2s", "1s"})
    void aBoundOnWaitsThatTheDataSourceGivesStays(String bound) throws SQLException {
        HikariDataSource pool = TestDatabase.pool(boundedOnPostgresql(bound), 1);
        eachStageSees(
                bound,
                Route.SWITCHED,
                pool,
                pool,
                em -> TestApplication.ask(em, "select current_setting('lock_timeout')"));
    }

    /** The first stage that meets such a connection is run again, and sets its own like the later ones. */
    @ParameterizedTest
    @CsvSource({"STAGED, 2s", "STAGED, 1s", "SINGLE, 2s", "SINGLE, 1s"})
    void aBoundOnWaitsThatTheDataSourceNoLongerGivesIsSetByStages(JpaStoreFixture.Way way, String bound)
            throws SQLException {
        String url = TestDatabase.POSTGRESQL.create() + SERIALIZABLE_AND_BOUNDED_ON_POSTGRESQL;
        Seen seen = seenAfterSwitching(way, url + "%20-c%20lock_timeout=" + bound, url, setting("lock_timeout"));
        assertThat(seen.ends).containsExactly("transiently rolled back", "committed", "committed");
        // A single stage's settings are compared before its work.
        assertThat(seen.settings)
                .isEqualTo(way == JpaStoreFixture.Way.SINGLE ? List.of(bound, bound) : List.of("0", bound, bound));
    }

    /** The fence compares it, with the bound on waits or alone. */
    @ParameterizedTest
    @ValueSource(strings = {"0", "2s", "1s"})
    void anIsolationThatTheDataSourceNoLongerGivesIsSetByStages(String bound) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        String options = "&options=-c%20lock_timeout=" + bound;
        Seen seen = seenAfterSwitching(
                JpaStoreFixture.Way.STAGED,
                url + options + "%20-c%20default_transaction_isolation=serializable",
                url + options,
                setting("transaction_isolation"));
        assertThat(seen.ends).containsExactly("transiently rolled back", "committed", "committed");
        assertThat(seen.settings).containsExactly("read committed", "serializable", "serializable");
        assertThat(TestApplication.ask(url, "select name from contract_row order by name"))
                .containsExactly("row-1", "row-2");
    }

    /** The insert leaves its wait to the data source until a fence has seen that this gives another bound. */
    @Tag("databases")
    @Test
    void aBoundOnWaitsThatTheDataSourceNoLongerGivesIsSetByRequestsOnMysql() throws SQLException {
        String url = TestDatabase.MYSQL.create() + "&sessionVariables=wait_timeout=10,innodb_lock_wait_timeout=";
        Seen seen = seenAfterSwitching(
                JpaStoreFixture.Way.SINGLE, url + 1, url + 50, "select @@session.innodb_lock_wait_timeout");
        assertThat(seen.ends).containsExactly("transiently rolled back", "committed", "committed");
        assertThat(seen.settings).containsExactly("50", "30", "30");
    }

    /** What three stages came to, and what they saw of a setting. */
    private record Seen(List<String> ends, List<String> settings) {}

    /** Runs serializable stages on a data source that goes over to another pool when the store has been made. */
    private static Seen seenAfterSwitching(JpaStoreFixture.Way way, String firstUrl, String secondUrl, String question)
            throws SQLException {
        Seen seen = new Seen(new ArrayList<>(), new ArrayList<>());
        try (HikariDataSource first = TestDatabase.pool(firstUrl, 3);
                HikariDataSource second = TestDatabase.pool(secondUrl, 3)) {
            DelegatingDataSource routed = new DelegatingDataSource(first);
            try (EntityManagerFactory factory = TestDatabase.factory(routed)) {
                JpaKeyStore store = new JpaKeyStore(factory);
                routed.setTargetDataSource(second);
                for (int i = 0; i < 3; i++) {
                    StoredKey key = way.key(store);
                    String row = "row-" + i;
                    StageCommit end = way.commit(store, key, Isolation.SERIALIZABLE, em -> {
                        seen.settings.add(TestApplication.ask(em, question));
                        em.persist(new ContractRow(row, "1"));
                        return JpaStoreFixture.next(key).progress();
                    });
                    seen.ends.add(JpaStoreFixture.nameOf(end));
                }
            }
        }
        return seen;
    }

    private static String setting(String name) {
        return "select current_setting('" + name + "')";
    }

    /** A longer one doesn't, so that it is set for the last write, which is to wait for a second at most. */
    @ParameterizedTest
    @CsvSource({"STAGED, 500ms, false", "STAGED, 2s, true", "SINGLE, 500ms, false", "SINGLE, 2s, true"})
    void aShortBoundOnWaitsThatTheDataSourceGivesIsTheLastWritesToo(
            JpaStoreFixture.Way way, String bound, boolean isSet) throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(boundedOnPostgresql(bound), 3)) {
            RecordingDataSource source = new RecordingDataSource(pool);
            try (EntityManagerFactory factory = TestDatabase.factory(source.recorded());
                    Connection other = pool.getConnection()) {
                JpaKeyStore store = new JpaKeyStore(factory);
                StoredKey key = way.key(store);
                // The key's row is another transaction's, so that the last write waits for it.
                other.setAutoCommit(false);
                TestDatabase.execute(
                        other,
                        way == JpaStoreFixture.Way.STAGED
                                ? "update idempotency_key set attempts = attempts + 1"
                                : insertOf(key));
                source.forget();
                StageCommit end = way.commit(
                        store,
                        key,
                        Isolation.SERIALIZABLE,
                        em -> JpaStoreFixture.next(key).progress());
                assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
                assertThat(Failure.errors(Objects.requireNonNull(end.cause())))
                        .extracting(SQLException::getSQLState)
                        .contains("55P03");
                assertThat(source.executed().stream()
                                .anyMatch(sql -> sql.matches("(?s).*(set_config\\(|set local )'?lock_timeout.*")))
                        .isEqualTo(isSet);
                other.rollback();
            }
        }
    }

    /** Another transaction's key with the same identity. */
    private static String insertOf(StoredKey key) {
        return "insert into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,"
                + " request_parameters, request_complete, fingerprint, created_at, updated_at, attempts,"
                + " failed_attempts, last_error, state, recovery_point, due_at, revision) values ('"
                + key.id().scope() + "', '" + key.id().value() + "', gen_random_uuid(), '', 'POST', '/', '{}', true,"
                + " 'v1:0', now(), now(), 1, 0, '', 'open', 'started', now(), gen_random_uuid())";
    }

    private static String boundedOnPostgresql(String bound) {
        return TestDatabase.POSTGRESQL.create() + SERIALIZABLE_AND_BOUNDED_ON_POSTGRESQL + "%20-c%20lock_timeout="
                + bound;
    }

    /** In an application's transactions nobody could set them for the session and restore them. */
    @Tag("databases")
    @Test
    void boundsThatTheDataSourceNoLongerGivesAreMissedOnceInTransactionsOfAnotherManager() throws SQLException {
        String url = TestDatabase.MARIADB.create();
        List<String> ends = new ArrayList<>();
        try (HikariDataSource first = TestDatabase.pool(
                        url + "&sessionVariables=idle_transaction_timeout=10,innodb_lock_wait_timeout=10", 3);
                HikariDataSource second = TestDatabase.pool(url, 3)) {
            DelegatingDataSource routed = new DelegatingDataSource(first);
            try (EntityManagerFactory factory = TestDatabase.factory(routed)) {
                JpaKeyStore store =
                        new JpaKeyStore(factory, SpringTransactions.of(factory).plain(), Isolation.REPEATABLE_READ);
                routed.setTargetDataSource(second);
                for (int i = 0; i < 3; i++) {
                    StoredKey held = JpaStoreFixture.held(store);
                    ends.add(JpaStoreFixture.nameOf(store.commitStage(
                            held,
                            Isolation.REPEATABLE_READ,
                            LEASE,
                            em -> JpaStoreFixture.next(held).progress())));
                }
            }
        }
        assertThat(ends).containsExactly("transiently rolled back", "committed", "committed");
    }

    /**
     * Neither MySQL nor MariaDB tells a transaction's isolation: what a serializable stage has read can't be locked by
     * others.
     */
    private static Function<EntityManager, String> lockAndBound(String url, String variable, String unbounded)
            throws SQLException {
        TestDatabase.execute(url, "insert into contract_row values ('read', '1')");
        return em -> {
            TestApplication.ask(em, "select content from contract_row where name = 'read'");
            String bound = TestApplication.ask(em, "select @@session." + variable);
            return (isLocked(url) ? "locks" : "doesn't lock") + (bound.equals(unbounded) ? ", unbounded" : ", bounded");
        };
    }

    /** Whether another transaction has locked the row by reading it. */
    static boolean isLocked(String url) {
        try (Connection connection = DriverManager.getConnection(url)) {
            TestDatabase.execute(connection, "select * from contract_row where name = 'read' for update nowait");
            return false;
        } catch (SQLException e) {
            assertThat(e.getErrorCode()).isIn(1205, 3572);
            return true;
        }
    }

    /** Asks in each stage that is committed, and closes the pools. */
    private static void eachStageSees(
            String expected,
            Route route,
            HikariDataSource first,
            HikariDataSource second,
            Function<EntityManager, String> question)
            throws SQLException {
        AtomicBoolean isMade = new AtomicBoolean();
        Supplier<DataSource> router = route.of(first, second, isMade::get);
        DataSource routed = new AbstractDataSource() {
            @Override
            public Connection getConnection() throws SQLException {
                return router.get().getConnection();
            }

            @Override
            public Connection getConnection(String user, String password) {
                throw new UnsupportedOperationException("no other user");
            }
        };
        try (first;
                second;
                EntityManagerFactory factory = TestDatabase.factory(routed)) {
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(new JpaKeyStore(factory))
                    .replayCacheBytes(0)
                    .lease(LEASE)
                    .pauses(Duration.ofMillis(1), Duration.ofMillis(5))
                    .build();
            isMade.set(true);
            List<String> seen = new ArrayList<>();
            for (int i = 0; i < RUNS; i++) {
                AtomicReference<String> last = new AtomicReference<>("nothing");
                String name = "row-" + i;
                keys.once("order", KeyId.of("key-" + i), TestApplication.REQUEST, stage -> {
                    last.set(question.apply(stage.transaction()));
                    stage.transaction().persist(new ContractRow(name, "1"));
                    return TestApplication.RESPONSE;
                });
                seen.add(last.get());
            }
            assertThat(seen).hasSize(RUNS).containsOnly(expected);
        }
    }
}
