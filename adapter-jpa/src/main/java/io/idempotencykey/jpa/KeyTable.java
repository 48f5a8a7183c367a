package io.idempotencykey.jpa;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The table's statements. Each is one statement on a given connection; transactions are the caller's.
 *
 * <p>A write that waits for another transaction's row gives up after 900 ms; on MariaDB after one second, because it
 * counts whole seconds. The bound is part of the statement's text where the database allows that.
 */
final class KeyTable {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private static final String IDENTITY = "scope, key_value";
    private static final String CREATION = "creation_id, operation, request_method, request_path, request_parameters,"
            + " request_complete, fingerprint, created_at";
    private static final String CHANGING = "updated_at, attempts, failed_attempts, last_error, state, recovery_point,"
            + " locked_at, due_at, finished_at, response_status, response_headers, response_body, quarantined_at,"
            + " quarantine_reason, revision";
    private static final String ALL = IDENTITY + ", " + CREATION + ", " + CHANGING;
    private static final String THIS_REVISION = " scope = ? and key_value = ? and revision = ?";

    /** PostgreSQL's error for {@code width_bucket} with no buckets; hardly any trigger of an application raises it. */
    private static final String NO_BUCKETS = "2201G";

    private static final int LOCK_MILLIS = 900;

    private final Database database;
    private final String table;
    private final String insert;
    private final String replace;
    private final String advance;
    private final String advanceAndCommit;
    private final String find;
    private final String deleteExpired;

    KeyTable(Database database, String table) {
        this.database = database;
        this.table = table;
        this.insert = insertSql();
        this.replace = updateSql(CREATION + ", " + CHANGING);
        this.advance = updateSql(CHANGING);
        // It fails if no row matches, and then nothing is committed.
        this.advanceAndCommit = "with fenced as (" + advance
                + " returning 1) select width_bucket(0, 0, 1, count(*)::int) from fenced; commit";
        this.find = "select " + ALL + " from " + table + " where scope = ? and key_value = ?";
        String expired = "state in ('failed', 'finished') and due_at <= ?";
        this.deleteExpired = switch (database) {
            case POSTGRESQL ->
                "delete from " + table + " where ctid = any (array(select ctid from " + table + " where " + expired
                        + " order by due_at limit ? for update skip locked))";
            // The order is that of the index; otherwise MariaDB would sort all expired rows.
            case MARIADB ->
                waiting() + "delete from " + table + " where " + expired + " order by state, due_at limit ?";
            case H2 -> "delete from " + table + " where " + expired + " fetch first ? rows only";
        };
    }

    private String insertSql() {
        String values = parameters(ALL);
        return switch (database) {
            case POSTGRESQL ->
                "insert into " + table + " (" + ALL + ") select " + values + " where " + waiting() + " on conflict ("
                        + IDENTITY + ") do nothing";
            // "insert ignore" would also swallow errors about values that don't fit.
            case MARIADB ->
                waiting() + "insert into " + table + " (" + ALL + ") select " + values
                        + " from dual where not exists (select 1 from " + table
                        + " where scope = ? and key_value = ?)";
            case H2 ->
                "merge into " + table
                        + " using (values (1)) on scope = ? and key_value = ? when not matched then insert (" + ALL
                        + ") values (" + values + ")";
        };
    }

    private String updateSql(String columns) {
        String assignments = Arrays.stream(columns.split(", "))
                .map(column -> column + " = " + parameter(column))
                .collect(Collectors.joining(", "));
        return switch (database) {
            case POSTGRESQL ->
                "update " + table + " set " + assignments + " where " + waiting() + " and" + THIS_REVISION;
            case MARIADB -> waiting() + "update " + table + " set " + assignments + " where" + THIS_REVISION;
            case H2 -> "update " + table + " set " + assignments + " where" + THIS_REVISION;
        };
    }

    /** The bound on a wait for a row, as part of a statement's text. It ends with the statement or its transaction. */
    private String waiting() {
        return switch (database) {
            case POSTGRESQL -> "(select set_config('lock_timeout', '" + LOCK_MILLIS + "ms', true)) is not null";
            case MARIADB -> "set statement innodb_lock_wait_timeout = 1 for ";
            case H2 -> "";
        };
    }

    private String parameters(String columns) {
        return Arrays.stream(columns.split(", ")).map(this::parameter).collect(Collectors.joining(", "));
    }

    private String parameter(String column) {
        boolean json = column.equals("request_parameters") || column.equals("response_headers");
        return switch (database) {
            case POSTGRESQL -> json ? "cast(? as json)" : "?";
            case MARIADB -> "?";
            case H2 -> json ? "? format json" : "?";
        };
    }

    Instant time(Statements statements) throws SQLException {
        String sql = switch (database) {
            case POSTGRESQL -> "select clock_timestamp()";
            case MARIADB -> "select utc_timestamp(6)";
            case H2 -> "select current_timestamp(9)";
        };
        try (PreparedStatement statement = statements.prepare(sql);
                ResultSet result = statements.query(statement)) {
            if (!result.next()) {
                throw new SQLException("the database returned no time");
            }
            return required(instant(result, 1), "time");
        }
    }

    Optional<StoredKey> find(Statements statements, KeyId id) throws SQLException {
        try (PreparedStatement statement = statements.prepare(find)) {
            statement.setString(1, id.scope());
            statement.setString(2, id.value());
            return read(statements, statement).stream().findFirst();
        }
    }

    boolean insert(Statements statements, StoredKey key) throws SQLException {
        try (PreparedStatement statement = statements.prepare(insert)) {
            Row row = new Row(statement);
            if (database == Database.H2) {
                row.identity(key.id());
            }
            row.identity(key.id());
            row.creation(key.key().creation());
            row.changing(key.progress());
            if (database == Database.MARIADB) {
                row.identity(key.id());
            }
            return bounded(statements, statement) == 1;
        } catch (SQLException e) {
            // On MariaDB and H2 the statement's own check doesn't see a concurrent insert.
            if (Failure.of(e) == Failure.DUPLICATE) {
                return false;
            }
            throw e;
        }
    }

    boolean replace(Statements statements, Revision expected, StoredKey next) throws SQLException {
        return update(statements, replace, next.key().creation(), next.id(), expected, next.progress());
    }

    /** Replaces the columns that can change within one creation of the key. */
    boolean advance(Statements statements, KeyId id, Revision expected, StoredProgress next) throws SQLException {
        return update(statements, advance, null, id, expected, next);
    }

    /**
     * Replaces the columns that can change, and commits, in one round trip. Only PostgreSQL can do this.
     *
     * @return {@code false} if the key has another revision; the caller then has to roll the transaction back
     */
    boolean advanceAndCommit(Connection connection, KeyId id, Revision expected, StoredProgress next)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(advanceAndCommit)) {
            Row row = new Row(statement);
            row.changing(next);
            row.identity(id);
            row.uuid(expected.value());
            statement.execute();
            return true;
        } catch (SQLException e) {
            if (NO_BUCKETS.equals(e.getSQLState())) {
                return false;
            }
            throw e;
        }
    }

    private boolean update(
            Statements statements,
            String sql,
            @Nullable KeyCreation creation,
            KeyId id,
            Revision expected,
            StoredProgress next)
            throws SQLException {
        try (PreparedStatement statement = statements.prepare(sql)) {
            Row row = new Row(statement);
            if (creation != null) {
                row.creation(creation);
            }
            row.changing(next);
            row.identity(id);
            row.uuid(expected.value());
            return bounded(statements, statement) == 1;
        }
    }

    List<StoredKey> findResumable(
            Statements statements,
            Map<String, Set<RecoveryPoint>> operations,
            @Nullable String afterScope,
            Instant before,
            int limit)
            throws SQLException {
        String after = afterScope;
        while (true) {
            Set<String> unreadable = new HashSet<>();
            List<StoredKey> keys = findInNextScope(statements, operations, after, before, limit, unreadable);
            if (!keys.isEmpty() || unreadable.isEmpty()) {
                return keys;
            }
            // Otherwise the scopes behind one with only unreadable rows would never have their turn.
            after = unreadable.iterator().next();
        }
    }

    private List<StoredKey> findInNextScope(
            Statements statements,
            Map<String, Set<RecoveryPoint>> operations,
            @Nullable String afterScope,
            Instant before,
            int limit,
            Set<String> unreadableScopes)
            throws SQLException {
        String unfinished = "state in ('open', 'locked') and due_at < ?"
                + operations.values().stream()
                        .map(points -> "operation = ? and recovery_point in ("
                                + points.stream().map(point -> "?").collect(Collectors.joining(", ")) + ")")
                        .collect(Collectors.collectingAndThen(
                                Collectors.joining(" or "), any -> any.isEmpty() ? "" : " and (" + any + ")"));
        // MariaDB would otherwise use the primary key, and read all keys of the scope, the finished ones too.
        String from = " from " + table + (database == Database.MARIADB ? " ignore index (primary)" : "") + " where ";
        String sql = "select " + ALL + from + unfinished + " and scope = (select min(scope)" + from + unfinished
                + (afterScope == null ? "" : " and scope > ?") + ") order by due_at, key_value limit ?";
        try (PreparedStatement statement = statements.prepare(sql)) {
            Row row = new Row(statement);
            for (int part = 0; part < 2; part++) {
                row.instant(before);
                for (Map.Entry<String, Set<RecoveryPoint>> operation : operations.entrySet()) {
                    row.text(operation.getKey());
                    for (RecoveryPoint point : operation.getValue()) {
                        row.text(point.name());
                    }
                }
            }
            if (afterScope != null) {
                row.text(afterScope);
            }
            row.integer(limit);
            return readable(statements, statement, unreadableScopes);
        }
    }

    List<StoredKey> findQuarantined(Statements statements, @Nullable KeyId after, int limit) throws SQLException {
        String sql = "select " + ALL + " from " + table + " where state = 'quarantined'"
                // The first condition excludes nothing more, but every database can use an index for it.
                + (after == null ? "" : " and scope >= ? and (scope, key_value) > (?, ?)")
                + " order by scope, key_value limit ?";
        try (PreparedStatement statement = statements.prepare(sql)) {
            Row row = new Row(statement);
            if (after != null) {
                row.text(after.scope());
                row.identity(after);
            }
            row.integer(limit);
            return readable(statements, statement, new HashSet<>());
        }
    }

    int deleteExpired(Statements statements, Instant at, int limit) throws SQLException {
        try (PreparedStatement statement = statements.prepare(deleteExpired)) {
            Row row = new Row(statement);
            row.instant(at);
            row.integer(limit);
            return bounded(statements, statement);
        }
    }

    /** Executes a write. On H2 the bound on waiting is a setting of the session, and is restored afterwards. */
    private int bounded(Statements statements, PreparedStatement statement) throws SQLException {
        if (database != Database.H2) {
            return statements.update(statement);
        }
        try (java.sql.Statement setting = statements.connection().createStatement()) {
            int before;
            try (ResultSet result = setting.executeQuery("call lock_timeout()")) {
                before = result.next() ? result.getInt(1) : LOCK_MILLIS;
            }
            setting.execute("set lock_timeout " + LOCK_MILLIS);
            try {
                return statements.update(statement);
            } finally {
                setting.execute("set lock_timeout " + before);
            }
        }
    }

    private List<StoredKey> read(Statements statements, PreparedStatement statement) throws SQLException {
        List<StoredKey> keys = new ArrayList<>();
        try (ResultSet result = statements.query(statement)) {
            while (result.next()) {
                keys.add(key(result));
            }
        }
        return keys;
    }

    /** Leaves out a row that isn't a key, for instance because it was edited by hand, so that the others don't wait. */
    private List<StoredKey> readable(Statements statements, PreparedStatement statement, Set<String> unreadableScopes)
            throws SQLException {
        List<StoredKey> keys = new ArrayList<>();
        try (ResultSet result = statements.query(statement)) {
            while (result.next()) {
                try {
                    keys.add(key(result));
                } catch (RuntimeException e) {
                    String scope = text(result, "scope");
                    unreadableScopes.add(scope);
                    LOGGER.log(
                            Level.WARNING,
                            "a key of scope ''{0}'' can''t be read, and is left out: {1}",
                            scope,
                            e.getClass().getName());
                }
            }
        }
        return keys;
    }

    private StoredKey key(ResultSet result) throws SQLException {
        KeyCreation creation = new KeyCreation(
                new KeyId(text(result, "scope"), text(result, "key_value")),
                uuid(result, "creation_id"),
                text(result, "operation"),
                Request.restored(
                        text(result, "request_method"),
                        text(result, "request_path"),
                        text(result, "request_parameters"),
                        result.getBoolean("request_complete")),
                new Fingerprint(text(result, "fingerprint")),
                required(instant(result, "created_at"), "created_at"));
        KeyProgress progress = new KeyProgress(
                state(result),
                result.getLong("attempts"),
                result.getInt("failed_attempts"),
                text(result, "last_error"),
                required(instant(result, "updated_at"), "updated_at"));
        return new StoredKey(new IdempotencyKey(creation, progress), new Revision(uuid(result, "revision")));
    }

    private KeyState state(ResultSet result) throws SQLException {
        RecoveryPoint at = new RecoveryPoint(text(result, "recovery_point"));
        String state = text(result, "state");
        return switch (state) {
            case "open" -> new KeyState.Open(at, instant(result, "due_at"));
            case "locked" -> new KeyState.Locked(at, instant(result, "locked_at"), instant(result, "due_at"));
            case "failed" -> new KeyState.Failed(instant(result, "due_at"));
            case "finished" ->
                new KeyState.Finished(
                        Response.restored(
                                result.getInt("response_status"),
                                text(result, "response_headers"),
                                required(result.getBytes("response_body"), "response_body")),
                        instant(result, "finished_at"),
                        instant(result, "due_at"));
            case "quarantined" ->
                new KeyState.Quarantined(at, instant(result, "quarantined_at"), text(result, "quarantine_reason"));
            default -> throw new IllegalStateException("the stored state is '" + state + "'");
        };
    }

    private static String text(ResultSet result, String column) throws SQLException {
        return required(result.getString(column), column);
    }

    private UUID uuid(ResultSet result, String column) throws SQLException {
        if (database == Database.MARIADB) {
            ByteBuffer bytes = ByteBuffer.wrap(required(result.getBytes(column), column));
            return new UUID(bytes.getLong(), bytes.getLong());
        }
        return UUID.fromString(text(result, column));
    }

    private Instant instant(ResultSet result, String column) throws SQLException {
        return required(instant(result, result.findColumn(column)), column);
    }

    private @Nullable Instant instant(ResultSet result, int column) throws SQLException {
        if (database == Database.MARIADB) {
            LocalDateTime time = result.getObject(column, LocalDateTime.class);
            return time == null ? null : time.toInstant(ZoneOffset.UTC);
        }
        OffsetDateTime time = result.getObject(column, OffsetDateTime.class);
        return time == null ? null : time.toInstant();
    }

    private static <V> V required(@Nullable V value, String column) {
        if (value == null) {
            throw new IllegalStateException("the stored key has no " + column);
        }
        return value;
    }

    /** Binds one parameter after the other. */
    private final class Row {
        private final PreparedStatement statement;
        private int index;

        Row(PreparedStatement statement) {
            this.statement = statement;
        }

        void identity(KeyId id) throws SQLException {
            text(id.scope());
            text(id.value());
        }

        void creation(KeyCreation key) throws SQLException {
            uuid(key.creationId());
            text(key.operation());
            text(key.request().method());
            text(key.request().path());
            text(key.request().parametersJson());
            statement.setBoolean(++index, key.request().isComplete());
            text(key.fingerprint().value());
            instant(key.createdAt());
        }

        void changing(StoredProgress stored) throws SQLException {
            KeyProgress progress = stored.progress();
            instant(progress.updatedAt());
            statement.setLong(++index, progress.attempts());
            integer(progress.failedAttempts());
            text(progress.lastError());
            text(progress.state().name());
            text(progress.state().recoveryPoint().name());
            state(progress.state().accept(StateColumns.OF));
            uuid(stored.revision().value());
        }

        private void state(StateColumns columns) throws SQLException {
            instant(columns.lockedAt);
            instant(columns.dueAt);
            instant(columns.finishedAt);
            if (columns.response == null) {
                statement.setNull(++index, Types.INTEGER);
                text(null);
                statement.setNull(++index, Types.VARBINARY);
            } else {
                integer(columns.response.status());
                text(columns.response.headersJson());
                statement.setBytes(++index, columns.response.body());
            }
            instant(columns.quarantined == null ? null : columns.quarantined.since());
            text(columns.quarantined == null ? null : columns.quarantined.reason());
        }

        void text(@Nullable String text) throws SQLException {
            statement.setString(++index, text);
        }

        void integer(int value) throws SQLException {
            statement.setInt(++index, value);
        }

        void uuid(UUID uuid) throws SQLException {
            if (database == Database.MARIADB) {
                statement.setBytes(
                        ++index,
                        ByteBuffer.allocate(16)
                                .putLong(uuid.getMostSignificantBits())
                                .putLong(uuid.getLeastSignificantBits())
                                .array());
            } else {
                statement.setObject(++index, uuid);
            }
        }

        void instant(@Nullable Instant instant) throws SQLException {
            if (instant == null) {
                switch (database) {
                    // Without the type's name the driver takes null for another type and parses the text anew.
                    case POSTGRESQL -> statement.setNull(++index, Types.TIMESTAMP_WITH_TIMEZONE, "timestamptz");
                    case MARIADB -> statement.setNull(++index, Types.TIMESTAMP);
                    case H2 -> statement.setNull(++index, Types.TIMESTAMP_WITH_TIMEZONE);
                }
            } else if (database == Database.MARIADB) {
                statement.setObject(++index, LocalDateTime.ofInstant(instant, ZoneOffset.UTC));
            } else {
                statement.setObject(++index, instant.atOffset(ZoneOffset.UTC));
            }
        }
    }

    /** A state as columns; those that the state doesn't have are null. */
    private record StateColumns(
            @Nullable Instant lockedAt,
            @Nullable Instant dueAt,
            @Nullable Instant finishedAt,
            @Nullable Response response,
            KeyState.@Nullable Quarantined quarantined) {
        static final KeyState.Visitor<StateColumns> OF = new KeyState.Visitor<>() {
            @Override
            public StateColumns open(KeyState.Open open) {
                return new StateColumns(null, open.resumableFrom(), null, null, null);
            }

            @Override
            public StateColumns locked(KeyState.Locked locked) {
                return new StateColumns(locked.lockedAt(), locked.leaseEnds(), null, null, null);
            }

            @Override
            public StateColumns failed(KeyState.Failed failed) {
                return new StateColumns(null, failed.expiresAt(), null, null, null);
            }

            @Override
            public StateColumns finished(KeyState.Finished finished) {
                return new StateColumns(null, finished.expiresAt(), finished.finishedAt(), finished.response(), null);
            }

            @Override
            public StateColumns quarantined(KeyState.Quarantined quarantined) {
                return new StateColumns(null, null, null, null, quarantined);
            }
        };
    }
}
