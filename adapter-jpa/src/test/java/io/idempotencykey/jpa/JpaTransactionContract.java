package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Synchronization;
import java.sql.SQLException;
import java.util.Collections;
import java.util.Optional;
import java.util.function.Consumer;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** Stages in transactions of Hibernate, of JTA and of Spring: outer ones, and callbacks that fail. */
abstract class JpaTransactionContract extends JpaStoreFixture {
    JpaTransactionContract(TestDatabase database) {
        super(database);
    }

    @Test
    void springsTransactionIsSuspendedAndTheStagesOwnCommits() throws Exception {
        spring((store, outer, em) -> {
            StoredKey held = held(store);
            outer.executeWithoutResult(status -> {
                em.persist(new ContractRow("outer", "1"));
                assertThat(store.commitStage(held, Isolation.READ_COMMITTED, LEASE, stage -> {
                            em.persist(new ContractRow("stage", "1"));
                            return next(held).progress();
                        }))
                        .isEqualTo(StageCommit.committed());
                status.setRollbackOnly();
            });
            outer.executeWithoutResult(status -> {
                assertThat(em.find(ContractRow.class, "outer")).isNull();
                assertThat(em.find(ContractRow.class, "stage")).isNotNull();
            });
            assertThat(store.find(held.id())).isNotEqualTo(Optional.of(held));
        });
    }

    @Test
    void aTransactionThatWouldJoinSpringsIsRefused() throws Exception {
        spring(TransactionDefinition.PROPAGATION_REQUIRED, (store, outer, em) -> {
            StoredKey held = held(store);
            outer.executeWithoutResult(status -> {
                StageCommit end = store.commitStage(
                        held,
                        Isolation.READ_COMMITTED,
                        LEASE,
                        stage -> next(held).progress());
                assertThat(nameOf(end)).isEqualTo("rolled back");
                status.setRollbackOnly();
            });
            assertThat(store.find(held.id())).contains(held);
        });
    }

    @Test
    void aJtaTransactionIsSuspendedAndTheStagesOwnCommits() throws Exception {
        jta((store, factory, manager) -> {
            StoredKey held = held(store);
            manager.begin();
            try (EntityManager outer = factory.createEntityManager()) {
                outer.joinTransaction();
                outer.persist(new ContractRow("outer", "1"));
                outer.flush();
                assertThat(store.commitStage(held, Isolation.SERIALIZABLE, LEASE, em -> {
                            em.persist(new ContractRow("stage", "1"));
                            return next(held).progress();
                        }))
                        .isEqualTo(StageCommit.committed());
                assertThat(store.find(held.id())).isNotEqualTo(Optional.of(held));
            } finally {
                manager.rollback();
            }
            assertThat(manager.getTransaction()).isNull();
            assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
                em.persist(new ContractRow("failed", "1"));
                throw new IllegalStateException("thrown by the stage");
            });
            assertThat(rows(store, Isolation.SERIALIZABLE)).containsExactly("stage");
        });
    }

    @Test
    void aJtaTransactionThatTimesOutIsTheStagesOwnFailure() throws Exception {
        jta((store, factory, manager) -> {
            manager.setTransactionTimeout(1);
            try {
                assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
                    em.persist(new ContractRow("row", "1"));
                    JtaApplication.awaitTimeout(manager);
                });
            } finally {
                manager.setTransactionTimeout(0);
            }
        });
    }

    @Test
    void aCallbackThatFailsBeforeTheCommitRollsTheStageBack() throws Exception {
        Synchronization failing = JtaApplication.synchronization(JpaTransactionContract::fail, () -> {});
        with((store, factory, pool) -> assertThat(callbackFails(
                        store,
                        false,
                        em -> em.unwrap(Session.class).getTransaction().registerSynchronization(failing)))
                .isEqualTo("rolled back"));
        jta((store, factory, manager) -> assertThat(
                        callbackFails(store, false, em -> JtaApplication.register(manager, failing)))
                .isEqualTo("rolled back"));
        spring((store, outer, shared) -> assertThat(callbackFails(
                        store,
                        false,
                        em -> register(new TransactionSynchronization() {
                            @Override
                            public void beforeCommit(boolean readOnly) {
                                fail();
                            }
                        })))
                .isEqualTo("rolled back"));
    }

    @Test
    void aCallbackThatFailsAfterTheCommitIsNoRollback() throws Exception {
        Synchronization failing = JtaApplication.synchronization(() -> {}, JpaTransactionContract::failOfADuplicate);
        with((store, factory, pool) -> assertThat(callbackFails(
                        store,
                        true,
                        em -> em.unwrap(Session.class).getTransaction().registerSynchronization(failing)))
                .isEqualTo("unknown"));
        jta((store, factory, manager) -> assertThat(
                        callbackFails(store, true, em -> JtaApplication.register(manager, failing)))
                .isEqualTo("committed"));
        spring((store, outer, shared) -> assertThat(callbackFails(
                        store,
                        true,
                        em -> register(new TransactionSynchronization() {
                            @Override
                            public void afterCommit() {
                                failOfADuplicate();
                            }
                        })))
                .isEqualTo("unknown"));
    }

    private static String callbackFails(JpaKeyStore store, boolean committed, Consumer<EntityManager> registration) {
        StoredKey held = held(store);
        StoredKey next = next(held);
        StageCommit end = store.commitStage(held, Collections.max(store.isolations()), LEASE, em -> {
            registration.accept(em);
            return next.progress();
        });
        assertThat(store.find(held.id())).contains(committed ? next : held);
        return nameOf(end);
    }

    private static void fail() {
        throw new IllegalStateException("thrown by a callback");
    }

    /** Fails like a callback whose own statement, on another connection, met a duplicate. */
    private static void failOfADuplicate() {
        throw new IllegalStateException("thrown by a callback", new SQLException("a duplicate", "23505"));
    }

    private static void register(TransactionSynchronization synchronization) {
        TransactionSynchronizationManager.registerSynchronization(synchronization);
    }
}
