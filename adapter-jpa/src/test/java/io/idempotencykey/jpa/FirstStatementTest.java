package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.hibernate.Session;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A stage's first statement on PostgreSQL gives the same result as any other, and the settings hold from then on.
 */
class FirstStatementTest {
    private enum First {
        QUERY {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1")) {
                    statement.setInt(1, 41);
                    try (ResultSet result = statement.executeQuery()) {
                        assertThat(result.next()).isTrue();
                        assertThat(result.getInt(1)).isEqualTo(42);
                    }
                }
            }
        },
        UPDATE {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                    statement.setString(1, "one");
                    assertThat(statement.executeUpdate()).isEqualTo(1);
                    statement.setString(1, "two");
                    assertThat(statement.executeLargeUpdate()).isEqualTo(1);
                }
            }
        },
        EXECUTE {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement("select 42")) {
                    assertThat(statement.execute()).isTrue();
                    assertThat(statement.getResultSet().next()).isTrue();
                    assertThat(statement.getMoreResults()).isFalse();
                }
            }
        },
        BATCH {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                    for (String name : List.of("one", "two")) {
                        statement.setString(1, name);
                        statement.addBatch();
                    }
                    assertThat(statement.executeBatch()).containsExactly(1, 1);
                }
            }
        },
        EMPTY_BATCH {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement("select 1")) {
                    assertThat(statement.executeBatch()).isEmpty();
                }
            }
        },
        QUERY_THAT_IS_LOOKED_AT_WHILE_ITS_ROWS_ARE_READ {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement("select 42");
                        ResultSet result = statement.executeQuery()) {
                    assertThat(statement.getMetaData().getColumnCount()).isEqualTo(1);
                    assertThat(result.next()).isTrue();
                }
            }
        },
        CLEARED_AND_BOUND_AGAIN {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement("select ?::int limit ?")) {
                    statement.setMaxRows(5);
                    statement.setInt(1, 1);
                    statement.setInt(2, 1);
                    statement.clearParameters();
                    statement.setInt(1, 42);
                    assertThat(statement.getParameterMetaData().getParameterCount())
                            .isEqualTo(2);
                    assertThat(statement.getMaxRows()).isEqualTo(5);
                    assertThatExceptionOfType(SQLException.class).isThrownBy(statement::executeQuery);
                    statement.setInt(2, 1);
                    try (ResultSet result = statement.executeQuery()) {
                        assertThat(result.next()).isTrue();
                        assertThat(result.getInt(1)).isEqualTo(42);
                    }
                }
            }
        },
        GENERATED_KEYS {
            @Override
            void on(Connection connection) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(INSERT, new String[] {"content"})) {
                    statement.setString(1, "one");
                    assertThat(statement.executeUpdate()).isEqualTo(1);
                    try (ResultSet keys = statement.getGeneratedKeys()) {
                        assertThat(keys.next()).isTrue();
                        assertThat(keys.getString(1)).isEqualTo("content");
                    }
                }
            }
        },
        ANOTHER_KIND_OF_STATEMENT {
            @Override
            void on(Connection connection) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    assertThat(statement.executeUpdate("insert into contract_row values ('one', '1')"))
                            .isEqualTo(1);
                }
            }
        },
        PREPARED_BUT_NOT_EXECUTED {
            @Override
            void on(Connection connection) throws SQLException {
                connection.prepareStatement("select 1").close();
            }
        },
        NOTHING {
            @Override
            void on(Connection connection) {}
        };

        private static final String INSERT = "insert into contract_row (name, content) values (?, 'content')";

        abstract void on(Connection connection) throws SQLException;
    }

    @ParameterizedTest
    @EnumSource
    void aStageHasItsSettingsWhateverItDoesFirst(First first) {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.POSTGRESQL.create(), 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(new JpaKeyStore(factory))
                    .replayCacheBytes(0)
                    .lease(Duration.ofSeconds(20))
                    .build();
            HeldKey held =
                    keys.lock(keys.create("", "key", TestApplication.REQUEST).id());

            keys.workStage(held, Isolation.SERIALIZABLE, stage -> {
                stage.transaction().unwrap(Session.class).doWork(connection -> {
                    first.on(connection);
                    assertThat(setting(connection, "idle_in_transaction_session_timeout"))
                            .isEqualTo("20s");
                    assertThat(setting(connection, "transaction_isolation")).isEqualTo("serializable");
                });
                return StageOutcome.respond(TestApplication.RESPONSE);
            });

            assertThat(keys.retrieve(KeyId.of("key")).state().recoveryPoint().name())
                    .isEqualTo("finished");
        }
    }

    @Test
    void aStatementThatIsUsedAgainBindsEachParameterOnceMore() throws SQLException {
        AtomicInteger bound = new AtomicInteger();
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.POSTGRESQL.create(), 1);
                Connection connection = pool.getConnection();
                PreparedStatement statement = FirstStatement.prepare(
                        counting(Connection.class, connection, bound),
                        List.of("set local work_mem = '8MB'"),
                        First.INSERT,
                        () -> {})) {
            for (int i = 0; i < 5; i++) {
                statement.setString(1, "row-" + i);
                assertThat(statement.executeUpdate()).isEqualTo(1);
            }
            statement.setString(1, "row-5");
            bound.set(0);

            statement.addBatch();

            assertThat(bound).hasValue(1);
            assertThat(statement.executeBatch()).containsExactly(1);
            assertThat(ExplainingConnection.text(
                            connection, "select string_agg(name, ' ' order by name) from contract_row"))
                    .isEqualTo("row-0 row-1 row-2 row-3 row-4 row-5");
        }
    }

    /** Counts how often a text is bound. */
    private static <C> C counting(Class<C> type, Object target, AtomicInteger bound) {
        return type.cast(Proxy.newProxyInstance(
                FirstStatementTest.class.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    if (method.getName().equals("setString")) {
                        bound.incrementAndGet();
                    }
                    Object result = method.invoke(target, arguments);
                    return result instanceof PreparedStatement
                            ? counting(PreparedStatement.class, result, bound)
                            : result;
                }));
    }

    private static String setting(Connection connection, String name) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("select current_setting(?)")) {
            statement.setString(1, name);
            try (ResultSet result = statement.executeQuery()) {
                assertThat(result.next()).isTrue();
                return result.getString(1);
            }
        }
    }
}
