package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

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
            assertWorks(new JpaKeyStore(factory));
        }
    }
}
