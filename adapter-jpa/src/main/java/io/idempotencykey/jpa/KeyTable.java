package io.idempotencykey.jpa;

import io.idempotencykey.Backlog;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The table's statements. Each is one statement on a given connection; transactions are the caller's. */
final class KeyTable {
    static final String IDENTITY = "scope, key_value";
    static final String SAME_KEY = "scope = ? and key_value = ?";
    static final String SAME_REVISION = SAME_KEY + " and revision = ?";
    static final String EXPIRED = "state in ('failed', 'finished') and due_at <= ?";

    private static final String CREATION = "creation_id, operation, request_method, request_path, request_parameters,"
            + " request_complete, fingerprint, created_at";
    private static final String CHANGING = "updated_at, attempts, failed_attempts, last_error, state, recovery_point,"
            + " locked_at, finished_at, due_at, response_status, response_headers, response_body, quarantined_at,"
            + " quarantine_reason, revision";
    static final String ALL = IDENTITY + ", " + CREATION + ", " + CHANGING;

    /** The SQL standard's state for rows that aren't there. */
    static final String NO_ROW = "02000";

    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private final Dialect dialect;
    private final String table;
    private final PerState<String> insert;
    private final PerState<String> insertOrFind;
    private final PerState<String> insertBlindly;
    private final PerState<String> insertAndCommit;
    private final PerState<String> replace;
    private final PerState<Dialect.LastWrite> change;
    private final PerState<Dialect.LastWrite> insertLast;
    private final PerState<Dialect.LastWrite> replaceLast;
    private final String find;
    private final String deleteExpired;

    KeyTable(Dialect dialect, String table) {
        this.dialect = dialect;
        this.table = table;
        this.find = "select " + ALL + " from " + table + " where " + SAME_KEY;
        this.insert = PerState.of(state -> dialect.insert(table, ALL, values(state)));
        // A key that was inserted isn't read.
        this.insertOrFind = PerState.of(state -> dialect.insertsOrFinds()
                ? dialect.insertOrFind(dialect.insert(table, ALL, values(state)), find + " and revision <> ?")
                : "");
        this.insertBlindly = PerState.of(state ->
                dialect.insertWaiting("insert into " + table + " (" + ALL + ") values (" + values(state) + ")"));
        this.insertAndCommit =
                PerState.of(state -> dialect.locksKeys() ? dialect.insertAndCommit(table, ALL, values(state)) : "");
        this.replace = PerState.of(state -> dialect.replace(table, assignments(CREATION + ", " + CHANGING, state)));
        this.change = PerState.of(state -> new Dialect.LastWrite(table, "", assignments(CHANGING, state)));
        this.insertLast = PerState.of(state -> new Dialect.LastWrite(table, ALL, values(state)));
        this.replaceLast =
                PerState.of(state -> new Dialect.LastWrite(table, "", assignments(CREATION + ", " + CHANGING, state)));
        this.deleteExpired = dialect.deleteExpired(table);
    }

    private String assignments(String columns, PerState.Columns state) {
        return Arrays.stream(columns.split(", "))
                .map(column -> column + " = " + state.value(column, parameter(column)))
                .collect(Collectors.joining(", "));
    }

    private String values(PerState.Columns state) {
        return Arrays.stream(ALL.split(", "))
                .map(column -> state.value(column, parameter(column)))
                .collect(Collectors.joining(", "));
    }

    private String parameter(String column) {
        if (column.equals("request_parameters") || column.equals("response_headers")) {
            return dialect.jsonParameter();
        }
        return column.endsWith("_at") ? dialect.instantParameter() : "?";
    }

    String name() {
        return table;
    }

    Instant time(Statements statements) throws SQLException {
        try (PreparedStatement statement = statements.prepare(dialect.time());
                ResultSet result = statements.query(statement)) {
            if (!result.next()) {
                throw new SQLException("the database returned no time");
            }
            return required(dialect.instant(result, 1), "time");
        }
    }

    Optional<StoredKey> find(Statements statements, KeyId id) throws SQLException {
        try (PreparedStatement statement = statements.prepare(find)) {
            new KeyRow(dialect, statement, false).identity(id);
            try (ResultSet result = statements.query(statement)) {
                return result.next() ? Optional.of(KeyRow.read(dialect, result)) : Optional.empty();
            }
        }
    }

    /**
     * Inserts whatever is there, which a primary key refuses. Waits for a transaction that has done so, too.
     *
     * @param isBounded whether the transaction's waits are bounded by a second already
     */
    void insertBlindly(Statements statements, StoredKey key, boolean isEscaped, boolean isBounded) throws SQLException {
        try (PreparedStatement statement =
                statements.prepare(text(insertBlindly, key.key().progress()))) {
            KeyRow row = new KeyRow(dialect, statement, isEscaped);
            row.key(key);
            if (isBounded) {
                int unused = statements.update(statement);
            } else {
                dialect.insertWaiting(statements, statement);
            }
        }
    }

    /** What was found at the beginning of a single stage's transaction. */
    record Opening(@Nullable StoredKey found, boolean isLocked) {}

    /** Reads a key, begins a stage's transaction, and tries to lock the key in it, all in one round trip. */
    Opening open(Connection connection, Dialect.Stage stage, KeyId id) throws SQLException {
        // Outside a transaction this sends nothing. The statements begin and end transactions by themselves.
        connection.setAutoCommit(true);
        try (PreparedStatement statement = connection.prepareStatement(dialect.opening(find, stage))) {
            KeyRow row = new KeyRow(dialect, statement, false);
            row.identity(id);
            row.lock(lockOf(id));
            boolean unused = statement.execute();
            StoredKey found;
            try (ResultSet result = nextRows(statement)) {
                found = result.next() ? KeyRow.read(dialect, result) : null;
            }
            try (ResultSet result = nextRows(statement)) {
                if (!result.next()) {
                    throw new SQLException("the driver gave no row of the statement that locks the key", NO_ROW);
                }
                return new Opening(found, dialect.isOpened(result));
            }
        }
    }

    /** The result at hand if it has rows, or else the next one that has. */
    private static ResultSet rows(PreparedStatement statement) throws SQLException {
        ResultSet result = statement.getResultSet();
        return result == null ? nextRows(statement) : result;
    }

    private static ResultSet nextRows(PreparedStatement statement) throws SQLException {
        while (!statement.getMoreResults()) {
            if (statement.getUpdateCount() < 0) {
                throw new SQLException("the statements gave no rows");
            }
        }
        return statement.getResultSet();
    }

    /** Tries to lock a key until the end of the transaction. */
    boolean lock(Statements statements, KeyId id) throws SQLException {
        try (PreparedStatement statement = statements.prepare(dialect.lock())) {
            new KeyRow(dialect, statement, false).lock(lockOf(id));
            try (ResultSet result = statements.query(statement)) {
                return result.next() && result.getBoolean(1);
            }
        }
    }

    /** 64 bits of a digest. If two keys have the same, one is taken to be held while the other is. */
    private long lockOf(KeyId id) {
        try {
            byte[] text = (table + "\n" + id.scope() + "\n" + id.value()).getBytes(StandardCharsets.UTF_8);
            return ByteBuffer.wrap(MessageDigest.getInstance("SHA-256").digest(text))
                    .getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    /**
     * Takes a key by inserting its row, or by replacing one that has expired, and waits at most a second.
     *
     * @param replaced the revision of the one that has expired, if there is one
     * @param isEscaped whether JSON and messages are written in ASCII
     */
    StageKey.Taking take(
            Statements statements, Dialect.Stage stage, StoredKey taken, @Nullable Revision replaced, boolean isEscaped)
            throws SQLException {
        try {
            if (replaced != null) {
                return replace(statements, replaced, taken, isEscaped) ? StageKey.Taking.TAKEN : StageKey.Taking.STORED;
            }
            insertBlindly(statements, taken, isEscaped, dialect.givesBriefWaits(stage));
            return StageKey.Taking.TAKEN;
        } catch (SQLException e) {
            return switch (dialect.failure(e)) {
                case DUPLICATE -> StageKey.Taking.STORED;
                case LOCKED -> StageKey.Taking.HELD;
                case HEURISTIC, CONFLICT, READ_ONLY, REFUSED, NUMBERED, LOST, UNCLEAR, NONE -> throw e;
            };
        }
    }

    /**
     * Inserts a key unless it exists.
     *
     * @param isEscaped whether JSON and messages are written in ASCII
     */
    boolean insert(Statements statements, StoredKey key, boolean isEscaped) throws SQLException {
        try (PreparedStatement statement =
                statements.prepare(text(insert, key.key().progress()))) {
            KeyRow unused = insertOf(key, statement, isEscaped);
            return dialect.update(statements, statement, Dialect.BRIEF_MILLIS) == 1;
        } catch (SQLException e) {
            // Where the statement checks by itself whether the key exists, it doesn't see a concurrent insert.
            if (dialect.failure(e) == Failure.DUPLICATE) {
                return false;
            }
            throw e;
        }
    }

    private KeyRow insertOf(StoredKey key, PreparedStatement statement, boolean isEscaped) throws SQLException {
        KeyRow row = new KeyRow(dialect, statement, isEscaped);
        row.key(key);
        if (dialect.insertsByIdentity()) {
            row.identity(key.id());
        }
        return row;
    }

    /**
     * Inserts a key unless it exists, and reads the one that does, in one round trip; empty if that is gone by then.
     *
     * @param isEscaped whether JSON and messages are written in ASCII
     */
    Optional<StoredKey> insertOrFind(Statements statements, StoredKey key, boolean isEscaped) throws SQLException {
        try (PreparedStatement statement =
                statements.prepare(text(insertOrFind, key.key().progress()))) {
            KeyRow row = insertOf(key, statement, isEscaped);
            row.identity(key.id());
            row.uuid(key.revision().value());
            if (statements.first(statement) == 1) {
                return Optional.of(key);
            }
            try (ResultSet result = rows(statement)) {
                if (result.next()) {
                    return Optional.of(KeyRow.read(dialect, result));
                }
            }
        }
        // Another key was in the way and is gone, or an earlier try has inserted this one.
        return find(statements, key.id());
    }

    /**
     * Replaces a key if it has the expected revision.
     *
     * @param isEscaped whether JSON and messages are written in ASCII
     */
    boolean replace(Statements statements, Revision expected, StoredKey next, boolean isEscaped) throws SQLException {
        try (PreparedStatement statement =
                statements.prepare(text(replace, next.key().progress()))) {
            KeyRow row = new KeyRow(dialect, statement, isEscaped);
            row.creation(next.key().creation());
            bind(row, next.id(), expected, next.progress());
            return dialect.update(statements, statement, Dialect.BRIEF_MILLIS) == 1;
        }
    }

    /**
     * Replaces the columns that can change within one creation of the key, as a stage's last write.
     *
     * @param commits whether the statement also commits if the key has the expected revision
     */
    Dialect.Fence fence(
            Statements statements,
            Dialect.Stage stage,
            KeyId id,
            Revision expected,
            StoredProgress next,
            boolean commits)
            throws SQLException {
        Statements last = dialect.last(statements, stage);
        try (PreparedStatement statement = last.prepare(dialect.fence(text(change, next.progress()), stage, commits))) {
            bind(new KeyRow(dialect, statement, false), id, expected, next);
            return dialect.fence(last, statement, stage);
        }
    }

    /** Inserts a key and commits, as the last write of a transaction that {@link #open} began and found no row in. */
    Dialect.Fence insertAndCommit(Statements statements, StoredKey next) throws SQLException {
        try (PreparedStatement statement =
                statements.prepare(text(insertAndCommit, next.key().progress()))) {
            KeyRow row = new KeyRow(dialect, statement, dialect.escapes());
            row.key(next);
            return dialect.insertAndCommit(statement) ? Dialect.Fence.MATCHED : Dialect.Fence.DROPPED;
        }
    }

    /**
     * Inserts a key, or replaces one that has expired, as a single stage's last write, where the key is locked. An
     * insert is done so only where {@link #open} hasn't begun the transaction.
     *
     * @param replaced the revision of the one that has expired, if there is one
     * @param commits whether the statement also commits if it has written
     */
    Dialect.Fence fence(
            Statements statements, Dialect.Stage stage, StoredKey next, @Nullable Revision replaced, boolean commits)
            throws SQLException {
        Statements last = dialect.last(statements, stage);
        PerState<Dialect.LastWrite> writes = replaced == null ? insertLast : replaceLast;
        String sql = dialect.fence(text(writes, next.key().progress()), stage, commits);
        try (PreparedStatement statement = last.prepare(sql)) {
            KeyRow row = new KeyRow(dialect, statement, dialect.escapes());
            if (replaced == null) {
                row.key(next);
            } else {
                row.creation(next.key().creation());
                bind(row, next.id(), replaced, next.progress());
            }
            return dialect.fence(last, statement, stage);
        }
    }

    private static <T> T text(PerState<T> texts, KeyProgress written) {
        return written.state().accept(texts);
    }

    private void bind(KeyRow row, KeyId id, Revision expected, StoredProgress next) throws SQLException {
        row.changing(next);
        row.identity(id);
        row.uuid(expected.value());
        if (dialect.replacesByIdentityAgain()) {
            row.identity(id);
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
            List<String> unreadable = new ArrayList<>();
            List<StoredKey> keys = findInNextScope(statements, operations, after, before, limit, unreadable);
            if (!keys.isEmpty() || unreadable.isEmpty()) {
                return keys;
            }
            // Otherwise the scopes behind one with only unreadable rows would never have their turn.
            after = unreadable.get(0);
        }
    }

    private List<StoredKey> findInNextScope(
            Statements statements,
            Map<String, Set<RecoveryPoint>> operations,
            @Nullable String afterScope,
            Instant before,
            int limit,
            List<String> unreadableScopes)
            throws SQLException {
        String unfinished = "state in ('open', 'locked') and due_at < ?"
                + operations.values().stream()
                        .map(points -> "operation = ? and recovery_point in ("
                                + points.stream().map(point -> "?").collect(Collectors.joining(", ")) + ")")
                        .collect(Collectors.collectingAndThen(
                                Collectors.joining(" or "), any -> any.isEmpty() ? "" : " and (" + any + ")"));
        String from = " from " + dialect.byState(table) + " where ";
        String sql = "select " + ALL + from + unfinished + " and scope = (select min(scope)" + from + unfinished
                + (afterScope == null ? "" : " and scope > ?") + ") order by due_at, key_value limit ?";
        try (PreparedStatement statement = statements.prepare(sql)) {
            KeyRow row = new KeyRow(dialect, statement, false);
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

    List<StoredKey> findUnfinished(
            Statements statements, @Nullable String scope, @Nullable KeyId after, Instant since, int limit)
            throws SQLException {
        String behind = behind("due_at", scope, after);
        return page(statements, limit, most -> unfinished(ALL, behind, most), row -> {
            behind(row, scope, after, since);
            behind(row, scope, after, since);
        });
    }

    List<StoredKey> findQuarantined(
            Statements statements, @Nullable String scope, @Nullable KeyId after, Instant since, int limit)
            throws SQLException {
        String behind = behind("quarantined_at", scope, after);
        return page(
                statements,
                limit,
                most -> oldest(ALL, "quarantined", "quarantined_at", behind, most),
                row -> behind(row, scope, after, since));
    }

    /** Each of the two states by itself, since an index has the rows of one in their order, but not those of both. */
    private String unfinished(String columns, String more, int limit) {
        return "(" + oldest(columns, "open", "due_at", more, limit) + ") union all ("
                + oldest(columns, "locked", "due_at", more, limit) + ") order by due_at, " + IDENTITY + " limit "
                + limit;
    }

    /**
     * The keys of a state, the oldest first. The order has the state in it, because H2 then sees that it is the
     * index's. The limit is no parameter, because H2 would answer a union in a subquery as it did with the limit
     * before.
     */
    private String oldest(String columns, String state, String instant, String more, int limit) {
        return "select " + columns + " from " + dialect.byState(table) + " where state = '" + state + "'" + more
                + " order by state, " + instant + ", " + IDENTITY + " limit " + limit;
    }

    private static String behind(String instant, @Nullable String scope, @Nullable KeyId after) {
        return (scope == null ? "" : " and scope = ?")
                // The first condition excludes nothing more, but every database can use an index for it.
                + (after == null
                        ? ""
                        : " and " + instant + " >= ? and (" + instant + ", " + IDENTITY + ") > (?, ?, ?)");
    }

    private static void behind(KeyRow row, @Nullable String scope, @Nullable KeyId after, Instant since)
            throws SQLException {
        if (scope != null) {
            row.text(scope);
        }
        if (after != null) {
            row.instant(since);
            row.instant(since);
            row.identity(after);
        }
    }

    /** Binds a statement's parameters. */
    private interface Binding {
        void bind(KeyRow row) throws SQLException;
    }

    /** Asks for more rows if none of a page can be read, since an empty page would count as the last one. */
    private List<StoredKey> page(Statements statements, int limit, IntFunction<String> sql, Binding binding)
            throws SQLException {
        for (int most = limit; ; most *= 2) {
            List<String> unreadable = new ArrayList<>();
            try (PreparedStatement statement = statements.prepare(sql.apply(most))) {
                binding.bind(new KeyRow(dialect, statement, false));
                List<StoredKey> keys = readable(statements, statement, unreadable);
                if (!keys.isEmpty() || unreadable.size() < most) {
                    return keys.subList(0, Math.min(limit, keys.size()));
                }
            }
        }
    }

    Backlog backlog(Statements statements, Instant before) throws SQLException {
        String sql = "select waiting.number, waiting.since, aside.number from"
                + " (select count(*) as number, min(due_at) as since from " + dialect.byState(table)
                + " where state in ('open', 'locked') and due_at < ?) waiting,"
                + " (select count(*) as number from " + table + " where state = 'quarantined') aside";
        try (PreparedStatement statement = statements.prepare(sql)) {
            new KeyRow(dialect, statement, false).instant(before);
            try (ResultSet result = statements.query(statement)) {
                result.next();
                return new Backlog(
                        before, result.getLong(1), Optional.ofNullable(dialect.instant(result, 2)), result.getLong(3));
            }
        }
    }

    List<Backlog.OfOperation> countByOperation(Statements statements, Instant before, int most) throws SQLException {
        List<Backlog.OfOperation> counted = new ArrayList<>();
        count(
                statements,
                "due_at",
                unfinished("operation, due_at, " + IDENTITY, " and due_at < ?", most),
                row -> {
                    row.instant(before);
                    row.instant(before);
                },
                (operation, number, since) ->
                        counted.add(new Backlog.OfOperation(operation, number, since, 0, Optional.empty())));
        count(
                statements,
                "quarantined_at",
                oldest("operation, quarantined_at", "quarantined", "quarantined_at", "", most),
                row -> {},
                (operation, number, since) ->
                        counted.add(new Backlog.OfOperation(operation, 0, Optional.empty(), number, since)));
        return counted;
    }

    /** Takes how many keys of an operation were counted, and since when the first of them has waited. */
    private interface Counted {
        void take(String operation, long number, Optional<Instant> since);
    }

    private void count(Statements statements, String instant, String keys, Binding binding, Counted counted)
            throws SQLException {
        String sql = "select operation, count(*), min(" + instant + ") from (" + keys + ") counted group by operation";
        try (PreparedStatement statement = statements.prepare(sql)) {
            binding.bind(new KeyRow(dialect, statement, false));
            try (ResultSet result = statements.query(statement)) {
                while (result.next()) {
                    counted.take(
                            required(result.getString(1), "operation"),
                            result.getLong(2),
                            Optional.ofNullable(dialect.instant(result, 3)));
                }
            }
        }
    }

    int deleteExpired(Statements statements, Instant at, int limit) throws SQLException {
        try (PreparedStatement statement = statements.prepare(deleteExpired)) {
            KeyRow row = new KeyRow(dialect, statement, false);
            row.instant(at);
            row.integer(limit);
            if (dialect.deletesByInstantAgain()) {
                row.instant(at);
            }
            return dialect.update(statements, statement, Dialect.PATIENT_MILLIS);
        }
    }

    /** Leaves out a row that isn't a key, for instance because it was edited by hand, so that the others don't wait. */
    private List<StoredKey> readable(Statements statements, PreparedStatement statement, List<String> unreadableScopes)
            throws SQLException {
        List<StoredKey> keys = new ArrayList<>();
        try (ResultSet result = statements.query(statement)) {
            while (result.next()) {
                try {
                    keys.add(KeyRow.read(dialect, result));
                } catch (StoreFailure e) {
                    String scope = KeyRow.text(result, "scope");
                    String value = KeyRow.text(result, "key_value");
                    unreadableScopes.add(scope);
                    String what = "the key '" + scope + "/" + value.substring(0, Math.min(value.length(), 8))
                            + "…' can't be read, and is left out: " + e.getCause();
                    // Whoever edited it may have put in anything, and is not to write lines of a log.
                    LOGGER.log(Level.WARNING, what.replaceAll("\\p{Cntrl}", "?"));
                }
            }
        }
        return keys;
    }

    static <V> V required(@Nullable V value, String column) {
        if (value == null) {
            throw new IllegalStateException("the stored key has no " + column);
        }
        return value;
    }
}
