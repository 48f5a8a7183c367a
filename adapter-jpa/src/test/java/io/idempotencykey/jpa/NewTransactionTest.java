package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.EntityTransaction;
import java.sql.SQLException;
import java.util.Map;
import java.util.function.Consumer;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever an application's transaction manager does wrong, a stage and its key stay together, and the store knows. */
class NewTransactionTest {
    /** How a manager runs the work, after it has begun the transaction. */
    private enum Manager {
        RIGHT,
        SWALLOWS_THE_WORKS_ERROR,
        SWALLOWS_THE_COMMITS_ERROR,
        ROLLS_BACK,
        LEAVES_IT_OPEN,
        RUNS_TWICE,
        TRIES_AGAIN,
        FORGETS_THE_WORK;

        private void run(EntityManager em, Consumer<EntityManager> work) {
            EntityTransaction transaction = em.getTransaction();
            switch (this) {
                case RIGHT -> {
                    work.accept(em);
                    transaction.commit();
                }
                case SWALLOWS_THE_WORKS_ERROR -> {
                    swallowing(() -> work.accept(em));
                    transaction.commit();
                }
                case SWALLOWS_THE_COMMITS_ERROR -> {
                    work.accept(em);
                    swallowing(transaction::commit);
                }
                case ROLLS_BACK -> {
                    work.accept(em);
                    transaction.rollback();
                }
                case LEAVES_IT_OPEN -> work.accept(em);
                case RUNS_TWICE -> {
                    RIGHT.run(em, work);
                    transaction.begin();
                    RIGHT.run(em, work);
                }
                case TRIES_AGAIN -> {
                    try {
                        work.accept(em);
                    } catch (RuntimeException e) {
                        transaction.rollback();
                        transaction.begin();
                        work.accept(em);
                    }
                    transaction.commit();
                }
                case FORGETS_THE_WORK -> transaction.commit();
            }
        }

        NewTransaction over(EntityManagerFactory factory) {
            return (isolation, timeout, work) -> {
                try (EntityManager em = factory.createEntityManager()) {
                    em.getTransaction().begin();
                    run(em, work);
                }
            };
        }

        private static void swallowing(Runnable step) {
            try {
                step.run();
            } catch (RuntimeException swallowed) {
                assertThat(swallowed).isNotNull();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "RIGHT, committed, rolled back, fenced off, rolled back",
        "SWALLOWS_THE_WORKS_ERROR, committed, rolled back, fenced off, rolled back",
        "SWALLOWS_THE_COMMITS_ERROR, committed, rolled back, fenced off, transiently rolled back",
        "ROLLS_BACK, transiently rolled back, rolled back, transiently rolled back, transiently rolled back",
        "LEAVES_IT_OPEN, rolled back, rolled back, rolled back, rolled back",
        "RUNS_TWICE, unknown, rolled back, fenced off, rolled back",
        "TRIES_AGAIN, committed, rolled back, fenced off, rolled back"
    })
    void theStoreSaysWhatBecameOfTheStage(
            Manager manager, String ofGood, String ofThrowing, String ofOvertaken, String ofFailingAtTheEnd) {
        for (TestDatabase database : new TestDatabase[] {TestDatabase.H2, TestDatabase.POSTGRESQL}) {
            IllegalStateException thrown = new IllegalStateException("thrown by the application");
            assertThat(end(database, manager, (store, held, em) -> {}))
                    .as("good, on %s", database)
                    .isEqualTo(ofGood);
            assertThat(end(database, manager, (store, held, em) -> {
                        throw thrown;
                    }))
                    .as("throwing, on %s", database)
                    .isEqualTo(ofThrowing);
            assertThat(end(
                            database,
                            manager,
                            (store, held, em) -> assertThat(store.replace(held.revision(), JpaStoreFixture.next(held)))
                                    .isTrue()))
                    .as("overtaken, on %s", database)
                    .isEqualTo(ofOvertaken);
            assertThat(end(
                            database,
                            manager,
                            (store, held, em) -> em.unwrap(Session.class)
                                    .getTransaction()
                                    .registerSynchronization(JtaApplication.synchronization(
                                            () -> {
                                                throw thrown;
                                            },
                                            () -> {}))))
                    .as("failing at the end, on %s", database)
                    .isEqualTo(ofFailingAtTheEnd);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FORGETS_THE_WORK, didn't run the stage's work",
        "ROLLS_BACK, the commit rolled back",
        "LEAVES_IT_OPEN, or its own was left open"
    })
    void aManagerThatNeverCommitsTheWorkIsRefused(Manager manager, String why) {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.H2.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory, manager.over(factory), Isolation.READ_COMMITTED))
                    .withMessageStartingWith("no stage can run")
                    .withMessageContaining(why);
        }
    }

    /** Hibernate's commit rolls it back, without an error. */
    @OnH2AndPostgresql
    void anOuterTransactionThatAStageWasMadeToJoinIsNotCommitted(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                EntityManager outer = factory.createEntityManager()) {
            NewTransaction joining = (isolation, timeout, work) -> {
                if (outer.getTransaction().isActive()) {
                    work.accept(outer);
                } else {
                    Manager.RIGHT.over(factory).run(isolation, timeout, work);
                }
            };
            JpaKeyStore store = new JpaKeyStore(factory, joining, Isolation.READ_COMMITTED);
            StoredKey held = JpaStoreFixture.held(store);
            outer.getTransaction().begin();

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.persist(new ContractRow("row", "1"));
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("rolled back");
            outer.getTransaction().commit();
            assertThat(store.find(held.id())).contains(held);
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    @OnH2AndPostgresql
    void aTransactionWhoseConnectionCommitsEachStatementIsRefused(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(
                        pool, Map.of("hibernate.connection.provider_disables_autocommit", "true"))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory, Manager.RIGHT.over(factory), Isolation.READ_COMMITTED))
                    .withMessageContaining("provider_disables_autocommit");
        }
    }

    @OnH2AndPostgresql
    void transactionsOfAnotherFactoryAreRefused(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                HikariDataSource otherPool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory other = TestDatabase.factory(otherPool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory, Manager.RIGHT.over(other), Isolation.READ_COMMITTED))
                    .withMessageContaining("another factory");
        }
    }

    /** The commit was sent, and nothing shows what the server answered. */
    @Test
    void aSwallowedErrorOfTheServersCommitIsUnknown() throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "alter table contract_row add unique (content) deferrable initially deferred");

        assertThat(end(url, Manager.RIGHT, (store, held, em) -> em.persist(new ContractRow("other", "1"))))
                .isEqualTo("rolled back");
        assertThat(end(
                        url,
                        Manager.SWALLOWS_THE_COMMITS_ERROR,
                        (store, held, em) -> em.persist(new ContractRow("other", "1"))))
                .isEqualTo("unknown");
    }

    @FunctionalInterface
    private interface Stage {
        void run(JpaKeyStore store, StoredKey held, EntityManager em);
    }

    private static String end(TestDatabase database, Manager manager, Stage stage) {
        return end(database.create(), manager, stage);
    }

    /**
     * Runs a stage that also writes a row, and returns how it ended. Checks that the row is there if and only if the
     * stage's key is. The manager was right as long as the store was made.
     */
    private static String end(String url, Manager manager, Stage stage) {
        try (HikariDataSource pool = TestDatabase.pool(url, 20);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            Manager[] current = {Manager.RIGHT};
            NewTransaction transaction =
                    (isolation, timeout, work) -> current[0].over(factory).run(isolation, timeout, work);
            JpaKeyStore store = new JpaKeyStore(factory, transaction, Isolation.READ_COMMITTED);
            current[0] = manager;
            StoredKey held = JpaStoreFixture.held(store);
            StoredKey next = JpaStoreFixture.next(held);

            StageCommit end = store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
                em.persist(new ContractRow("row", "1"));
                em.flush();
                stage.run(store, held, em);
                return next.progress();
            });

            boolean moved = store.find(held.id()).orElseThrow().equals(next);
            boolean kept = TestDatabase.inTransaction(factory, em -> em.find(ContractRow.class, "row") != null);
            assertThat(kept).isEqualTo(moved);
            String name = JpaStoreFixture.nameOf(end);
            if (!name.equals("unknown")) {
                assertThat(moved).isEqualTo(name.equals("committed"));
            }
            return name;
        }
    }
}
