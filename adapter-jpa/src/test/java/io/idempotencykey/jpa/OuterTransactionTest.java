package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;
import org.springframework.transaction.support.TransactionTemplate;

/** An operation in the middle of an open transaction needs a second connection, and may wait for its own caller. */
class OuterTransactionTest {
    private static final KeyId ID = KeyId.of("key");

    @ParameterizedTest
    @CsvSource({"H2, 1", "H2, 5", "POSTGRESQL, 1", "POSTGRESQL, 5"})
    void anOperationInSpringsTransactionIsRefusedBeforeItsKeyIsCreated(TestDatabase database, int connections)
            throws Exception {
        String url = database.create();
        try (HikariDataSource pool = pool(url, connections);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            IdempotencyKeyService<EntityManager> keys =
                    askingTheStore(new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED));

            spring.required().executeWithoutResult(status -> {
                spring.shared().persist(new ContractRow("outer", "1"));
                spring.shared().flush();
                refused(keys);
            });

            assertThat(TestApplication.rows(url)).containsExactly("outer");
            assertNoKey(url);
            run(keys);
            assertThat(TestApplication.rows(url)).containsExactly("outer", "stage");
        }
    }

    /** The outer transaction is that of another manager than the stages', over the same pool. */
    @ParameterizedTest
    @CsvSource({"H2, 1", "POSTGRESQL, 5"})
    void anOperationInATransactionOfSpringsForJdbcIsRefusedBeforeItsKeyIsCreated(TestDatabase database, int connections)
            throws Exception {
        String url = database.create();
        try (HikariDataSource pool = pool(url, connections);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(
                    new JpaKeyStore(factory, SpringTransactions.of(factory).plain(), Isolation.READ_COMMITTED));

            new TransactionTemplate(new DataSourceTransactionManager(pool))
                    .executeWithoutResult(status -> refused(keys));

            assertNoKey(url);
            run(keys);
            assertThat(TestApplication.rows(url)).containsExactly("stage");
        }
    }

    @ParameterizedTest
    @CsvSource({"H2, 1", "H2, 5", "POSTGRESQL, 1", "POSTGRESQL, 5"})
    void anOperationInAJtaTransactionIsRefusedBeforeItsKeyIsCreated(TestDatabase database, int connections)
            throws Exception {
        String url = database.create();
        JtaApplication.with(url, connections, (factory, manager) -> {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
            manager.begin();
            try (EntityManager outer = factory.createEntityManager()) {
                outer.persist(new ContractRow("outer", "1"));
                outer.flush();
                refused(keys);
                manager.commit();
            } finally {
                if (manager.getTransaction() != null) {
                    manager.rollback();
                }
            }
            assertThat(TestApplication.rows(url)).containsExactly("outer");
            assertNoKey(url);
            run(keys);
            assertThat(TestApplication.rows(url)).containsExactly("outer", "stage");
        });
    }

    @OnH2AndPostgresql
    void anOperationInSpringsTransactionCanBeAllowed(TestDatabase database) throws Exception {
        String url = database.create();
        try (HikariDataSource pool = pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            JpaKeyStore store = JpaKeyStore.builder(factory)
                    .transactions(spring.plain())
                    .strongest(Isolation.READ_COMMITTED)
                    .allowOuterTransactions()
                    .build();
            spring.required().executeWithoutResult(status -> {
                spring.shared().persist(new ContractRow("outer", "1"));
                run(askingTheStore(store));
                status.setRollbackOnly();
            });
            assertThat(TestApplication.rows(url)).containsExactly("stage");
        }
    }

    @OnH2AndPostgresql
    void anOperationInAJtaTransactionCanBeAllowed(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 5, (factory, manager) -> {
            JpaKeyStore store =
                    JpaKeyStore.builder(factory).allowOuterTransactions().build();
            manager.begin();
            try (EntityManager outer = factory.createEntityManager()) {
                outer.persist(new ContractRow("outer", "1"));
                outer.flush();
                run(askingTheStore(store));
            } finally {
                manager.rollback();
            }
            assertThat(TestApplication.rows(url)).containsExactly("stage");
        });
    }

    /** No transaction manager knows of it. */
    @OnH2AndPostgresql
    void anOperationOnTheConnectionOfAnOpenTransactionIsRefused(TestDatabase database) throws Exception {
        String url = database.create();
        try (HikariDataSource pool = pool(url, 5);
                Connection outer = pool.getConnection()) {
            DelegatingDataSource ofThread = new DelegatingDataSource(pool);
            try (EntityManagerFactory factory = TestDatabase.factory(ofThread)) {
                IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
                outer.setAutoCommit(false);
                ofThread.setTargetDataSource(new SingleConnectionDataSource(outer, true));
                TestDatabase.execute(outer, "insert into contract_row values ('before', '1')");

                assertThatIllegalStateException()
                        .isThrownBy(() -> run(keys))
                        .withMessageContaining("without autocommit")
                        .withMessageContaining("outside the transaction");

                assertThat(TestApplication.rows(url)).isEmpty();
                TestDatabase.execute(outer, "insert into contract_row values ('then', '1')");
                outer.commit();
                assertThat(TestApplication.rows(url)).containsExactly("before", "then");
                assertNoKey(url);
                ofThread.setTargetDataSource(pool);
                run(keys);
                assertThat(TestApplication.rows(url)).containsExactly("before", "stage", "then");
            }
        }
    }

    private static HikariDataSource pool(String url, int size) {
        HikariDataSource pool = TestDatabase.pool(url, size);
        pool.setConnectionTimeout(10_000);
        return pool;
    }

    private static void run(IdempotencyKeyService<EntityManager> keys) {
        keys.once("order", ID, TestApplication.REQUEST, stage -> {
            stage.transaction().persist(new ContractRow("stage", "1"));
            return TestApplication.RESPONSE;
        });
    }

    private static void refused(IdempotencyKeyService<EntityManager> keys) {
        assertThatIllegalStateException()
                .isThrownBy(() -> run(keys))
                .withMessageContaining("transaction")
                .withMessageContaining("allowOuterTransactions");
    }

    private static void assertNoKey(String url) throws Exception {
        assertThat(TestApplication.ask(url, "select count(*) from idempotency_key"))
                .isEqualTo(List.of("0"));
    }
}
