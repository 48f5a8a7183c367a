package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceException;
import jakarta.transaction.SystemException;
import jakarta.transaction.TransactionManager;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the application rolled back, it rolled back: once, and for good. What the database did is run again. */
class MarkedForRollbackTest {
    @OnH2AndPostgresql
    void aMarkOfTheStageIsItsOwnFailureOnce(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 3);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            failsOnce(new JpaKeyStore(factory), em -> em.getTransaction().setRollbackOnly());
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    @OnH2AndPostgresql
    void aMarkOfAJtaTransactionIsTheStagesOwnFailureOnce(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 5, (factory, manager) -> failsOnce(new JpaKeyStore(factory), em -> mark(manager)));
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    @OnH2AndPostgresql
    void aTimeOutOfAJtaTransactionIsTheStagesOwnFailureOnce(TestDatabase database) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 5, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);
            manager.setTransactionTimeout(1);
            try {
                failsOnce(store, em -> JtaApplication.awaitTimeout(manager));
            } finally {
                manager.setTransactionTimeout(0);
            }
        });
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    /** The stage writes, marks, and responds as if all were well. */
    private static void failsOnce(JpaKeyStore store, Consumer<EntityManager> mark) {
        JpaStoreFixture.assertFailsOnce(store, Isolation.SERIALIZABLE, em -> {
            em.persist(new ContractRow("row", "1"));
            em.flush();
            mark.accept(em);
        });
    }

    private static void mark(TransactionManager manager) {
        try {
            manager.setRollbackOnly();
        } catch (SystemException e) {
            throw new IllegalStateException(e);
        }
    }

    @OnH2AndPostgresql
    void aDeadlockThatTheStageSwallowsIsRunAgain(TestDatabase database) throws Exception {
        swallowedDeadlockIsTransient(database);
    }

    @Tag("databases")
    @Test
    void aDeadlockThatTheStageSwallowsIsRunAgainOnMariadb() throws Exception {
        swallowedDeadlockIsTransient(TestDatabase.MARIADB);
    }

    /** Hibernate marks the transaction for rollback when it meets the error; the application has marked nothing. */
    private static void swallowedDeadlockIsTransient(TestDatabase database) throws Exception {
        String url = database.create();
        TestDatabase.execute(url, "insert into contract_row values ('x', '0'), ('y', '0')");
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey one = JpaStoreFixture.held(store);
            StoredKey two = JpaStoreFixture.held(store);
            CountDownLatch bothHold = new CountDownLatch(2);
            CompletableFuture<StageCommit> first =
                    TestApplication.elsewhere(() -> deadlock(store, one, "x", "y", bothHold));
            CompletableFuture<StageCommit> second =
                    TestApplication.elsewhere(() -> deadlock(store, two, "y", "x", bothHold));

            assertThat(List.of(
                            JpaStoreFixture.nameOf(first.get(60, TimeUnit.SECONDS)),
                            JpaStoreFixture.nameOf(second.get(60, TimeUnit.SECONDS))))
                    .containsExactlyInAnyOrder("committed", "transiently rolled back");
        }
    }

    /** The first statement is sent with the transaction's settings. */
    @Test
    void aConflictOfTheFirstStatementThatTheStageSwallowsIsRunAgain() {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.POSTGRESQL.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, em -> {
                assertThatExceptionOfType(PersistenceException.class)
                        .isThrownBy(() -> em.createNativeQuery(
                                        "do $$ begin raise exception 'conflict' using errcode = '40001'; end $$")
                                .executeUpdate());
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("transiently rolled back");
            assertThat(store.find(held.id())).contains(held);
        }
    }

    private static StageCommit deadlock(
            JpaKeyStore store, StoredKey held, String mine, String theirs, CountDownLatch bothHold) {
        return store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
            update(em, mine);
            bothHold.countDown();
            TestApplication.await(bothHold);
            try {
                update(em, theirs);
            } catch (PersistenceException swallowed) {
                assertThat(swallowed).isNotNull();
            }
            return JpaStoreFixture.next(held).progress();
        });
    }

    private static void update(EntityManager em, String row) {
        em.createNativeQuery("update contract_row set content = '1' where name = '" + row + "'")
                .executeUpdate();
    }
}
