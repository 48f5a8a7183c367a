package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A transaction manager is told what a stage was promised, and can give it. */
class NewTransactionIsolationTest {
    /** As Spring's HibernateJpaVendorAdapter sets it; otherwise its dialect refuses to set an isolation. */
    private static final Map<String, String> AS_SPRING_SETS =
            Map.of("hibernate.connection.handling_mode", "DELAYED_ACQUISITION_AND_HOLD");

    @Test
    void eachStageOnPostgresqlHasItsIsolation() throws SQLException {
        Map<Isolation, String> seen = seenByStages(
                TestDatabase.POSTGRESQL.create(),
                em -> TestApplication.ask(em, "select current_setting('transaction_isolation')"));
        assertThat(seen)
                .isEqualTo(Map.of(
                        Isolation.READ_COMMITTED, "read committed",
                        Isolation.REPEATABLE_READ, "repeatable read",
                        Isolation.SNAPSHOT, "repeatable read",
                        Isolation.SERIALIZABLE, "serializable"));
    }

    /** Spring asks for SNAPSHOT by REPEATABLE READ, which on H2 is another name for the same. */
    @Test
    void eachStageOnH2HasItsIsolation() throws SQLException {
        Map<Isolation, String> seen = seenByStages(TestDatabase.H2.create(), TestApplication::isolationOnH2);
        assertThat(seen)
                .containsEntry(Isolation.READ_COMMITTED, "READ COMMITTED")
                .containsEntry(Isolation.REPEATABLE_READ, "REPEATABLE READ")
                .containsEntry(Isolation.SERIALIZABLE, "SERIALIZABLE");
    }

    /** MariaDB doesn't tell: a serializable stage locks what it reads, and a repeatable one doesn't see what is new. */
    @Tag("databases")
    @Test
    void eachStageOnMariadbHasItsIsolation() throws SQLException {
        String url = TestDatabase.MARIADB.create();
        TestDatabase.execute(url, "insert into contract_row values ('read', '0')");
        Map<Isolation, String> seen = seenByStages(url, em -> {
            String before = TestApplication.ask(em, "select content from contract_row where name = 'read'");
            if (!isWritable(url)) {
                return "locks";
            }
            return before.equals(TestApplication.ask(em, "select content from contract_row where name = 'read'"))
                    ? "same"
                    : "new";
        });
        assertThat(seen)
                .isEqualTo(Map.of(
                        Isolation.READ_COMMITTED, "new",
                        Isolation.REPEATABLE_READ, "same",
                        Isolation.SERIALIZABLE, "locks"));
    }

    private static boolean isWritable(String url) {
        try (Connection connection = DriverManager.getConnection(url)) {
            TestDatabase.execute(connection, "set session innodb_lock_wait_timeout = 1");
            TestDatabase.execute(connection, "update contract_row set content = content + 1 where name = 'read'");
            return true;
        } catch (SQLException e) {
            assertThat(e.getErrorCode()).isEqualTo(1205);
            return false;
        }
    }

    /** By isolation, what a stage in it saw. */
    private static Map<Isolation, String> seenByStages(String url, Function<EntityManager, String> question)
            throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool, AS_SPRING_SETS)) {
            JpaKeyStore store =
                    new JpaKeyStore(factory, SpringTransactions.of(factory).isolated(), Isolation.SERIALIZABLE);
            int before = levelOf(pool);
            Map<Isolation, String> seen = new EnumMap<>(Isolation.class);
            for (Isolation isolation : store.isolations()) {
                StoredKey held = JpaStoreFixture.held(store);
                StageCommit end = store.commitStage(held, isolation, JpaStoreFixture.LEASE, em -> {
                    seen.put(isolation, question.apply(em));
                    return JpaStoreFixture.next(held).progress();
                });
                assertThat(end).as("in %s", isolation).isEqualTo(StageCommit.committed());
                assertThat(levelOf(pool)).as("after %s", isolation).isEqualTo(before);
            }
            return seen;
        }
    }

    private static int levelOf(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return connection.getTransactionIsolation();
        }
    }

    @OnH2AndPostgresql
    void theManagerIsToldTheLeaseAndTheIsolationThatItHasToSet(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 3);
                EntityManagerFactory factory = TestDatabase.factory(pool, AS_SPRING_SETS)) {
            NewTransaction springs = SpringTransactions.of(factory).isolated();
            List<@Nullable Isolation> told = new ArrayList<>();
            Duration lease = Duration.ofSeconds(17);
            JpaKeyStore store = new JpaKeyStore(
                    factory,
                    (isolation, timeout, work) -> {
                        if (timeout.equals(lease)) {
                            told.add(isolation);
                        }
                        springs.run(isolation, timeout, work);
                    },
                    Isolation.SERIALIZABLE);
            for (Isolation isolation : store.isolations()) {
                StoredKey held = JpaStoreFixture.held(store);
                store.commitStage(
                        held, isolation, lease, em -> JpaStoreFixture.next(held).progress());
            }
            boolean setsItself = database == TestDatabase.POSTGRESQL;
            assertThat(told)
                    .containsExactlyElementsOf(store.isolations().stream()
                            // H2's connections come in READ COMMITTED.
                            .map(each -> setsItself || each == Isolation.READ_COMMITTED ? null : each)
                            .toList());
        }
    }

    @OnH2AndPostgresql
    void anApplicationOfJtaMayBeginItsTransactionsItself(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 5, (factory, manager) -> {
            JpaKeyStore store =
                    new JpaKeyStore(factory, JtaApplication.begunBy(manager, factory), Isolation.SERIALIZABLE);
            MappingTest.works(url, store);

            JpaStoreFixture.assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
                em.persist(new ContractRow("of a failed stage", "1"));
                em.flush();
                throw new IllegalStateException("thrown by the stage");
            });
            assertThat(TestApplication.rows(url)).containsExactly("row");
            assertThat(manager.getTransaction()).isNull();
        });
    }
}
