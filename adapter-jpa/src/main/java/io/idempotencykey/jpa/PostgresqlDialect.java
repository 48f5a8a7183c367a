package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTransactionRollbackException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** PostgreSQL: settings go along with the first statement, and the fence with the commit. */
final class PostgresqlDialect extends Dialect {
    /** The error of {@code width_bucket} with no buckets; hardly any trigger of an application raises it. */
    private static final String NO_BUCKETS = "2201G";

    /** The error of a negative number's {@code sqrt}; as rare as the one above. */
    private static final String NO_ROOT = "2201F";

    private static final String NO_SAVEPOINT = "3B001";
    private static final String NO_TRANSACTION = "25P01";
    private static final String NOT_IN_TIME = "55P03";
    private static final String CANCELLED = "57014";

    /** How long a last write may wait for a row: the second that the port asks for. */
    private static final int LONGEST_PATIENCE_MILLIS = 1_000;

    private static final String IDLE_TIMEOUT = "idle_in_transaction_session_timeout";
    private static final String LOCK_TIMEOUT = "lock_timeout";

    /** {@code SET TRANSACTION} after another statement. */
    private static final String SET_TOO_LATE = "25001";

    /** What the data source's connections came with when the store was made, as the server spells it. */
    private final String isolation;

    private final String idleTimeout;
    private final String lockTimeout;
    private final long idleMillis;
    private final long lockMillis;

    /** Whether connections come with a bound that is also short enough for the last write, which then sets none. */
    private final boolean comesPatient;

    /** Whether the database's character set hasn't all characters. */
    private final boolean escapes;

    private record FenceText(
            LastWrite write, Isolation isolation, boolean comparesIdle, boolean comparesLock, boolean commits) {}

    private record OpeningText(
            String find, Isolation isolation, long seconds, boolean comparesIdle, boolean comparesLock) {}

    private final Statements.Around committed =
            new Statements.Around("begin isolation level read committed; ", "; commit", 1);
    private final Statements.Around released = new Statements.Around("release " + SAVEPOINT + "; ", "", 1);
    private final Map<FenceText, String> fences = new ConcurrentHashMap<>();
    private final Map<OpeningText, String> openings = new ConcurrentHashMap<>();

    /** Whether no connection has been seen that came with something else, as one behind a pooler may. */
    private volatile boolean isSteady = true;

    PostgresqlDialect(Connection connection) throws SQLException {
        this(read(
                connection,
                "select current_setting('transaction_isolation'),"
                        + " current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout'),"
                        + " (select setting from pg_settings where name = 'idle_in_transaction_session_timeout'),"
                        + " (select setting from pg_settings where name = 'lock_timeout'),"
                        + " current_setting('server_encoding')"));
    }

    PostgresqlDialect(List<String> settings) {
        this.isolation = settings.get(0);
        this.idleTimeout = settings.get(1);
        this.lockTimeout = settings.get(2);
        this.idleMillis = Long.parseLong(settings.get(3));
        this.lockMillis = Long.parseLong(settings.get(4));
        this.comesPatient = lockMillis > 0 && lockMillis <= LONGEST_PATIENCE_MILLIS;
        this.escapes = !settings.get(5).equals("UTF8");
    }

    @Override
    String schemaFile() {
        return "postgresql.sql";
    }

    private boolean isGiven(Isolation wanted) {
        return isSteady && isolation.equals(name(wanted));
    }

    /** Whether the data source's time-out is no longer than the lease. */
    private boolean isGiven(long millis, Stage stage) {
        return isSteady && millis > 0 && millis <= stage.seconds() * 1_000;
    }

    @Override
    String time() {
        return "select clock_timestamp()";
    }

    /** It waits also for a transaction that has changed the existing row, such as a stage's. */
    @Override
    String insert(String table, String columns, String values) {
        return insert(table, columns, values, waiting("'" + BRIEF_MILLIS + "ms'"));
    }

    private static String insert(String table, String columns, String values, String waiting) {
        return "insert into " + table + " (" + columns + ") select " + values + " where " + waiting + " on conflict ("
                + KeyTable.IDENTITY + ") do nothing";
    }

    @Override
    boolean insertsByIdentity() {
        return false;
    }

    @Override
    String insertOrFind(String insert, String find) {
        return insert + "; " + find;
    }

    @Override
    boolean insertsOrFinds() {
        return true;
    }

    @Override
    String replace(String table, String assignments) {
        return update(table, assignments, waiting("'" + BRIEF_MILLIS + "ms'"));
    }

    private static String update(String table, String assignments, String waiting) {
        return "update " + table + " set " + assignments + " where " + waiting + " and " + KeyTable.SAME_REVISION;
    }

    /** The bound on a wait for a row, which ends with the transaction. */
    private static String waiting(String millis) {
        return "(select set_config('lock_timeout', " + millis + ", true)) is not null";
    }

    /** By the primary key, because a row's {@code ctid} is unique within its partition only. */
    @Override
    String deleteExpired(String table) {
        return "with expired as materialized (select " + KeyTable.IDENTITY + " from " + table + " where "
                + KeyTable.EXPIRED + " order by due_at limit ? for update skip locked)"
                + " delete from " + table + " k using expired e where k.scope = e.scope and k.key_value = e.key_value"
                + " and " + KeyTable.EXPIRED;
    }

    @Override
    boolean deletesByInstantAgain() {
        return true;
    }

    @Override
    String jsonParameter() {
        return "cast(? as json)";
    }

    @Override
    String instantType() {
        return "timestamptz";
    }

    @Override
    boolean isEmptiedByCrash(Connection connection, String table) throws SQLException {
        String oid = "to_regclass('" + table.replace("'", "''") + "')";
        return !read(
                        connection,
                        "select count(*) from pg_class where relpersistence <> 'p' and (oid = " + oid
                                + " or oid in (select relid from pg_partition_tree(" + oid + ")))")
                .get(0)
                .equals("0");
    }

    @Override
    String instantParameter() {
        return "cast(? as timestamptz)";
    }

    /** A text, because the driver makes a calendar and more for each statement in which it writes an instant. */
    @Override
    Object columnValue(Instant instant) {
        LocalDateTime time = LocalDateTime.ofEpochSecond(instant.getEpochSecond(), instant.getNano(), ZoneOffset.UTC);
        boolean isUsual = time.getYear() >= 1_000 && time.getYear() <= 9_999 && instant.getNano() % 1_000 == 0;
        // The driver knows how to write other years, and how to round.
        return isUsual ? text(time) : value(instant);
    }

    private static String text(LocalDateTime time) {
        int micros = time.getNano() / 1_000;
        StringBuilder text = new StringBuilder(32).append(time.getYear());
        two(text.append('-'), time.getMonthValue());
        two(text.append('-'), time.getDayOfMonth());
        two(text.append(' '), time.getHour());
        two(text.append(':'), time.getMinute());
        two(text.append(':'), time.getSecond());
        two(text.append('.'), micros / 10_000);
        two(text, micros / 100 % 100);
        two(text, micros % 100);
        return text.append("+00").toString();
    }

    private static void two(StringBuilder text, int digits) {
        text.append((char) ('0' + digits / 10)).append((char) ('0' + digits % 10));
    }

    @Override
    <R> R writing(Connection connection, Statements.Work<R> work) throws SQLException {
        try {
            return alone(connection, work);
        } catch (SQLException e) {
            throw waited(e);
        }
    }

    @Override
    <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException {
        if (!connection.getAutoCommit()) {
            // Outside a transaction this sends nothing.
            connection.setAutoCommit(true);
            try {
                return alone(connection, work);
            } finally {
                connection.setAutoCommit(false);
            }
        }
        // The setting goes along in the statement's own round trip.
        Statements statements =
                isGiven(Isolation.READ_COMMITTED) ? new Statements(connection) : new Statements(connection, committed);
        return committing(connection, statements, work);
    }

    @Override
    boolean locksKeys() {
        return true;
    }

    @Override
    String lock() {
        return "select pg_try_advisory_xact_lock(?)";
    }

    /**
     * Reads before the transaction begins, and so before it locks: the read of a missing row within a serializable
     * transaction conflicts with all inserts near that row. If the key is stored in between, the last write finds out.
     */
    @Override
    String opening(String find, Stage stage) {
        return openings.computeIfAbsent(
                new OpeningText(
                        find,
                        stage.isolation(),
                        stage.seconds(),
                        isGiven(idleMillis, stage),
                        isGiven(lockMillis, stage)),
                text -> "begin isolation level read committed; " + find + "; commit; begin isolation level "
                        + name(text.isolation) + "; " + lock() + ", "
                        + (text.comparesIdle ? asBefore(IDLE_TIMEOUT, idleTimeout) : set(IDLE_TIMEOUT, idleTime(stage)))
                        + ", "
                        + (text.comparesLock
                                ? asBefore(LOCK_TIMEOUT, lockTimeout)
                                : set(LOCK_TIMEOUT, lockWait(stage))));
    }

    private static String asBefore(String setting, String value) {
        return "current_setting('" + setting + "') = '" + value + "'";
    }

    /** True, and sets until the transaction ends: a part of a statement takes less time than one of its own. */
    private static String set(String setting, String value) {
        return "set_config('" + setting + "', '" + value + "', true) is not null";
    }

    private static String idleTime(Stage stage) {
        return stage.seconds() + "s";
    }

    private String lockWait(Stage stage) {
        long lease = stage.seconds() * 1_000;
        return (lockMillis > 0 ? Math.min(lockMillis, lease) : lease) + "ms";
    }

    @Override
    boolean isOpened(ResultSet lock) throws SQLException {
        if (lock.getBoolean(2) && lock.getBoolean(3)) {
            return lock.getBoolean(1);
        }
        isSteady = false;
        throw new SQLTransactionRollbackException(
                "the data source gave a connection with other settings than before", "40000");
    }

    /**
     * It compares nothing: the opening has begun the transaction in its isolation, and has compared or set its
     * time-outs, never to a longer wait than connections come with. A stage that changes those does so for itself.
     */
    @Override
    String insertAndCommit(String table, String columns, String values) {
        return (comesPatient ? "" : "set local lock_timeout = '" + PATIENT_MILLIS + "ms'; ") + "insert into " + table
                + " (" + columns + ") values (" + values + "); commit";
    }

    @Override
    boolean insertAndCommit(PreparedStatement statement) throws SQLException {
        try {
            boolean unused = statement.execute();
            unused = !comesPatient && statement.getMoreResults();
            return statement.getUpdateCount() == 1;
        } catch (SQLException e) {
            throw waited(e);
        }
    }

    /**
     * A write of a key that was cancelled may have waited for a row, and is worth another try. The data source may
     * bound each statement by less time; and where several transactions wait for one row, the server now and then takes
     * the end of {@code lock_timeout} for a cancellation.
     */
    private static SQLException waited(SQLException e) {
        return CANCELLED.equals(e.getSQLState()) ? new SQLTransactionRollbackException(e.getMessage(), "40000", e) : e;
    }

    @Override
    boolean escapes() {
        return escapes;
    }

    @Override
    List<String> begin(Stage stage) {
        List<String> statements = new ArrayList<>();
        if (!isGiven(stage.isolation())) {
            statements.add("set transaction isolation level " + name(stage.isolation()));
        }
        if (!isGiven(idleMillis, stage)) {
            statements.add("set local " + IDLE_TIMEOUT + " = '" + idleTime(stage) + "'");
        }
        if (!isGiven(lockMillis, stage)) {
            statements.add("set local " + LOCK_TIMEOUT + " = '" + lockWait(stage) + "'");
        }
        if (!stage.ownsConnection()) {
            statements.add(SAVEPOINT);
        }
        return statements;
    }

    @Override
    boolean sendsTogether() {
        return true;
    }

    @Override
    boolean fenceCommits() {
        return true;
    }

    @Override
    boolean watches() {
        return false;
    }

    @Override
    boolean ends(String sql) {
        return EndingStatements.POSTGRESQL.contain(sql);
    }

    /** The driver remembers the error that aborted a transaction. */
    @Override
    void ping(Connection connection, Stage stage) throws SQLException {
        try {
            super.ping(connection, stage);
        } catch (SQLException e) {
            throw e.getCause() instanceof SQLException first ? first : e;
        }
    }

    /** An error leaves the transaction open, and its savepoint, which the adapter's own connections lack. */
    @Override
    boolean hasEnded(Connection connection, Stage stage, Collection<SQLException> after) throws SQLException {
        if (stage.ownsConnection()) {
            return false;
        }
        try {
            execute(connection, "rollback to " + SAVEPOINT);
            return false;
        } catch (SQLException e) {
            if (List.of(NO_SAVEPOINT, NO_TRANSACTION).contains(Failure.state(e))) {
                return true;
            }
            throw e;
        }
    }

    /** A pool or a wrapper has sent a query before ours; the next connection may come without. */
    @Override
    boolean isOtherSettings(SQLException failure) {
        return Failure.state(failure).equals(SET_TOO_LATE);
    }

    /** The savepoint shows that the transaction is still the one that began. */
    @Override
    Statements last(Statements statements, Stage stage) {
        return stage.ownsConnection() ? statements : new Statements(statements.connection(), released);
    }

    /**
     * It fails if no row is written, in another isolation, or with another bound on waits than connections came with,
     * and then nothing is committed.
     */
    @Override
    String fence(LastWrite write, Stage stage, boolean commits) {
        // The same text as before, so that the driver finds its prepared statement at once.
        return fences.computeIfAbsent(
                new FenceText(
                        write, stage.isolation(), isGiven(idleMillis, stage), isGiven(lockMillis, stage), commits),
                this::fence);
    }

    private String fence(FenceText text) {
        String settings = "current_setting('transaction_isolation')";
        String expected = name(text.isolation);
        if (text.comparesLock) {
            // One text, because each comparison takes the server time.
            settings += " || ' ' || current_setting('" + LOCK_TIMEOUT + "')";
            expected += " " + lockTimeout;
        }
        // Zero, or an error.
        String root = "sqrt(case " + settings + " when '" + expected + "' then 0 else -1 end)";
        // The time-out is read before it is set, as the argument of the call that sets it.
        String waiting = text.comparesLock && comesPatient
                ? root + " = 0"
                : waiting("(" + PATIENT_MILLIS + " + " + root + ") || 'ms'");
        LastWrite write = text.write;
        return "with fenced as ("
                + (write.columns().isEmpty()
                        ? update(write.table(), write.values(), waiting)
                        : insert(write.table(), write.columns(), write.values(), waiting))
                + " returning 1)"
                + " select width_bucket(0, 0, 1, count(*)::int), "
                + (text.comparesIdle ? asBefore(IDLE_TIMEOUT, idleTimeout) : "true")
                + " from fenced" + (text.commits ? "; commit" : "");
    }

    @Override
    Fence fence(Statements statements, PreparedStatement statement, Stage stage) throws SQLException {
        try (ResultSet result = statements.query(statement)) {
            if (!result.next()) {
                throw new SQLException("the fence gave no row");
            }
            if (!result.getBoolean(2)) {
                isSteady = false;
            }
            return Fence.MATCHED;
        } catch (SQLException e) {
            String state = String.valueOf(e.getSQLState());
            switch (state) {
                case NO_BUCKETS -> {
                    return Fence.MISSED;
                }
                case NO_SAVEPOINT -> {
                    return Fence.OTHER_TRANSACTION;
                }
                case NO_ROOT -> {
                    isSteady = false;
                    return Fence.OTHER_SETTINGS;
                }
                default -> throw waited(e);
            }
        }
    }

    @Override
    Failure failure(SQLException sql) {
        return switch (Failure.state(sql)) {
            case NOT_IN_TIME -> Failure.LOCKED;
            // An earlier error, which the stage swallowed, aborted the transaction.
            case "25P02" -> Failure.CONFLICT;
            // The transaction was idle for too long, and was rolled back before the server read what met this answer.
            case "25P03" -> Failure.CONFLICT;
            // The application has bounded its transaction.
            case "25P04" -> Failure.REFUSED;
            // The server only reads: it is a standby, or has become one.
            case "25006" -> Failure.READ_ONLY;
            // A time-out of the application's own, or somebody's cancellation.
            case CANCELLED -> Failure.REFUSED;
            case "23505" -> Failure.DUPLICATE;
            default -> Failure.byState(sql);
        };
    }

    @Override
    String advice(Throwable failure) {
        List<SQLException> errors = Failure.errors(failure);
        if (errors.stream().anyMatch(error -> Failure.state(error).equals(KeyTable.NO_ROW))) {
            return " The driver's option prepareThreshold=-1 loses the rows of statements that are sent together: leave"
                    + " it out.";
        }
        return errors.stream().anyMatch(error -> Failure.state(error).equals(SET_TOO_LATE))
                ? " The driver's options autosave and prepareThreshold=-1, and pools and wrappers with a query of their"
                        + " own, send a statement before the one that sets the isolation: leave them out, or set"
                        + " default_transaction_isolation."
                : "";
    }

    @Override
    boolean isUnrepresentable(SQLException sql) {
        return Failure.state(sql).equals("22P05");
    }
}
