package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.agroal.api.AgroalDataSource;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A stage's isolation, and the connection's afterwards. */
abstract class JpaIsolationContract extends JpaStoreFixture {
    JpaIsolationContract(TestDatabase database) {
        super(database);
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
    void aStageHasTheIsolationItAskedFor() throws Exception {
        with((store, factory, pool) -> {
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
            case H2 -> TestApplication.isolationOnH2(em);
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
    void aWriteSkewIsPreventedButOnH2() throws Exception {
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
    void anIsolationThatATransactionManagerCannotGiveIsRefused() throws Exception {
        if (database != TestDatabase.H2) {
            return;
        }
        with((store, factory, pool) -> assertThatIllegalArgumentException()
                .isThrownBy(() -> new JpaKeyStore(factory, (isolation, timeout, work) -> {}, Isolation.SERIALIZABLE))
                .withMessageContaining("didn't run the stage's work"));
    }
}
