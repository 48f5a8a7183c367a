package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.stream.Stream;
import org.hibernate.Session;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No way leads a stage back to a connection on which it could end its transaction. */
class StageGuardTest {
    /** A way from the stage's connection to another handle of it. */
    @FunctionalInterface
    private interface Way {
        Connection from(Connection connection) throws SQLException;
    }

    static Stream<Named<Way>> ways() {
        return Stream.of(
                Named.of("its meta data", connection -> connection.getMetaData().getConnection()),
                Named.of("a statement", connection -> {
                    try (Statement statement = connection.createStatement()) {
                        return statement.getConnection();
                    }
                }),
                Named.of("a prepared statement", connection -> {
                    try (PreparedStatement statement = connection.prepareStatement("select 1")) {
                        return statement.getConnection();
                    }
                }),
                Named.of("a result", connection -> {
                    try (PreparedStatement statement = connection.prepareStatement("select 1");
                            ResultSet result = statement.executeQuery()) {
                        return result.getStatement().getConnection();
                    }
                }));
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aStageCannotRollBackAndGoOn(Way way) throws SQLException {
        for (TestDatabase database : new TestDatabase[] {TestDatabase.H2, TestDatabase.POSTGRESQL}) {
            for (boolean first : new boolean[] {true, false}) {
                cannotRollBackAndGoOn(database.create(), way, first);
            }
        }
    }

    /** H2's driver commits before it sets one. */
    @ParameterizedTest
    @MethodSource("ways")
    void aStageCannotCommitByItsIsolation(Way way) throws SQLException {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            Exception thrown = JpaStoreFixture.assertFailsOnce(new JpaKeyStore(factory), Isolation.SERIALIZABLE, em -> {
                em.persist(new ContractRow("row", "1"));
                em.flush();
                em.unwrap(Session.class).doWork(connection -> {
                    Connection reached = way.from(connection);
                    reached.setTransactionIsolation(reached.getTransactionIsolation());
                });
                throw new IllegalStateException("the isolation was set");
            });
            assertThat(thrown).hasStackTraceContaining("only the library ends a stage's transaction");
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    /** What it writes then would stay without the key. */
    @Test
    void aCallbackThatRollsBackCannotCommitByTheIsolationThen() throws SQLException {
        String url = TestDatabase.H2.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaStoreFixture.assertRolledBack(new JpaKeyStore(factory), Isolation.SERIALIZABLE, em -> {
                Session session = em.unwrap(Session.class);
                JpaHalfCommitContract.Moment.HIBERNATES_CALLBACK.run(
                        session,
                        () -> session.doWork(connection -> {
                            connection.rollback();
                            TestDatabase.execute(connection, "insert into contract_row values ('row', '1')");
                            connection.setTransactionIsolation(connection.getTransactionIsolation());
                        }));
            });
        }
        assertThat(TestApplication.rows(url)).isEmpty();
    }

    private static void cannotRollBackAndGoOn(String url, Way way, boolean isFirst) throws SQLException {
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            JpaKeyStore store = new JpaKeyStore(factory);

            JpaStoreFixture.assertRolledBack(store, Isolation.SERIALIZABLE, em -> {
                if (!isFirst) {
                    em.persist(new ContractRow("lost", "1"));
                    em.flush();
                }
                em.unwrap(Session.class)
                        .doWork(connection -> way.from(connection).rollback());
                em.persist(new ContractRow("kept", "1"));
            });

            assertThat(TestApplication.rows(url)).isEmpty();
        }
    }
}
