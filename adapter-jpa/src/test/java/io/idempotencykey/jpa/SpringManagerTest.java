package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.function.Consumer;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** A NewTransaction that Spring's part of the application doesn't share, or shares by half, is refused. */
class SpringManagerTest {
    @OnH2AndPostgresql
    void aTransactionOfSpringsDoesNotBeginInAStageOfAnotherKind(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            JpaKeyStore store = new JpaKeyStore(factory, byEntityTransaction(factory), Isolation.READ_COMMITTED);

            assertRefused(store, "NewTransaction over Spring's transaction manager", em -> {
                em.persist(new ContractRow("stage", "1"));
                em.flush();
                spring.required()
                        .executeWithoutResult(status -> spring.shared().persist(new ContractRow("service", "1")));
            });

            assertThat(TestApplication.rows(url)).isEmpty();
            assertThat(end(store, JpaStoreFixture.held(store), em -> {})).isEqualTo(StageCommit.committed());
        }
    }

    /** Such a connection has committed what it wrote by then. */
    @OnH2AndPostgresql
    void aConnectionOfSpringsIsNotTakenForThatOfAStageOfAnotherKind(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory, byEntityTransaction(factory), Isolation.READ_COMMITTED);

            assertRefused(store, "NewTransaction over Spring's transaction manager", em -> {
                em.persist(new ContractRow("stage", "1"));
                SpringTransactions.insert(pool, "service");
            });

            assertThat(TestApplication.rows(url)).doesNotContain("stage");
        }
    }

    @OnH2AndPostgresql
    void aManagerThatDoesNotKnowTheDataSourceIsRefusedWhereAStageUsesIt(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            JpaKeyStore store = new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED);

            assertRefused(store, "setDataSource", em -> {
                em.persist(new ContractRow("stage", "1"));
                SpringTransactions.insert(pool, "service");
            });

            assertThat(TestApplication.rows(url)).doesNotContain("stage");
        }
    }

    @OnH2AndPostgresql
    void aManagerThatKnowsTheDataSourceKeepsBothRowsTogether(TestDatabase database) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            spring.manager().setDataSource(pool);
            JpaKeyStore store = new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED);
            Consumer<EntityManager> writes = em -> {
                em.persist(new ContractRow("stage", "1"));
                SpringTransactions.insert(pool, "service");
            };

            JpaStoreFixture.assertRolledBack(store, Isolation.READ_COMMITTED, em -> {
                writes.accept(em);
                throw new IllegalStateException("thrown by the stage");
            });
            assertThat(TestApplication.rows(url)).isEmpty();

            assertThat(end(store, JpaStoreFixture.held(store), writes)).isEqualTo(StageCommit.committed());
            assertThat(TestApplication.rows(url)).containsExactly("service", "stage");
        }
    }

    /** Hibernate would keep silent about the changes of entities that it doesn't write. */
    @OnH2AndPostgresql
    void aManagerThatOnlyReadsIsRefused(TestDatabase database) {
        try (HikariDataSource pool = TestDatabase.pool(database.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            NewTransaction reading = (isolation, timeout, work) -> {
                TransactionTemplate template = new TransactionTemplate(spring.manager());
                template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
                template.setReadOnly(true);
                template.executeWithoutResult(status -> work.accept(spring.shared()));
            };

            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new JpaKeyStore(factory, reading, Isolation.READ_COMMITTED))
                    .withMessageContaining("only reads");
        }
    }

    private static NewTransaction byEntityTransaction(EntityManagerFactory factory) {
        return (isolation, timeout, work) -> {
            try (EntityManager em = factory.createEntityManager()) {
                em.getTransaction().begin();
                work.accept(em);
                em.getTransaction().commit();
            }
        };
    }

    private static StageCommit end(JpaKeyStore store, StoredKey held, Consumer<EntityManager> work) {
        return store.commitStage(held, Isolation.READ_COMMITTED, JpaStoreFixture.LEASE, em -> {
            work.accept(em);
            return JpaStoreFixture.next(held).progress();
        });
    }

    private static void assertRefused(JpaKeyStore store, String remedy, Consumer<EntityManager> work) {
        StoredKey held = JpaStoreFixture.held(store);

        StageCommit end = end(store, held, work);

        assertThat(JpaStoreFixture.nameOf(end)).isEqualTo("rolled back");
        assertThat(end.cause()).isInstanceOf(IllegalStateException.class).hasMessageContaining(remedy);
        assertThat(store.find(held.id())).contains(held);
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
    }
}
