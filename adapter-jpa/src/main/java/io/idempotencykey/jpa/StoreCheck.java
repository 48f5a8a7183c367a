package io.idempotencykey.jpa;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.hibernate.Session;
import org.jspecify.annotations.Nullable;

/**
 * Tries, when a store is made, whether its table and its transactions do what the store promises. Nothing that is
 * written here stays.
 */
final class StoreCheck {
    private static final Duration LEASE = Duration.ofMinutes(1);
    private static final String INSTANTS = "created_at, updated_at, locked_at, due_at, finished_at, quarantined_at";
    private static final Instant AT = Instant.parse("2026-01-01T00:00:00.001Z");

    private final Dialect dialect;
    private final KeyTable table;

    /** A scope that no application has. */
    private final String shortScope = "idempotencykey-check-" + UUID.randomUUID();

    private final String scope = long255(shortScope);

    StoreCheck(Dialect dialect, KeyTable table) {
        this.dialect = dialect;
        this.table = table;
    }

    /** Writes keys that a wrong table would merge, change or keep, and rolls back. */
    void table(Connection connection) throws SQLException {
        boolean autoCommit = connection.getAutoCommit();
        connection.setAutoCommit(false);
        try {
            instants(connection);
            if (dialect.isEmptiedByCrash(connection, table.name())) {
                throw refused("is unlogged, so that a crash of the server empties it", null);
            }
            try {
                keys(connection, false);
            } catch (SQLException e) {
                if (!dialect.isUnrepresentable(e)) {
                    throw e;
                }
                connection.rollback();
                keys(connection, true);
            }
        } catch (SQLException e) {
            switch (dialect.failure(e)) {
                case DUPLICATE, REFUSED, NUMBERED -> throw refused("refuses a key: " + e.getMessage(), e);
                case HEURISTIC, CONFLICT, LOCKED, READ_ONLY, LOST, UNCLEAR, NONE -> throw e;
            }
        } finally {
            connection.rollback();
            connection.setAutoCommit(autoCommit);
        }
    }

    private void keys(Connection connection, boolean isEscaped) throws SQLException {
        Statements statements = new Statements(connection);
        StoredKey finished = key(long255("aBc"), finished());
        RecoveryPoint point = RecoveryPoint.named("p".repeat(100));
        KeyState quarantined = new KeyState.Quarantined(point, AT, "r".repeat(KeyState.Quarantined.MAX_REASON_LENGTH));
        KeyState failed = new KeyState.Failed(AT.plusSeconds(1));
        List<StoredKey> keys = List.of(
                finished,
                // Some types fill texts up with spaces.
                key(shortScope, "a", failed),
                // Some collations pass over case or punctuation, and some compare digits as numbers.
                key(long255("AbC"), new KeyState.Locked(point, AT, AT.plusSeconds(1))),
                key(scope.toUpperCase(Locale.ROOT), long255("aBc"), quarantined),
                key("a-1", new KeyState.Open(point, AT)),
                key("a1", failed),
                key("a01", failed),
                // An index may cover the beginning only.
                key(long255("aBc").substring(1) + "y", failed),
                key(long255("aBc").substring(1) + "z", failed));
        for (StoredKey key : keys) {
            if (!table.insert(statements, key, isEscaped)) {
                throw refused(
                        "takes different keys for the same, by a collation, its primary key or a unique index", null);
            }
        }
        for (StoredKey key : keys) {
            StoredKey next = new StoredKey(key.key(), new Revision(UUID.randomUUID()));
            if (!found(statements, key).equals(Optional.of(key))
                    || !table.replace(statements, key.revision(), next, isEscaped)
                    || !found(statements, next).equals(Optional.of(next))) {
                throw refused("doesn't give back what was written to it", null);
            }
        }
        if (!isKeptApart(statements, key(long255("aBc"), finished()), isEscaped)) {
            throw refused("has no primary key of scope and key_value", null);
        }
        connection.rollback();
        boolean isKept = table.find(statements, finished.id()).isPresent();
        connection.rollback();
        if (isKept) {
            Dialect.execute(
                    connection,
                    "delete from " + table.name() + " where upper(scope) like '" + shortScope.toUpperCase(Locale.ROOT)
                            + "%'");
            connection.commit();
            throw refused("keeps what was rolled back, so it has no transactions", null);
        }
    }

    /** Looks at the columns' types, because only connections of different time zones show a wrong one. */
    private void instants(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet none =
                        statement.executeQuery("select " + INSTANTS + " from " + table.name() + " where 1 = 0")) {
            ResultSetMetaData columns = none.getMetaData();
            for (int column = 1; column <= columns.getColumnCount(); column++) {
                String type = columns.getColumnTypeName(column);
                if (!type.equalsIgnoreCase(dialect.instantType())) {
                    throw refused(
                            "has the type '" + type + "' for " + columns.getColumnName(column) + "; allowed: "
                                    + dialect.instantType(),
                            null);
                }
            }
        }
    }

    /** A row that can't be read is another one than was written. */
    private Optional<StoredKey> found(Statements statements, StoredKey key) throws SQLException {
        try {
            return table.find(statements, key.id());
        } catch (RuntimeException e) {
            throw refused("doesn't give back what was written to it", e);
        }
    }

    /** Whether the database itself refuses a second row with the same identity. */
    private boolean isKeptApart(Statements statements, StoredKey key, boolean isEscaped) throws SQLException {
        try {
            table.insertBlindly(statements, key, isEscaped, false);
            return false;
        } catch (SQLException e) {
            if (dialect.failure(e) == Failure.DUPLICATE) {
                return true;
            }
            throw e;
        }
    }

    private IllegalArgumentException refused(String why, @Nullable Exception cause) {
        return new IllegalArgumentException(
                "the table '" + table.name() + "' " + why + "; make it by io/idempotencykey/jpa/schema/"
                        + dialect.schemaFile()
                        + " on the class path, or name another by JpaKeyStore.builder(factory).table",
                cause);
    }

    /**
     * Runs a stage of a key that doesn't exist in each isolation.
     *
     * @return what went wrong, by isolation; nothing for those that work
     */
    Map<Isolation, Throwable> transactions(Transactions transactions) {
        Map<Isolation, Throwable> failures = new EnumMap<>(Isolation.class);
        for (Isolation isolation : dialect.isolations()) {
            StoredKey absent = key("absent", finished());
            StageCommit end = emptyStages(absent, isolation, transactions);
            for (int more = 0; more < 2 && end.kind() == StageCommit.Kind.TRANSIENTLY_ROLLED_BACK; more++) {
                // The data source may have given a connection with other settings, which the dialect knows by now.
                end = emptyStages(absent, isolation, transactions);
            }
            if (end.kind() != StageCommit.Kind.FENCED_OFF) {
                failures.put(
                        isolation,
                        end.cause() == null
                                ? new IllegalStateException("a stage ended as " + end.kind())
                                : end.cause());
            }
        }
        return failures;
    }

    /** A stage of a key that would be held, and one that is thrown away after it has locked its key. */
    private StageCommit emptyStages(StoredKey absent, Isolation isolation, Transactions transactions) {
        StageCommit end = emptyStage(absent, isolation, transactions);
        if (end.kind() != StageCommit.Kind.FENCED_OFF || !dialect.locksKeys()) {
            return end;
        }
        IllegalStateException thrown = new IllegalStateException("the stage is over");
        StageKey key =
                new StageKey.Locked(table, absent, stored -> false, null, transactions instanceof Transactions.Local);
        StageCommit single = new StageAttempt(dialect, key, isolation, LEASE, entityManager -> {
                    throw thrown;
                })
                .in(transactions);
        return single.cause() == thrown ? end : single;
    }

    private StageCommit emptyStage(StoredKey absent, Isolation isolation, Transactions transactions) {
        return new StageAttempt(dialect, new StageKey.Held(table, absent), isolation, LEASE, entityManager -> {
                    // A text that no driver has prepared before.
                    entityManager
                            .unwrap(Session.class)
                            .doWork(connection -> Dialect.execute(connection, "select '" + UUID.randomUUID() + "'"));
                    return absent.progress();
                })
                .in(transactions);
    }

    private static KeyState finished() {
        Response response = Response.of(201, "application/octet-stream", "0123456789".repeat(10_000));
        return new KeyState.Finished(response, AT, AT.plusSeconds(1));
    }

    private StoredKey key(String value, KeyState state) {
        return key(scope, value, state);
    }

    /** A key whose texts are as long as can be, and that has what columns of other types refuse or change. */
    private static StoredKey key(String scope, String value, KeyState state) {
        boolean isFinished = state instanceof KeyState.Finished;
        Map<String, Object> parameters = Map.of(
                "b",
                "\0€😀",
                "aa",
                new BigDecimal("0.1000000000000000000000001"),
                "long",
                "v".repeat(isFinished ? 100_000 : 0));
        Request request = Request.of("M".repeat(32), "/" + "p".repeat(2_047), parameters);
        // Some databases have no empty texts.
        String operation = isFinished ? "" : "o".repeat(100);
        KeyCreation creation = new KeyCreation(
                new KeyId(scope, value), UUID.randomUUID(), operation, request, Fingerprint.of(operation, request), AT);
        return new StoredKey(
                new IdempotencyKey(
                        creation, new KeyProgress(state, 1, 0, operation.isEmpty() ? "" : "e".repeat(1_000), AT)),
                new Revision(UUID.randomUUID()));
    }

    private static String long255(String text) {
        return text + "x".repeat(255 - text.length());
    }
}
