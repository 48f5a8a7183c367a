package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.orm.jpa.EntityManagerHolder;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Stages in methods of Spring's that have no transaction. */
class SpringScopeTest {
    @ParameterizedTest
    @CsvSource({
        "PROPAGATION_SUPPORTS, false",
        "PROPAGATION_SUPPORTS, true",
        "PROPAGATION_NOT_SUPPORTED, false",
        "PROPAGATION_NOT_SUPPORTED, true",
        "PROPAGATION_NEVER, false"
    })
    void aStageRunsAfterTheMethodHasReadThroughTheInjectedEntityManager(String propagation, boolean isOpenInView)
            throws SQLException {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                EntityManager request = factory.createEntityManager()) {
            SpringTransactions spring = SpringTransactions.of(factory);
            IdempotencyKeyService<EntityManager> keys =
                    askingTheStore(new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED));
            TransactionTemplate scope = new TransactionTemplate(spring.manager());
            scope.setPropagationBehaviorName(propagation);
            if (isOpenInView) {
                TransactionSynchronizationManager.bindResource(factory, new EntityManagerHolder(request));
            }
            try {
                scope.executeWithoutResult(status -> {
                    assertThat(spring.shared().find(ContractRow.class, "row")).isNull();
                    keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                        spring.shared().persist(new ContractRow("row", "1"));
                        return TestApplication.RESPONSE;
                    });
                    assertThat(TransactionSynchronizationManager.isSynchronizationActive())
                            .isTrue();
                });
            } finally {
                if (isOpenInView) {
                    TransactionSynchronizationManager.unbindResource(factory);
                }
            }
            assertThat(TestApplication.rows(url)).containsExactly("row");
            assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        }
    }

    /** The method's connection would commit by itself what the stage writes with it. */
    @Test
    void aStageThatSpringHasNoPartInIsRefusedTheMethodsConnection() throws SQLException {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
            TransactionTemplate scope = new TransactionTemplate(spring.manager());
            scope.setPropagationBehavior(TransactionDefinition.PROPAGATION_SUPPORTS);

            scope.executeWithoutResult(status -> {
                use(pool);
                assertThatIllegalStateException()
                        .isThrownBy(() -> keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                            use(pool);
                            return TestApplication.RESPONSE;
                        }))
                        .withMessageContaining("NewTransaction");
            });

            assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        }
    }

    /** What the stage's own code registers ends with the stage; another stage in it is one by itself. */
    @Test
    void aStageThatSpringHasNoPartInMayRegisterASynchronizationAndRunAnother() throws SQLException {
        List<String> called = new ArrayList<>();
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.H2.create(), 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));

            keys.once("outer", KeyId.of("outer"), TestApplication.REQUEST, stage -> {
                TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                    @Override
                    public void afterCompletion(int status) {
                        called.add("completed");
                    }
                });
                keys.once("inner", KeyId.of("inner"), TestApplication.REQUEST, inner -> TestApplication.RESPONSE);
                return TestApplication.RESPONSE;
            });

            assertThat(called).containsExactly("completed");
            assertThat(TransactionSynchronizationManager.isSynchronizationActive())
                    .isFalse();
        }
    }

    private static void use(DataSource pool) {
        Connection connection = DataSourceUtils.getConnection(pool);
        DataSourceUtils.releaseConnection(connection, pool);
    }
}
