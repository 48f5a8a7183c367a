package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import jakarta.persistence.EntityManager;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.hibernate.jpa.HibernatePersistenceConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * A row that somebody edited is a key, or else a clear error that leaves it as it is, and holds no other key up.
 *
 * <p>An input's first line is the state of the row that is edited; each further one is an edit, such as {@code
 * attempts=-1}, or {@code due_at=} for null. What the database refuses isn't edited.
 */
public final class RowTarget {
    private static final Request REQUEST = Request.of("POST", "/carts/42", Map.of("cart", 42));
    private static final String OPERATION = "complete-cart";
    private static final KeyId EDITED = KeyId.of("tenant", "edited-and-secret");
    private static final KeyId WAITING = KeyId.of("tenant", "waiting");
    private static final KeyId ASIDE = KeyId.of("tenant", "aside");

    private static final Set<String> COLUMNS = Set.copyOf(Arrays.asList(KeyTable.ALL.split(", ")));

    private static final HikariDataSource POOL = pool();
    private static final JpaKeyStore STORE = store();
    private static final List<Throwable> FAILURES = new ArrayList<>();
    private static final IdempotencyKeyService<EntityManager> SERVICE = IdempotencyKeyService.builder(STORE)
            .replayCacheBytes(0)
            .listener(event -> {
                if (event instanceof KeyEvent.CompletionFailed failed) {
                    FAILURES.add(failed.cause());
                }
            })
            .build();
    private static final Operation<EntityManager> COMPLETED = SERVICE.operation(OPERATION)
            .respond(RecoveryPoint.STARTED, stage -> Response.of(200, new byte[0]))
            .staged()
            .build();

    private RowTarget() {}

    /** Edits one row among three as the input says, and then asks for all of them. */
    public static void fuzzerTestOneInput(byte[] input) throws SQLException {
        FAILURES.clear();
        String[] lines = new String(input, StandardCharsets.UTF_8).split("\n", -1);
        Instant now = STORE.time().truncatedTo(ChronoUnit.MILLIS);
        Instant before = now.minus(1, ChronoUnit.HOURS);
        try (Connection connection = POOL.getConnection()) {
            ask(connection, "delete from idempotency_key");
            insert(EDITED, state(lines[0], before), before);
            insert(WAITING, new KeyState.Open(RecoveryPoint.STARTED, before), before);
            insert(ASIDE, new KeyState.Quarantined(RecoveryPoint.STARTED, before, "a reason"), before);
            for (String line : lines) {
                edit(connection, line);
            }
            String edited = edited(connection);
            if (edited.isEmpty()) {
                return;
            }
            if (!isServed(connection, lines.length % 2 == 0)) {
                assertThat(edited(connection)).isEqualTo(edited);
            }
        }
    }

    /** Says whether the edited row could be read. Its client comes before the completer or after it. */
    private static boolean isServed(Connection connection, boolean isClientFirst) throws SQLException {
        KeyId id = id(connection);
        boolean isReadable = id != null && isClientFirst && isReadable(id);
        OperatorActions operator = new OperatorActions(SERVICE);

        assertThat(operator.listUnfinished(WAITING.scope(), null, null, 9))
                .extracting(IdempotencyKey::id)
                .contains(WAITING);
        assertThat(operator.listQuarantined(null, null, 9))
                .extracting(IdempotencyKey::id)
                .contains(ASIDE);
        operator.backlog();
        operator.backlogByOperation(9);
        Completer.builder(SERVICE).operation(COMPLETED).build().runOnce();
        assertThat(FAILURES).allMatch(IdempotencyException.class::isInstance);
        if (id != null && !isClientFirst) {
            isReadable = isReadable(id);
        }
        assertThat(SERVICE.retrieve(WAITING).state()).isInstanceOf(KeyState.Finished.class);
        assertThat(SERVICE.retrieve(ASIDE).state()).isInstanceOf(KeyState.Quarantined.class);
        return isReadable;
    }

    private static boolean isReadable(KeyId id) {
        boolean isReadable = true;
        try {
            assertThat(STORE.find(id)).isPresent();
        } catch (StoreFailure e) {
            isReadable = false;
            assertThat(e.kind()).isEqualTo(StoreFailure.Kind.UNREADABLE);
            assertThat(e.getMessage())
                    .contains("is left as it is")
                    .doesNotContain(id.value().length() > 8 ? id.value() : "\n");
        }
        try {
            SERVICE.run(COMPLETED, id, REQUEST);
            assertThat(isReadable).isTrue();
        } catch (IdempotencyException.UnreadableKey e) {
            assertThat(isReadable).isFalse();
        } catch (IdempotencyException e) {
            assertThat(isReadable).as("readable despite %s", e).isTrue();
        }
        return isReadable;
    }

    private static KeyState state(String name, Instant before) {
        return switch (name) {
            case "open" -> new KeyState.Open(RecoveryPoint.STARTED, before);
            case "failed" -> new KeyState.Failed(before.plus(2, ChronoUnit.HOURS));
            case "finished" ->
                new KeyState.Finished(Response.of(201, "text/plain", "done"), before, before.plus(2, ChronoUnit.HOURS));
            case "quarantined" -> new KeyState.Quarantined(RecoveryPoint.STARTED, before, "a reason");
            default -> new KeyState.Locked(RecoveryPoint.STARTED, before, before.plusSeconds(30));
        };
    }

    private static void insert(KeyId id, KeyState state, Instant at) {
        KeyCreation creation =
                new KeyCreation(id, UUID.randomUUID(), OPERATION, REQUEST, Fingerprint.of(OPERATION, REQUEST), at);
        IdempotencyKey key = new IdempotencyKey(creation, new KeyProgress(state, 1, 0, "", at));
        assertThat(STORE.insert(new StoredKey(key, new Revision(UUID.randomUUID()))))
                .isTrue();
    }

    private static void edit(Connection connection, String line) {
        int equals = line.indexOf('=');
        if (equals < 0 || !COLUMNS.contains(line.substring(0, equals))) {
            return;
        }
        String column = line.substring(0, equals);
        String parameter =
                column.equals("request_parameters") || column.equals("response_headers") ? "? format json" : "?";
        try (PreparedStatement statement = connection.prepareStatement("update idempotency_key set " + column + " = "
                + parameter + " where key_value not in ('" + WAITING.value() + "', '" + ASIDE.value() + "')")) {
            statement.setString(1, equals == line.length() - 1 ? null : line.substring(equals + 1));
            statement.executeUpdate();
        } catch (SQLException e) {
            // Not what this column can hold.
        }
    }

    /** All of the edited row; nothing if its value was edited into another row's. */
    private static String edited(Connection connection) throws SQLException {
        return ask(
                connection,
                "select " + KeyTable.ALL + " from idempotency_key where key_value not in ('" + WAITING.value() + "', '"
                        + ASIDE.value() + "')");
    }

    private static @Nullable KeyId id(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("select scope, key_value from idempotency_key where key_value"
                        + " not in ('" + WAITING.value() + "', '" + ASIDE.value() + "')")) {
            assertThat(row.next()).isTrue();
            return KeyId.of(row.getString(1), row.getString(2));
        } catch (IdempotencyException.InvalidKey e) {
            return null;
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        StringBuilder found = new StringBuilder();
        try (Statement statement = connection.createStatement()) {
            if (statement.execute(sql)) {
                try (ResultSet row = statement.getResultSet()) {
                    while (row.next()) {
                        for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
                            found.append(row.getString(i)).append('\n');
                        }
                    }
                }
            }
        }
        return found.toString();
    }

    private static HikariDataSource pool() {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl("jdbc:h2:mem:fuzz;DB_CLOSE_DELAY=-1");
        pool.setMaximumPoolSize(3);
        try (Connection connection = pool.getConnection();
                InputStream schema = Objects.requireNonNull(JpaKeyStore.class.getResourceAsStream("schema/h2.sql"))) {
            ask(connection, new String(schema.readAllBytes(), StandardCharsets.UTF_8));
        } catch (SQLException | IOException e) {
            throw new IllegalStateException("the table can't be made", e);
        }
        return pool;
    }

    private static JpaKeyStore store() {
        HibernatePersistenceConfiguration configuration = new HibernatePersistenceConfiguration("fuzz");
        configuration.property("hibernate.connection.datasource", POOL);
        return new JpaKeyStore(configuration.createEntityManagerFactory());
    }
}
