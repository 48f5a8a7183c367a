package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** A method of the application that joins the stage's transaction fails, and the stage catches that and responds. */
class SpringRollbackTest {
    @OnH2AndPostgresql
    void aCaughtExceptionOfAJoinedMethodIsTheStagesOwnFailureOnce(TestDatabase database) throws SQLException {
        failsOnce(database, SpringRollbackTest::throwing);
    }

    @Tag("databases")
    @Test
    void aCaughtExceptionOfAJoinedMethodIsTheStagesOwnFailureOnceOnMariadb() throws SQLException {
        failsOnce(TestDatabase.MARIADB, SpringRollbackTest::throwing);
    }

    @OnH2AndPostgresql
    void aMarkOfAJoinedMethodIsTheStagesOwnFailureOnce(TestDatabase database) throws SQLException {
        failsOnce(
                database,
                spring -> spring.required().executeWithoutResult(status -> {
                    assertThat(TransactionSynchronizationManager.isActualTransactionActive())
                            .isTrue();
                    status.setRollbackOnly();
                }));
    }

    private static void throwing(SpringTransactions spring) {
        try {
            spring.required().executeWithoutResult(status -> {
                spring.shared().persist(new ContractRow("of the method", "1"));
                throw new IllegalStateException("thrown by the method");
            });
        } catch (IllegalStateException caught) {
            assertThat(caught).hasMessage("thrown by the method");
        }
    }

    private static void failsOnce(TestDatabase database, Consumer<SpringTransactions> method) throws SQLException {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            JpaKeyStore store = new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED);
            JpaStoreFixture.assertFailsOnce(store, Isolation.READ_COMMITTED, em -> {
                em.persist(new ContractRow("of the stage", "1"));
                method.accept(spring);
            });
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }
}
