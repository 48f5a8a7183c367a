package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.event.TransactionPhase;
import org.springframework.transaction.support.TransactionTemplate;

/** A stage whose transaction a method has marked for rollback fails once, and names the method. */
class JpaRollbackMarkTest {
    private static final String SERVICE = OrderService.class.getName();

    @ParameterizedTest
    @EnumSource
    void aMethodWhoseExceptionTheStageCatchesIsNamed(JpaApplication.Database database) {
        failsOnce(database.application(), SERVICE + ".failing", application -> failing(application));
    }

    @ParameterizedTest
    @EnumSource
    void aMethodThatMarksTheTransactionIsNamed(JpaApplication.Database database) {
        failsOnce(
                database.application(),
                SERVICE + ".marking",
                application -> application.service().marking("marked"));
    }

    /** PostgreSQL aborts the transaction, too, and so the stage's exception is the server's. */
    @Test
    void aRepositorysMethodIsNamed() {
        failsOnce(
                JpaApplication.Database.H2.application(),
                OrderRepository.class.getName() + ".saveAndFlush",
                application -> caught(() ->
                        application.bean(OrderRepository.class).saveAndFlush(new PlacedOrder("too long".repeat(100)))));
    }

    @Test
    void whatUsesATemplateIsNamed() {
        failsOnce(
                JpaApplication.Database.POSTGRESQL.application(),
                getClass().getName() + ".whatUsesATemplateIsNamed",
                application -> new TransactionTemplate(application.manager())
                        .executeWithoutResult(status -> status.setRollbackOnly()));
    }

    /** The first one is the reason for all that follows. */
    @Test
    void theFirstOfTwoMethodsIsNamed() {
        failsOnce(JpaApplication.Database.POSTGRESQL.application(), SERVICE + ".failing", application -> {
            failing(application);
            application.service().marking("marked");
        });
    }

    /** The fence has been passed by then. */
    @Test
    void aMarkOfACallbackBeforeTheCommitIsTheStagesFailureOnce() {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        int[] runs = new int[1];

        assertThatExceptionOfType(UnexpectedRollbackException.class)
                .isThrownBy(() -> JpaApplication.once(keys(application), entityManager -> {
                    runs[0]++;
                    application
                            .service()
                            .publishing(
                                    "published",
                                    OrderListener.Placed.inPhase(
                                            TransactionPhase.BEFORE_COMMIT, () -> failing(application)));
                }));

        assertThat(application.orders()).isEmpty();
        assertThat(runs[0]).isEqualTo(1);
    }

    private static IdempotencyKeyService<EntityManager> keys(JpaApplication application) {
        return application.keys(InnerTransactions.REFUSED);
    }

    private static void failing(JpaApplication application) {
        caught(() -> application.service().failing("failed"));
    }

    private static void caught(Runnable failing) {
        try {
            failing.run();
        } catch (RuntimeException caught) {
            return;
        }
        throw new AssertionError("it doesn't fail");
    }

    private static void failsOnce(JpaApplication application, String method, Consumer<JpaApplication> stage) {
        int[] runs = new int[1];

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys(application), entityManager -> {
                    runs[0]++;
                    application.service().required("stage");
                    stage.accept(application);
                }))
                .withMessageContaining("marked the stage's transaction for rollback")
                .havingCause()
                .withMessage(method + " marked the stage's transaction for rollback");

        assertThat(application.orders()).isEmpty();
        assertThat(runs[0]).isEqualTo(1);
    }
}
