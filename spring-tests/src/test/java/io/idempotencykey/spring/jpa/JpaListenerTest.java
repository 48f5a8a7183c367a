package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.transaction.event.TransactionPhase;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** Listeners of transactional events run with the stage in which the event was published. */
class JpaListenerTest {
    @ParameterizedTest
    @EnumSource
    void listenersRunBeforeAndAfterTheStagesCommit(JpaApplication.Database database) {
        JpaApplication application = database.application();
        OrderListener.Placed event = OrderListener.Placed.inPhase(
                TransactionPhase.BEFORE_COMMIT, () -> application.service().required("before the commit"));

        JpaApplication.once(
                keys(application), entityManager -> application.service().publishing("order", event));

        assertThat(event.phases()).containsExactly(TransactionPhase.BEFORE_COMMIT, TransactionPhase.AFTER_COMMIT);
        assertThat(application.orders()).containsExactly("before the commit", "order");
    }

    @ParameterizedTest
    @EnumSource
    void aListenerAfterTheCommitMayWriteInATransactionOfItsOwn(JpaApplication.Database database) {
        JpaApplication application = database.application();
        OrderListener.Placed event = OrderListener.Placed.inPhase(
                TransactionPhase.AFTER_COMMIT, () -> application.service().requiresNew("after the commit"));

        JpaApplication.once(
                keys(application), entityManager -> application.service().publishing("order", event));

        assertThat(application.orders()).containsExactly("after the commit", "order");
    }

    /** Spring still counts it as the transaction, unlike the listener. */
    @ParameterizedTest
    @EnumSource
    void aCallbackAfterTheCommitMayWriteInATransactionOfItsOwn(JpaApplication.Database database) {
        JpaApplication application = database.application();

        JpaApplication.once(
                keys(application),
                entityManager ->
                        TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                            @Override
                            public void afterCommit() {
                                application.service().requiresNew("after the commit");
                            }
                        }));

        assertThat(application.orders()).containsExactly("after the commit");
    }

    @ParameterizedTest
    @EnumSource
    void aListenerRunsAfterAFailedStage(JpaApplication.Database database) {
        JpaApplication application = database.application();
        OrderListener.Placed event = OrderListener.Placed.inPhase(
                TransactionPhase.AFTER_ROLLBACK, () -> application.service().requiresNew("after the rollback"));

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys(application), entityManager -> {
                    application.service().publishing("order", event);
                    throw new IllegalStateException("thrown by the stage");
                }))
                .withMessage("thrown by the stage");

        assertThat(event.phases()).containsExactly(TransactionPhase.AFTER_ROLLBACK);
        assertThat(application.orders()).containsExactly("after the rollback");
    }

    @ParameterizedTest
    @EnumSource
    void aStageThatIsRunAgainHasOneCommitAndARollbackForEachTryBefore(JpaApplication.Database database) {
        JpaApplication application = database.application();
        List<OrderListener.Placed> events = new ArrayList<>();

        JpaApplication.once(keys(application), entityManager -> {
            events.add(OrderListener.Placed.inPhase(TransactionPhase.AFTER_COMMIT, () -> {}));
            application.service().publishing("order", events.get(events.size() - 1));
            application.conflict(entityManager, events.size());
        });

        assertThat(events.stream().map(OrderListener.Placed::phases))
                .containsExactly(
                        List.of(TransactionPhase.AFTER_ROLLBACK),
                        List.of(TransactionPhase.BEFORE_COMMIT, TransactionPhase.AFTER_COMMIT));
        assertThat(application.orders()).containsExactly("order");
    }

    /** By a constraint that is checked by the commit. */
    @ParameterizedTest
    @EnumSource(names = "POSTGRESQL")
    void aListenerRunsAfterACommitThatFails(JpaApplication.Database database) {
        JpaApplication application = database.application();
        application
                .jdbc()
                .execute("create table if not exists checked_late (name text unique deferrable initially deferred)");
        OrderListener.Placed event = OrderListener.Placed.inPhase(TransactionPhase.AFTER_COMMIT, () -> {});

        assertThatThrownBy(() -> JpaApplication.once(keys(application), entityManager -> {
                    application.service().publishing("order", event);
                    application.jdbc().update("insert into checked_late values ('same'), ('same')");
                }))
                .hasStackTraceContaining("checked_late");

        assertThat(event.phases()).containsExactly(TransactionPhase.BEFORE_COMMIT, TransactionPhase.AFTER_ROLLBACK);
        assertThat(application.orders()).isEmpty();
    }

    /** The stage is committed, and nothing tells the caller. */
    @ParameterizedTest
    @EnumSource(names = "POSTGRESQL")
    void aListenerThatFailsAfterTheCommitChangesNothing(JpaApplication.Database database) {
        JpaApplication application = database.application();
        OrderListener.Placed event = OrderListener.Placed.inPhase(TransactionPhase.AFTER_COMMIT, () -> {
            throw new IllegalStateException("thrown by the listener");
        });

        JpaApplication.once(
                keys(application), entityManager -> application.service().publishing("order", event));

        assertThat(application.orders()).containsExactly("order");
    }

    private static IdempotencyKeyService<EntityManager> keys(JpaApplication application) {
        return application.keys(InnerTransactions.REFUSED);
    }
}
