package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * All that is particular to one database: its statements, its values, its settings, its errors.
 *
 * <p>Made for one data source, of whose connections it has read the settings. It knows JDBC, and nothing above it.
 */
abstract class Dialect {
    /** Maximum wait for a row, in milliseconds, where the database counts them: within a second, as the port asks. */
    static final int PATIENT_MILLIS = 900;

    /**
     * Maximum wait for a row that a taker of an expired lease may find held. It is held for longer only by a stage or
     * by a worker that vanished, and whoever waits for one of those has a connection in hand that others need.
     */
    static final int BRIEF_MILLIS = 20;

    /** A savepoint that shows that the transaction at the fence is the one that began. */
    static final String SAVEPOINT = "savepoint idempotency_key_stage";

    /**
     * What a stage's transaction was promised.
     *
     * @param isolation its isolation
     * @param lease how long it may live if its owner disappears
     * @param ownsConnection whether the connection is the adapter's own: it may change its settings and restore them
     *     afterwards, and it refuses calls on it that would end the transaction
     */
    record Stage(Isolation isolation, Duration lease, boolean ownsConnection) {
        /** The lease in whole seconds, which make few different texts, so that a driver keeps them prepared. */
        long seconds() {
            return lease.getSeconds() + (lease.getNano() >= 1_000_000 ? 1 : 0);
        }
    }

    /**
     * The last write of a stage's transaction.
     *
     * @param columns the columns of a row to be inserted; empty if one is changed
     * @param values the parameters of the row to be inserted, or the assignments of the one to be changed
     */
    record LastWrite(String table, String columns, String values) {}

    /** What the fence has found. */
    enum Fence {
        /** The key had the held revision, and has the next one. */
        MATCHED,
        /** The key has another revision. */
        MISSED,
        /** The server has rolled the stage's transaction back, and begun another. */
        OTHER_TRANSACTION,
        /** The transaction hasn't what the data source gave before. From now on the dialect sets it itself. */
        OTHER_SETTINGS,
        /** A trigger or a rule of the table has dropped the key's row, and the rest is committed. */
        DROPPED
    }

    /** A connection's dialect; reads the connection's settings. */
    static Dialect of(Connection connection) throws SQLException {
        String product = connection.getMetaData().getDatabaseProductName();
        String version = connection.getMetaData().getDatabaseProductVersion();
        return switch (product) {
            case "PostgreSQL" -> new PostgresqlDialect(connection);
            case "H2" -> new H2Dialect(connection);
            // mariadb-java-client tells the two apart, and Connector/J takes both for MySQL.
            case "MariaDB", "MySQL" ->
                (product + version).toLowerCase(Locale.ROOT).contains("mariadb")
                        ? new MariadbDialect(connection)
                        : new MysqlDialect(connection);
            default ->
                throw new IllegalArgumentException(
                        "the database is '" + product + "'; allowed: PostgreSQL, MySQL," + " MariaDB, H2");
        };
    }

    /** The file of the table's SQL beside this class. */
    abstract String schemaFile();

    /** The isolations that the database has. */
    Set<Isolation> isolations() {
        return EnumSet.allOf(Isolation.class);
    }

    /** The level's name in {@code SET TRANSACTION}. */
    static String name(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> "read committed";
            case REPEATABLE_READ, SNAPSHOT -> "repeatable read";
            case SERIALIZABLE -> "serializable";
        };
    }

    // Statements of the key's table. Their parameters stand in the order in which the columns are given.

    /** Reads the database's time. */
    abstract String time();

    /**
     * Inserts a row unless its identity exists.
     *
     * @param values the parameters
     */
    String insert(String table, String columns, String values) {
        return "insert into " + table + " (" + columns + ") select " + values + " from (select 1) nothing"
                + " where not exists (select 1 from " + table + " where " + KeyTable.SAME_KEY + ")";
    }

    /** Whether the identity's parameters follow once more after all values of an insert. */
    boolean insertsByIdentity() {
        return true;
    }

    /**
     * Inserts a row by the first statement, and reads by the second one what has kept it from that, in one round trip.
     * The first result is the number of inserted rows if that is 1.
     */
    String insertOrFind(String insert, String find) {
        throw new UnsupportedOperationException("a row is inserted and found in two round trips");
    }

    /** Whether the database has {@link #insertOrFind}. */
    boolean insertsOrFinds() {
        return false;
    }

    /** Changes a row that has the expected revision, outside stages. */
    abstract String replace(String table, String assignments);

    /** Whether the identity's parameters follow once more after the revision of {@link #replace} and the fence. */
    boolean replacesByIdentityAgain() {
        return false;
    }

    /** Deletes what expired up to an instant, up to a limit; rows that a transaction holds are left or waited for. */
    abstract String deleteExpired(String table);

    /** Whether the instant's parameter of {@link #deleteExpired} stands once more after the limit. */
    boolean deletesByInstantAgain() {
        return false;
    }

    /** The table in a search for keys of some states. */
    String byState(String table) {
        return table;
    }

    /** A parameter of a column that holds JSON. */
    String jsonParameter() {
        return "?";
    }

    /** A parameter of a column that holds an instant. */
    String instantParameter() {
        return "?";
    }

    void bind(PreparedStatement statement, int index, UUID uuid) throws SQLException {
        statement.setObject(index, uuid);
    }

    @Nullable
    UUID uuid(ResultSet result, int column) throws SQLException {
        return result.getObject(column, UUID.class);
    }

    /** The type of a column that holds instants, as drivers name it. */
    abstract String instantType();

    /** Whether a crash of the server empties the table, or a part of it. */
    boolean isEmptiedByCrash(Connection connection, String table) throws SQLException {
        return false;
    }

    /** An instant as the driver takes it. */
    Object value(Instant instant) {
        return instant.atOffset(ZoneOffset.UTC);
    }

    /** An instant as the driver takes it for an {@link #instantParameter}. */
    Object columnValue(Instant instant) {
        return value(instant);
    }

    @Nullable
    Instant instant(ResultSet result, int column) throws SQLException {
        OffsetDateTime time = result.getObject(column, OffsetDateTime.class);
        return time == null ? null : time.toInstant();
    }

    // Single statements outside stages.

    /** Runs a single statement by itself, in READ COMMITTED, on a connection without an open transaction. */
    abstract <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException;

    /** Reads by a single statement by itself what is committed, on a connection without an open transaction. */
    <R> R reading(Connection connection, Statements.Work<R> work) throws SQLException {
        return alone(connection, work);
    }

    /** Writes a key by a single statement by itself, on a connection without an open transaction. */
    <R> R writing(Connection connection, Statements.Work<R> work) throws SQLException {
        return alone(connection, work);
    }

    /** Executes a write, and bounds its wait for a row by these milliseconds where the statement's text doesn't. */
    int update(Statements statements, PreparedStatement statement, int millis) throws SQLException {
        return statements.update(statement);
    }

    // A single stage's key.

    /** Whether a key is taken by a lock that ends with the transaction; otherwise it is taken by writing its row. */
    boolean locksKeys() {
        return false;
    }

    /** Tries to take the lock that is the statement's parameter, where {@link #locksKeys()}. */
    String lock() {
        throw new UnsupportedOperationException("keys are taken by writing their rows");
    }

    /** Reads a key, begins a stage's transaction and tries to take the key's lock, where {@link #locksKeys()}. */
    String opening(String find, Stage stage) {
        throw new UnsupportedOperationException("keys are taken by writing their rows");
    }

    /** Whether the opening took the lock; throws if the transaction hasn't what the data source gave before. */
    boolean isOpened(ResultSet lock) throws SQLException {
        throw new UnsupportedOperationException("keys are taken by writing their rows");
    }

    /**
     * Inserts a row and commits, in one round trip, as the last write of a transaction that {@link #opening} began. It
     * fails, and nothing is committed, if the key has a row.
     */
    String insertAndCommit(String table, String columns, String values) {
        throw new UnsupportedOperationException("keys are taken by writing their rows");
    }

    /** Executes {@link #insertAndCommit(String, String, String)}, and says whether the row was inserted. */
    boolean insertAndCommit(PreparedStatement statement) throws SQLException {
        throw new UnsupportedOperationException("keys are taken by writing their rows");
    }

    /** Whether JSON and messages have to be written in ASCII where a refused one can't be written again. */
    boolean escapes() {
        return false;
    }

    /** Whether the data source bounds a stage's waits for rows by a second, so that an insert needs no bound. */
    boolean givesBriefWaits(Stage stage) {
        return false;
    }

    /** An insert that waits at most a second for another of the same row, where a statement can say so. */
    String insertWaiting(String insert) {
        return insert;
    }

    /** Executes an insert, and bounds its wait for another of the same row where the statement's text doesn't. */
    void insertWaiting(Statements statements, PreparedStatement statement) throws SQLException {
        int unused = update(statements, statement, PATIENT_MILLIS);
    }

    // A stage's transaction.

    /** Sets what can only be set on the adapter's own connection before its transaction begins. */
    void prepare(Connection connection, Stage stage) throws SQLException {}

    /** Whether whoever begins the transaction has to set its isolation, because its first statements can't. */
    boolean needsIsolation(Isolation isolation) {
        return false;
    }

    /**
     * The transaction's first statements, each sent in a round trip of its own. What they set ends with the transaction
     * or is restored by {@link #restore}.
     */
    abstract List<String> begin(Stage stage);

    /** Whether the first statements failed because the connection hasn't the settings that others came with. */
    boolean isOtherSettings(SQLException failure) {
        return false;
    }

    /** Throws if the transaction hasn't the promised isolation, where the connection can tell. */
    void check(Connection connection, Stage stage) throws SQLException {}

    /** What the data source should give where the adapter doesn't own connections; empty if it lacks nothing. */
    String missingSettings() {
        return "";
    }

    /** Whether a statement's text would end the transaction. */
    abstract boolean ends(String sql);

    /** Throws if the server has rolled the transaction back by itself. */
    void ping(Connection connection, Stage stage) throws SQLException {
        execute(connection, "select 1");
    }

    /**
     * Whether a connection is known to be in another transaction than the one that began, even after errors. Where one
     * of them also ends a transaction, nobody knows what else has ended it before.
     */
    boolean hasEnded(Connection connection, Stage stage, Collection<SQLException> after) throws SQLException {
        return false;
    }

    /** Whether several statements and their parameters can be sent in one round trip, and settings with the first. */
    boolean sendsTogether() {
        return false;
    }

    /** Whether the fence's statement can commit, too. */
    boolean fenceCommits() {
        return false;
    }

    /** Whether errors are watched, because the server may roll a transaction back without the session noticing. */
    boolean watches() {
        return true;
    }

    /** What the fence's statement is sent with. */
    Statements last(Statements statements, Stage stage) {
        return statements;
    }

    /** The fence's statement; if {@code commits} it ends with the commit, as where {@link #fenceCommits()}. */
    abstract String fence(LastWrite write, Stage stage, boolean commits);

    /** Executes the fence's statement. */
    abstract Fence fence(Statements statements, PreparedStatement statement, Stage stage) throws SQLException;

    /** Restores what {@link #prepare} and {@link #begin} set for the adapter's own connection. */
    void restore(Connection connection, Stage stage) throws SQLException {}

    // Errors.

    /** What an error means. */
    abstract Failure failure(SQLException sql);

    /** The SQL errors in a throwable that count. */
    List<SQLException> errors(Throwable thrown) {
        return Failure.errors(thrown);
    }

    /** What a person may have to configure who sees this failure of an empty stage; empty if nobody knows. */
    String advice(Throwable failure) {
        return "";
    }

    /** Whether a text was refused because the database's character set doesn't have all its characters. */
    abstract boolean isUnrepresentable(SQLException sql);

    /** What a throwable means, by all that is in its {@linkplain Failure#errors chain}. */
    final Failure failure(Throwable thrown) {
        return Failure.isHeuristic(thrown) ? Failure.HEURISTIC : failure(thrown, error -> true);
    }

    /** What a throwable means, by those SQL errors in its chain that count. */
    final Failure failure(Throwable thrown, Predicate<SQLException> counts) {
        return errors(thrown).stream()
                .filter(counts)
                .map(this::failure)
                .min(Comparator.naturalOrder())
                .orElse(Failure.NONE);
    }

    /** What became of a stage whose commit failed. */
    final StageCommit ofCommit(Throwable thrown) {
        // Any other error than that of a lost connection may come from a callback, which says nothing about the commit.
        boolean isLost = errors(thrown).stream()
                .map(this::failure)
                .anyMatch(each -> each == Failure.LOST || each == Failure.UNCLEAR);
        return (isLost ? Failure.LOST : failure(thrown)).ofCommit(thrown);
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.execute();
        }
    }

    /** The columns of a query's first row, as texts. */
    static List<String> read(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            if (!result.next()) {
                throw new SQLException("the database gave no row for: " + sql);
            }
            List<String> row = new ArrayList<>();
            for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
                row.add(KeyTable.required(result.getString(column), sql));
            }
            return row;
        }
    }

    /** Runs work in its own transaction or, with autocommit, without one. Rolls back what fails. */
    static <R> R committing(Connection connection, Statements statements, Statements.Work<R> work) throws SQLException {
        boolean transaction = !connection.getAutoCommit();
        try {
            R result = work.with(statements);
            if (transaction) {
                connection.commit();
            }
            return result;
        } catch (SQLException | RuntimeException e) {
            try {
                if (transaction) {
                    connection.rollback();
                } else if (statements.around().commits()) {
                    execute(connection, "rollback");
                }
            } catch (SQLException failed) {
                e.addSuppressed(failed);
            }
            throw e;
        }
    }
}
