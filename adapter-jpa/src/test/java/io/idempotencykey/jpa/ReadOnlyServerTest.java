package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/** A server that takes no writes, as one that has become a replica, is no fault of the application's. */
class ReadOnlyServerTest {
    /** The stage writes before its fence does, or leaves it to the fence. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aStageIsRunAgain(boolean writes) throws SQLException {
        with((url, store) -> {
            StoredKey held = JpaStoreFixture.held(store);
            setReadOnly(url, true);

            assertThat(JpaStoreFixture.nameOf(stage(store, held, writes))).isEqualTo("transiently rolled back");

            setReadOnly(url, false);
            assertThat(store.find(held.id())).contains(held);
            assertThat(stage(store, held, writes)).isEqualTo(StageCommit.committed());
        });
    }

    private static StageCommit stage(JpaKeyStore store, StoredKey held, boolean writes) {
        return store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
            if (writes) {
                em.persist(new ContractRow("row", "1"));
                em.flush();
            }
            return JpaStoreFixture.next(held).progress();
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aStageIsDoneWhenItsNextTryMeetsAServerThatWrites(boolean writes) throws SQLException {
        with((url, store) -> {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
            AtomicInteger runs = new AtomicInteger();

            keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                if (runs.incrementAndGet() == 1) {
                    TestApplication.ask(stage.transaction(), "select set_config('transaction_read_only', 'on', true)");
                }
                if (writes) {
                    stage.transaction().persist(new ContractRow("row", "1"));
                    stage.transaction().flush();
                }
                return TestApplication.RESPONSE;
            });

            assertThat(runs).hasValue(2);
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"insert", "replace", "delete expired"})
    void aStatementOnKeysIsUnavailable(String statement) throws SQLException {
        with((url, store) -> {
            StoredKey held = JpaStoreFixture.held(store);
            StoredKey expired = JpaStoreFixture.expired("expired");
            assertThat(store.insert(expired)).isTrue();
            setReadOnly(url, true);

            assertThatExceptionOfType(StoreFailure.class)
                    .isThrownBy(() -> {
                        switch (statement) {
                            case "insert" -> store.insert(JpaStoreFixture.sample("other"));
                            case "replace" -> store.replace(held.revision(), JpaStoreFixture.next(held));
                            default -> store.deleteExpired(JpaStoreFixture.LATER, 9);
                        }
                    })
                    .matches(failure -> failure.kind() == StoreFailure.Kind.UNAVAILABLE);
            assertThat(store.find(held.id())).as("reading works").contains(held);
        });
    }

    @Test
    void aRequestIsToldThatItWasTriedInVain() throws SQLException {
        with((url, store) -> {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
            setReadOnly(url, true);

            assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                    .isThrownBy(() -> keys.once(
                            "order", KeyId.of("key"), TestApplication.REQUEST, stage -> TestApplication.RESPONSE))
                    .withStackTraceContaining("read-only");
        });
    }

    @FunctionalInterface
    private interface ServerTest {
        void run(String url, JpaKeyStore store) throws SQLException;
    }

    private static void with(ServerTest test) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        // Without a pool, because one may hold a connection from before the change, or be opening one.
        try (EntityManagerFactory factory = TestDatabase.factory(new DriverManagerDataSource(url))) {
            test.run(url, new JpaKeyStore(factory));
        }
    }

    /** Only new connections know. */
    private static void setReadOnly(String url, boolean isReadOnly) throws SQLException {
        String name = url.replaceAll(".*/(\\w+)\\?.*", "$1");
        TestDatabase.execute(
                url,
                "set default_transaction_read_only = off",
                "alter database " + name + " set default_transaction_read_only = " + (isReadOnly ? "on" : "off"));
    }
}
