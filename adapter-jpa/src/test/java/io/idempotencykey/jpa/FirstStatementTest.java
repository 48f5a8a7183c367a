package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.hibernate.Session;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever a stage does first on PostgreSQL, it gives what it would give otherwise, and the settings hold from then on. */
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
                    .lease(Duration.ofSeconds(20))
                    .build();
            HeldKey held = keys.lock(keys.create("", "key", Request.of("POST", "/carts", Map.of()))
                    .id());

            keys.workStage(held, Isolation.SERIALIZABLE, stage -> {
                stage.transaction().unwrap(Session.class).doWork(connection -> {
                    first.on(connection);
                    assertThat(setting(connection, "idle_in_transaction_session_timeout"))
                            .isEqualTo("20s");
                    assertThat(setting(connection, "transaction_isolation")).isEqualTo("serializable");
                });
                return StageOutcome.respond(Response.of(201, "text/plain", "done"));
            });

            assertThat(keys.retrieve(KeyId.of("key")).state().recoveryPoint().name())
                    .isEqualTo("finished");
        }
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
