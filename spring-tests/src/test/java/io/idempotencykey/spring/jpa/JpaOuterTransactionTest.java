package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An operation within a transaction of the application's, or within another stage. */
class JpaOuterTransactionTest {
    @ParameterizedTest
    @EnumSource
    void anOperationInATransactionalMethodIsRefused(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        assertThatIllegalStateException()
                .isThrownBy(() -> application
                        .service()
                        .with(() -> JpaApplication.once(
                                keys, entityManager -> application.service().required("inner"))))
                .withMessageContaining("the thread has an open transaction")
                .withMessageContaining("allowOuterTransactions()");

        assertThat(application.orders()).isEmpty();
        assertThat(application.jdbc().queryForObject("select count(*) from idempotency_key", Integer.class))
                .isZero();
    }

    @ParameterizedTest
    @EnumSource
    void whereItIsAllowedAnOperationCommitsByItself(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = allowing(application);

        assertThatIllegalStateException()
                .isThrownBy(() -> application.service().with(() -> {
                    application.service().required("outer");
                    JpaApplication.once(
                            keys, entityManager -> application.service().required("inner"));
                    throw new IllegalStateException("thrown by the outer method");
                }))
                .withMessage("thrown by the outer method");

        assertThat(application.orders()).containsExactly("inner");
    }

    @ParameterizedTest
    @EnumSource
    void whereItIsAllowedAStageMayRunAnotherOne(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = allowing(application);

        JpaApplication.once(keys, outer -> {
            application.service().required("outer");
            JpaApplication.once(keys, inner -> application.service().required("inner"));
            application.service().required("outer again");
        });

        assertThat(application.orders()).containsExactly("inner", "outer", "outer again");
    }

    @Test
    void theOuterStagesOwnCodeMayStillNotLeaveIt() {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        IdempotencyKeyService<EntityManager> keys = allowing(application);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(keys, outer -> {
                    JpaApplication.once(keys, inner -> application.service().required("inner"));
                    application.service().requiresNew("left");
                }))
                .withMessageContaining("OrderService.requiresNew leaves");

        assertThat(application.orders()).containsExactly("inner");
    }

    @Test
    void anInnerStagesCodeMayNotLeaveItEither() {
        JpaApplication application = JpaApplication.Database.POSTGRESQL.application();
        IdempotencyKeyService<EntityManager> keys = allowing(application);

        assertThatIllegalStateException()
                .isThrownBy(() -> JpaApplication.once(
                        keys,
                        outer -> JpaApplication.once(
                                keys, inner -> application.service().requiresNew("left"))))
                .withMessageContaining("OrderService.requiresNew leaves");

        assertThat(application.orders()).isEmpty();
    }

    private static IdempotencyKeyService<EntityManager> allowing(JpaApplication application) {
        return new IdempotencyKeyService<>(
                application.store(InnerTransactions.REFUSED, JpaKeyStore.Builder::allowOuterTransactions));
    }
}
