package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLTransactionRollbackException;
import java.util.Collection;
import java.util.List;

/** H2, which runs in the application's process or as a server. */
final class H2Dialect extends Dialect {
    /** H2's own number; JDBC has none. */
    private static final int SNAPSHOT = 6;

    private static final int LOCK_TIMEOUT = 50_200;
    private static final int CONCURRENT_UPDATE = 90_131;
    private static final int DEADLOCK = 40_001;

    /** The SQL standard's state for a transaction that is already under way. */
    private static final String OTHER_ISOLATION = "25001";

    /** A table of the session's own, with a row as long as the transaction lives that began. */
    private static final String MARK = "idempotencykey_transaction";

    /** What the data source's connections came with when the store was made. */
    private final int isolation;

    private final long lockMillis;

    /** Whether the database is in memory, where the mark can't cost a commit its way to a file. */
    private final boolean isInMemory;

    H2Dialect(Connection connection) throws SQLException {
        this(connection.getTransactionIsolation(), read(connection, "select lock_timeout(), database_path() is null"));
    }

    H2Dialect(int isolation, List<String> settings) {
        this.isolation = isolation;
        this.lockMillis = Long.parseLong(settings.get(0));
        this.isInMemory = settings.get(1).equals("TRUE");
    }

    @Override
    String schemaFile() {
        return "h2.sql";
    }

    @Override
    String time() {
        return "select current_timestamp(9)";
    }

    @Override
    String replace(String table, String assignments) {
        return "update " + table + " set " + assignments + " where " + KeyTable.SAME_REVISION;
    }

    @Override
    String deleteExpired(String table) {
        return "delete from " + table + " where " + KeyTable.EXPIRED + " fetch first ? rows only";
    }

    @Override
    String jsonParameter() {
        return "? format json";
    }

    @Override
    String instantType() {
        return "timestamp with time zone";
    }

    @Override
    <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException {
        if (isolation == Connection.TRANSACTION_READ_COMMITTED) {
            return committing(connection, new Statements(connection), work);
        }
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        try {
            return committing(connection, new Statements(connection), work);
        } finally {
            if (!connection.isClosed()) {
                connection.setTransactionIsolation(isolation);
            }
        }
    }

    @Override
    int update(Statements statements, PreparedStatement statement, int millis) throws SQLException {
        // The bound on waiting is a setting of the session.
        String before = read(statements.connection(), "call lock_timeout()").get(0);
        execute(statements.connection(), "set lock_timeout " + millis);
        try {
            return statements.update(statement);
        } finally {
            execute(statements.connection(), "set lock_timeout " + before);
        }
    }

    @Override
    void prepare(Connection connection, Stage stage) throws SQLException {
        if (connection.getTransactionIsolation() != level(stage.isolation())) {
            connection.setTransactionIsolation(level(stage.isolation()));
        }
        if (lockMillis > stage.lease().toMillis()) {
            execute(connection, "set lock_timeout " + stage.lease().toMillis());
        }
    }

    @Override
    boolean needsIsolation(Isolation promised) {
        return isolation != level(promised);
    }

    @Override
    List<String> begin(Stage stage) {
        // H2 doesn't report a lost savepoint, but this row is gone with the transaction that has inserted it. Watching
        // errors doesn't do: a procedure, or a stage on an unwrapped connection, may swallow a deadlock.
        return marks(stage)
                ? List.of("create local temporary table if not exists " + MARK + " (present boolean)"
                        + " on commit delete rows transactional; insert into " + MARK + " values (true)")
                : List.of();
    }

    private boolean marks(Stage stage) {
        return isInMemory || !stage.ownsConnection();
    }

    /** JDBC's number of a level. */
    private static int level(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> Connection.TRANSACTION_READ_COMMITTED;
            case REPEATABLE_READ -> Connection.TRANSACTION_REPEATABLE_READ;
            case SNAPSHOT -> SNAPSHOT;
            case SERIALIZABLE -> Connection.TRANSACTION_SERIALIZABLE;
        };
    }

    @Override
    void check(Connection connection, Stage stage) throws SQLException {
        int level = connection.getTransactionIsolation();
        if (level != level(stage.isolation())) {
            throw new SQLException(
                    "the transaction has the isolation of JDBC's level " + level + ", and the stage was promised "
                            + stage.isolation(),
                    OTHER_ISOLATION);
        }
    }

    @Override
    boolean isOtherSettings(SQLException failure) {
        return Failure.state(failure).equals(OTHER_ISOLATION);
    }

    @Override
    String fence(LastWrite write, Stage stage, boolean commits) {
        return replace(write.table(), write.values())
                + (marks(stage) ? " and exists (select 1 from " + MARK + ")" : "");
    }

    @Override
    Fence fence(Statements statements, PreparedStatement statement, Stage stage) throws SQLException {
        if (update(statements, statement, PATIENT_MILLIS) == 1) {
            return Fence.MATCHED;
        }
        return !marks(stage) || isMarked(statements.connection()) ? Fence.MISSED : Fence.OTHER_TRANSACTION;
    }

    private static boolean isMarked(Connection connection) throws SQLException {
        return !read(connection, "select count(*) from " + MARK).get(0).equals("0");
    }

    @Override
    boolean ends(String sql) {
        return EndingStatements.H2.contain(sql);
    }

    @Override
    void ping(Connection connection, Stage stage) throws SQLException {
        if (marks(stage) && !isMarked(connection)) {
            throw new SQLTransactionRollbackException("the transaction is not the one that began", "40000");
        }
    }

    /** With a deadlock H2 ends the transaction by itself, and with no other error. */
    @Override
    boolean hasEnded(Connection connection, Stage stage, Collection<SQLException> after) throws SQLException {
        return marks(stage)
                && after.stream().noneMatch(error -> Failure.code(error) == DEADLOCK)
                && !isMarked(connection);
    }

    @Override
    void restore(Connection connection, Stage stage) throws SQLException {
        if (connection.getTransactionIsolation() != isolation) {
            connection.setTransactionIsolation(isolation);
        }
        if (lockMillis > stage.lease().toMillis()) {
            execute(connection, "set lock_timeout " + lockMillis);
        }
    }

    @Override
    Failure failure(SQLException sql) {
        return switch (Failure.code(sql)) {
            case LOCK_TIMEOUT -> Failure.LOCKED;
            case CONCURRENT_UPDATE, DEADLOCK -> Failure.CONFLICT;
            case 23_505 -> Failure.DUPLICATE;
            // A query's time-out, or its cancellation.
            case 57_014 -> Failure.REFUSED;
            // The connection is broken, or the database is closed.
            case 90_067, 90_098, 90_121 -> Failure.LOST;
            // The database only reads.
            case 90_097 -> Failure.READ_ONLY;
            // A type or a feature that it hasn't.
            case 50_004, 50_100 -> Failure.REFUSED;
            default -> {
                Failure failure = Failure.byState(sql);
                // No savepoint would show that an error without a state ended the transaction.
                yield failure == Failure.UNCLEAR ? Failure.LOST : failure;
            }
        };
    }

    /** A wait that took too long has for its cause the conflict that it waited for. */
    @Override
    List<SQLException> errors(Throwable thrown) {
        List<SQLException> errors = super.errors(thrown);
        if (errors.stream().anyMatch(error -> Failure.code(error) == LOCK_TIMEOUT)) {
            errors.removeIf(error -> Failure.code(error) == CONCURRENT_UPDATE);
        }
        return errors;
    }

    /** H2 keeps every character. */
    @Override
    boolean isUnrepresentable(SQLException sql) {
        return false;
    }
}
