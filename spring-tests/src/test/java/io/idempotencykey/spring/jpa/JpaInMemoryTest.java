package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import io.idempotencykey.spring.SpringInMemoryTransactions;
import jakarta.persistence.EntityManagerFactory;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.support.AbstractPlatformTransactionManager;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Keys in memory, in an application whose stages write through Spring. */
class JpaInMemoryTest {
    private final JpaApplication application = JpaApplication.Database.H2.application();
    private final IdempotencyKeyService<Object> keys = keys(application.manager());

    private static IdempotencyKeyService<Object> keys(PlatformTransactionManager manager) {
        return new IdempotencyKeyService<>(new InMemoryKeyStore<>(
                new SpringInMemoryTransactions<>(manager, Object::new, InnerTransactions.REFUSED)));
    }

    @AfterEach
    void nothingIsBoundToTheThread() {
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
    }

    @Test
    void whatJoinsIsCommittedAndRolledBackWithTheStage() {
        List<String> names = new CopyOnWriteArrayList<>();
        JpaApplication.once(keys, handle -> {
            names.add(TransactionSynchronizationManager.getCurrentTransactionName());
            application.service().required("kept");
        });
        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, handle -> {
                    application.service().required("failed");
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");

        assertThat(application.orders()).containsExactly("kept");
        assertThat(names).containsExactly("idempotencykey.stage");
    }

    /** By the version of a row, which is compared when the commit flushes it. */
    @Test
    void aCommitThatConflictsIsRunAgain() {
        int[] runs = new int[1];

        JpaApplication.once(keys, handle -> {
            application.service().required("order");
            application.conflict(application.injected(), ++runs[0]);
        });

        assertThat(runs[0]).isEqualTo(2);
        assertThat(application.orders()).containsExactly("order");
    }

    @Test
    void aMarkForRollbackIsTheStagesFailureOnce() {
        int[] runs = new int[1];

        assertThatExceptionOfType(UnexpectedRollbackException.class)
                .isThrownBy(() -> JpaApplication.once(keys, handle -> {
                    runs[0]++;
                    application.service().marking("marked");
                }))
                .satisfies(thrown -> assertThat(thrown).hasNoSuppressedExceptions());

        assertThat(runs[0]).isEqualTo(1);
        assertThat(application.orders()).isEmpty();
    }

    @Test
    void whatLeavesIsRefusedAlsoIfTheStageCatchesThat() {
        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, handle -> {
                    application.service().required("stage");
                    assertThatIllegalStateException()
                            .isThrownBy(() -> application.service().requiresNew("left"));
                }))
                .withMessageContaining("OrderService.requiresNew leaves the stage's transaction");

        assertThat(application.orders()).isEmpty();
    }

    /** Where the manager doesn't begin to commit what is marked for rollback. */
    @Test
    void aRefusalThatPassesAMethodThatJoinsIsTheStagesFailure() {
        PlatformTransactionManager manager = new JdbcTransactionManager(application.bean(DataSource.class));
        TransactionTemplate joining = new TransactionTemplate(manager);
        TransactionTemplate leaving = new TransactionTemplate(manager);
        leaving.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(
                        keys(manager),
                        stage -> assertThatIllegalStateException()
                                .isThrownBy(() -> joining.executeWithoutResult(
                                        outer -> leaving.executeWithoutResult(inner -> {})))))
                .withMessageContaining("leaves the stage's transaction");
    }

    @Test
    void anOperationInATransactionOrAStageCommitsByItself() {
        assertThatIllegalStateException()
                .isThrownBy(() -> application.service().with(() -> {
                    application.service().required("outer");
                    JpaApplication.once(
                            keys,
                            stage -> JpaApplication.once(
                                    keys, inner -> application.service().required("inner")));
                    throw new IllegalStateException("thrown by the outer method");
                }))
                .withMessage("thrown by the outer method");

        assertThat(application.orders()).containsExactly("inner");
    }

    @Test
    void aManagerThatDoesNotSynchronizeIsRefusedByEachStage() {
        JpaTransactionManager manager = new JpaTransactionManager(application.bean(EntityManagerFactory.class));
        manager.setTransactionSynchronization(AbstractPlatformTransactionManager.SYNCHRONIZATION_NEVER);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys(manager), status -> {}))
                .withMessageContaining("synchronization is not active");
    }
}
