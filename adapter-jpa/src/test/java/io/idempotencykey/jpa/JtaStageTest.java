package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.agroal.api.AgroalDataSourceListener;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.HeuristicMixedException;
import jakarta.transaction.Status;
import jakarta.transaction.SystemException;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;

/** Stages in transactions of JTA: the store's own, and those that the application begins. */
class JtaStageTest {
    /** Agroal warns at a commit of each connection that isn't returned yet. */
    @OnH2AndPostgresql
    void aStagesConnectionIsReturnedBeforeTheCommit(TestDatabase database) throws Exception {
        List<String> warnings = new CopyOnWriteArrayList<>();
        AgroalDataSourceListener listener = new AgroalDataSourceListener() {
            @Override
            public void onWarning(String message) {
                warnings.add(message);
            }

            @Override
            public void onWarning(Throwable thrown) {
                warnings.add(thrown.toString());
            }
        };
        String url = database.create();
        JtaApplication.with(url, 2, listener, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);

            for (int i = 0; i < 5; i++) {
                assertThat(commit(store, "row" + i)).isEqualTo(StageCommit.committed());
            }

            assertThat(TestApplication.rows(url)).hasSize(5);
        });
        assertThat(warnings).isEmpty();
    }

    /** Interposed callbacks come after all others, when the stage's connection is back in its pool. */
    @OnH2AndPostgresql
    void anInterposedCallbackWritesInTheStagesTransaction(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 2, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                JtaApplication.registerInterposed(JtaApplication.synchronization(
                        () -> em.createNativeQuery("insert into contract_row values ('late', '1')")
                                .executeUpdate(),
                        () -> {}));
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(TestApplication.rows(url)).containsExactly("late");
        });
    }

    /** Otherwise the key would be held until the transaction's time-out. */
    @OnH2AndPostgresql
    void aStageThatSuspendsItsTransactionFailsOnceAndItsKeyIsFree(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 5, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);

            Exception thrown = JpaStoreFixture.assertFailsOnce(store, Isolation.SERIALIZABLE, em -> {
                em.persist(new ContractRow("row", "1"));
                em.flush();
                suspend(manager);
            });

            assertThat(thrown).hasMessageContaining("suspended or ended its transaction");
            assertThat(TestApplication.rows(url)).isEmpty();
            JpaStoreFixture.assertSingleWorks(store, KeyId.of("key"));
        });
    }

    /** It may be this transaction's, and what the manager then says of that decides. */
    @OnH2AndPostgresql
    void aHeuristicOutcomeHasTheStageRunAgain(TestDatabase database) throws Exception {
        JtaApplication.with(database.create(), 2, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                throw new IllegalStateException(new HeuristicMixedException("of some transaction"));
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
        });
    }

    private static void suspend(TransactionManager manager) {
        try {
            assertThat(manager.suspend()).isNotNull();
        } catch (SystemException e) {
            throw new IllegalStateException(e);
        }
    }

    /** As with an injected entity manager, which is the transaction's own. */
    @OnH2AndPostgresql
    void aStageRunsInATransactionThatTheApplicationBegins(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 2, (factory, manager) -> {
            JpaKeyStore store =
                    new JpaKeyStore(factory, JtaApplication.begunBy(manager, factory), Isolation.SERIALIZABLE);

            assertThat(commit(store, "kept")).isEqualTo(StageCommit.committed());
            JpaStoreFixture.assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
                em.persist(new ContractRow("lost", "1"));
                throw new IllegalStateException("thrown by the stage");
            });

            assertThat(TestApplication.rows(url)).containsExactly("kept");
            assertThat(manager.getStatus()).isEqualTo(Status.STATUS_NO_TRANSACTION);
        });
    }

    /** Whoever works first in the transaction must find its isolation set. */
    @Test
    void aStageThatWorksByJdbcFirstHasItsIsolation() throws Exception {
        stageOnPostgresqlSeesSerializable(factory -> {
            try (Connection connection = JtaApplication.dataSource(factory).getConnection()) {
                TestDatabase.execute(connection, "insert into contract_row values ('first', '1')");
                return TestApplication.ask(connection, "show transaction_isolation")
                        .get(0);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void aStageThatWorksInTheCurrentSessionFirstHasItsIsolation() throws Exception {
        stageOnPostgresqlSeesSerializable(factory -> {
            Session current = factory.unwrap(SessionFactory.class).getCurrentSession();
            current.persist(new ContractRow("first", "1"));
            current.flush();
            return TestApplication.ask(current, "show transaction_isolation");
        });
    }

    private static void stageOnPostgresqlSeesSerializable(Function<EntityManagerFactory, String> work)
            throws Exception {
        String url = TestDatabase.POSTGRESQL.create();
        JtaApplication.withReadCommitted(url, 5, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = JpaStoreFixture.held(store);
            StringBuilder seen = new StringBuilder();

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                seen.append(work.apply(factory));
                em.persist(new ContractRow("then", "1"));
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(seen).hasToString("serializable");
        });
        assertThat(TestApplication.rows(url)).containsExactly("first", "then");
    }

    private static StageCommit commit(JpaKeyStore store, String row) throws SQLException {
        StoredKey held = JpaStoreFixture.held(store);
        return store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
            em.persist(new ContractRow(row, "1"));
            return JpaStoreFixture.next(held).progress();
        });
    }
}
