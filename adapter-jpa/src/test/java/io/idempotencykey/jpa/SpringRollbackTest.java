package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.List;
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

    /** PostgreSQL aborts the transaction then, and answers only so to all that follows. */
    @Test
    void aCaughtUniqueViolationOfAJoinedMethodIsTheStagesOwnFailureOnce() throws SQLException {
        uniqueViolationIsNamed(
                spring -> spring.required().executeWithoutResult(status -> persistTaken(spring.shared())));
    }

    @Test
    void aCaughtUniqueViolationOfTheStageIsItsOwnFailureOnce() throws SQLException {
        uniqueViolationIsNamed(spring -> persistTaken(spring.shared()));
    }

    private static void uniqueViolationIsNamed(Consumer<SpringTransactions> failing) throws SQLException {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "insert into contract_row values ('taken', '1')");

        Exception thrown = failsOnce(url, spring -> {
            try {
                failing.accept(spring);
            } catch (RuntimeException caught) {
                assertThat(states(caught)).contains("23505");
            }
        });

        assertThat(states(thrown)).contains("23505");
        assertThat(TestApplication.rows(url)).containsExactly("taken");
    }

    private static void persistTaken(EntityManager shared) {
        shared.persist(new ContractRow("taken", "2"));
        shared.flush();
    }

    private static List<String> states(Throwable thrown) {
        return Failure.errors(thrown).stream().map(SQLException::getSQLState).toList();
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
        Exception unused = failsOnce(url, method);
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    private static Exception failsOnce(String url, Consumer<SpringTransactions> method) {
        try (HikariDataSource pool = TestDatabase.pool(url, 5);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            SpringTransactions spring = SpringTransactions.of(factory);
            JpaKeyStore store = new JpaKeyStore(factory, spring.plain(), Isolation.READ_COMMITTED);
            return JpaStoreFixture.assertFailsOnce(store, Isolation.READ_COMMITTED, em -> {
                em.persist(new ContractRow("of the stage", "1"));
                method.accept(spring);
            });
        }
    }
}
