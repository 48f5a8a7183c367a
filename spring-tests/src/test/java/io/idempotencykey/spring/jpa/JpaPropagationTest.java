package io.idempotencykey.spring.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.InnerTransactions;
import jakarta.persistence.EntityManager;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What an application's transactional methods do in a stage. */
class JpaPropagationTest {
    @ParameterizedTest
    @EnumSource
    void aMethodWithATransactionIsCommittedWithTheStage(JpaApplication.Database database) {
        JpaApplication application = database.application();
        IdempotencyKeyService<EntityManager> keys = application.keys(InnerTransactions.REFUSED);

        JpaApplication.once(keys, entityManager -> application.service().required("one"));

        assertThat(application.orders()).containsExactly("one");
    }
}
