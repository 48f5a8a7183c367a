package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.Status;
import java.lang.reflect.Proxy;
import org.hibernate.SessionFactory;
import org.junit.jupiter.api.Test;

/** A stage works in the persistence context of its JTA transaction, which repositories share. */
class JtaEntityManagerTest {
    @OnH2AndPostgresql
    void repositoriesSeeWhatTheStagePersistedAndTheOtherWayRound(TestDatabase database) throws Exception {
        with(database, (url, store, repository) -> {
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, stage -> {
                ContractRow row = new ContractRow("stage", "1");
                stage.persist(row);
                assertThat(repository.contains(row)).isTrue();
                repository.persist(new ContractRow("repository", "1"));
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(TestApplication.rows(url)).containsExactly("repository", "stage");
        });
    }

    @OnH2AndPostgresql
    void aStageThatFailsTakesBothBack(TestDatabase database) throws Exception {
        with(database, (url, store, repository) -> {
            JpaStoreFixture.assertRolledBack(store, Isolation.SERIALIZABLE, stage -> {
                stage.persist(new ContractRow("stage", "1"));
                repository.persist(new ContractRow("repository", "1"));
                repository.flush();
                throw new IllegalStateException("thrown by the stage");
            });

            assertThat(TestApplication.rows(url)).isEmpty();
        });
    }

    /** With an entity manager of its own, the stage would overwrite the other's increment. */
    @OnH2AndPostgresql
    void aStageSharesTheCurrentSessionUnlessAnotherIsNamed(TestDatabase database) throws Exception {
        String url = database.create();
        TestDatabase.execute(url, "insert into contract_row values ('counter', '0')");
        JtaApplication.with(url, 2, (factory, manager) -> {
            JpaKeyStore store = new JpaKeyStore(factory);
            SessionFactory sessions = factory.unwrap(SessionFactory.class);
            StoredKey held = JpaStoreFixture.held(store);

            StageCommit end = store.commitStage(held, Isolation.SERIALIZABLE, JpaStoreFixture.LEASE, stage -> {
                ContractRow ofStage = stage.find(ContractRow.class, "counter");
                ContractRow ofRepository = sessions.getCurrentSession().find(ContractRow.class, "counter");
                increment(ofStage);
                increment(ofRepository);
                return JpaStoreFixture.next(held).progress();
            });

            assertThat(end).isEqualTo(StageCommit.committed());
            assertThat(TestApplication.ask(url, "select content from contract_row"))
                    .containsExactly("2");
        });
    }

    private static void increment(ContractRow counter) {
        counter.content = Integer.toString(Integer.parseInt(counter.content) + 1);
    }

    @FunctionalInterface
    private interface Shared {
        void run(String url, JpaKeyStore store, EntityManager repository) throws Exception;
    }

    /** A store that shares the entity manager with a repository, as a container injects it. */
    private static void with(TestDatabase database, Shared test) throws Exception {
        String url = database.create();
        JtaApplication.with(url, 2, (entityManagerFactory, manager) -> {
            SessionFactory sessions = entityManagerFactory.unwrap(SessionFactory.class);
            EntityManager entityManager = (EntityManager) Proxy.newProxyInstance(
                    JtaEntityManagerTest.class.getClassLoader(),
                    new Class<?>[] {EntityManager.class},
                    (self, method, arguments) -> OwnConnection.call(sessions.getCurrentSession(), method, arguments));
            JpaKeyStore shared = JpaKeyStore.builder(entityManagerFactory)
                    .entityManager(() -> entityManager)
                    .build();

            test.run(url, shared, entityManager);

            assertThat(manager.getStatus()).isEqualTo(Status.STATUS_NO_TRANSACTION);
        });
    }

    /** One that was opened before the transaction began, for instance. */
    @Test
    void anEntityManagerWithoutPartInTheTransactionIsRefused() throws Exception {
        JtaApplication.with(TestDatabase.H2.create(), 2, (factory, manager) -> {
            try (EntityManager apart =
                    factory.createEntityManager(jakarta.persistence.SynchronizationType.UNSYNCHRONIZED)) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> JpaKeyStore.builder(factory)
                                .entityManager(() -> apart)
                                .build())
                        .withMessageContaining("no part in the new transaction");
            }
        });
    }

    @Test
    void anEntityManagerIsRefusedWhereTheStoreDoesNotBeginTransactionsOfJta() throws Exception {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.H2.create(), 2);
                EntityManagerFactory local = TestDatabase.factory(pool)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> JpaKeyStore.builder(local)
                            .entityManager(local::createEntityManager)
                            .build())
                    .withMessageContaining("'entityManager'");
        }
    }
}
