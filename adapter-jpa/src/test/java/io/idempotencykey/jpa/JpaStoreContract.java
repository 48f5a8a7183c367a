package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The keys' table, and rows and servers that can't be had. */
abstract class JpaStoreContract extends JpaStoreFixture {
    JpaStoreContract(TestDatabase database) {
        super(database);
    }

    @Test
    void aWriteThatMeetsAHeldRowGivesUpAsBusy() throws Exception {
        with((store, factory, pool) -> {
            StoredKey held = held(store);
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(false);
                TestDatabase.execute(connection, "update idempotency_key set attempts = 9");

                assertThatExceptionOfType(StoreFailure.class)
                        .isThrownBy(() -> store.replace(held.revision(), next(held)))
                        .extracting(StoreFailure::kind)
                        .isEqualTo(StoreFailure.Kind.BUSY);
                connection.rollback();
            }
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @Test
    void aServerThatIsAwayIsUnavailable() throws Exception {
        with((store, factory, pool) -> {
            pool.close();

            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> store.find(KeyId.of("a")))
                    .extracting(StoreFailure::kind)
                    .isEqualTo(StoreFailure.Kind.UNAVAILABLE);
            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> store.backlog(LATER))
                    .extracting(StoreFailure::kind)
                    .isEqualTo(StoreFailure.Kind.UNAVAILABLE);
            StoredKey held = sample("scope");
            assertThat(nameOf(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> held.progress())))
                    .isIn("transiently rolled back", "rolled back");
        });
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
    void aRowThatCannotBeReadHoldsNobodyUp() throws Exception {
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

            assertThat(store.findResumable(Map.of(), null, LATER, 9)).containsExactly(good);
        });
    }

    @Test
    void aRowThatCannotBeReadWritesNoLinesOfALog() throws Exception {
        with((store, factory, pool) -> {
            held(store);
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "update idempotency_key set attempts = -1, scope = 'a\nb', key_value = 'c\nd', operation = 'e\nf'");
            }
            List<String> logged = new CopyOnWriteArrayList<>();
            Handler handler = new Handler() {
                @Override
                public void publish(LogRecord event) {
                    logged.add(event.getMessage());
                }

                @Override
                public void flush() {}

                @Override
                public void close() {}
            };
            Logger logger = Logger.getLogger("io.idempotencykey");
            Level level = logger.getLevel();
            logger.addHandler(handler);
            logger.setUseParentHandlers(false);
            logger.setLevel(Level.WARNING);
            try {
                assertThat(store.findResumable(Map.of(), null, LATER, 9)).isEmpty();
            } finally {
                logger.setLevel(level);
                logger.setUseParentHandlers(true);
                logger.removeHandler(handler);
            }

            assertThat(logged)
                    .filteredOn(line -> line.startsWith("the key 'a?b/c?d…' can't be read"))
                    .hasSize(1)
                    .noneMatch(line -> line.contains("\n"));
        });
    }

    @Test
    void aRowThatCannotBeReadIsCounted() throws Exception {
        with((store, factory, pool) -> {
            StoredKey held = held(store);
            KeyState aside = new KeyState.Quarantined(RecoveryPoint.STARTED, AT, "a reason");
            assertThat(store.insert(sample("scope-b", aside, AT))).isTrue();
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "update idempotency_key set attempts = -1");
            }

            assertThatExceptionOfType(StoreFailure.class).isThrownBy(() -> store.find(held.id()));
            assertThat(store.backlog(LATER)).isEqualTo(new Backlog(LATER, 1, Optional.of(AT.plusSeconds(30)), 1));
        });
    }

    /** An empty page would count as the last one. */
    @Test
    void aPageOfWhichNoRowCanBeReadIsPassedOver() throws Exception {
        with((store, factory, pool) -> {
            KeyState aside = new KeyState.Quarantined(RecoveryPoint.STARTED, AT, "a reason");
            KeyState open = new KeyState.Open(RecoveryPoint.STARTED, AT);
            for (String scope : List.of("a", "b", "c", "d")) {
                assertThat(store.insert(sample(scope, aside, AT))).isTrue();
                assertThat(store.insert(sample(scope + "-open", open, AT))).isTrue();
            }
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(connection, "update idempotency_key set attempts = -1 where scope < 'd'");
            }

            assertThat(store.findQuarantined(null, null, AT, 1))
                    .extracting(key -> key.id().scope())
                    .containsExactly("d");
            assertThat(store.findUnfinished(null, null, AT, 1))
                    .extracting(key -> key.id().scope())
                    .containsExactly("d-open");
            assertThat(store.countByOperation(LATER, 10).stream()
                            .mapToLong(each -> each.waiting() + each.quarantined())
                            .sum())
                    .isEqualTo(8);
        });
    }

    /** As MongoDB's adapter does. */
    @ParameterizedTest
    @ValueSource(strings = {"attempts = -1", "operation = 'a b'", "fingerprint = 'none'", "recovery_point = '?'"})
    void aRowThatCannotBeReadIsAnErrorThatNoTryMends(String damage) throws Exception {
        with((store, factory, pool) -> {
            StoredKey bad = held(store);
            try (Connection connection = pool.getConnection()) {
                TestDatabase.execute(
                        connection,
                        "update idempotency_key set " + damage + " where key_value = '"
                                + bad.id().value() + "'");
            }
            IdempotencyKeyService<EntityManager> service = askingTheStore(store);
            Request request = bad.key().request();

            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> store.find(bad.id()))
                    .withMessageContaining("is left as it is")
                    .withMessageNotContaining(bad.id().value())
                    .satisfies(e -> assertThat(e.kind()).isEqualTo(StoreFailure.Kind.UNREADABLE));
            for (int again = 0; again < 2; again++) {
                assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                        .isThrownBy(() -> service.claim(bad.id(), request))
                        .satisfies(e -> assertThat(e.keyId()).contains(bad.id()));
                assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                        .isThrownBy(() -> service.once(
                                "complete-cart", bad.id(), request, stage -> Response.of(200, new byte[0])))
                        .satisfies(e -> assertThat(e.keyId()).contains(bad.id()));
            }
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
            assertWorks(new JpaKeyStore(factory));
        }
    }
}
