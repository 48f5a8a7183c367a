package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/** MariaDB, which takes several statements in one round trip as a block. */
final class MariadbDialect extends InnodbDialect {
    /** With innodb_snapshot_isolation: "Record has changed since last read". */
    private static final int RECORD_CHANGED = 1020;

    private static final int NOWAIT = 4024;

    /** "Query execution was interrupted", by somebody or by {@code max_statement_time}. */
    private static final int CANCELLED = 1317;

    private static final int OUT_OF_TIME = 1969;

    /** The text of an error of the state that is reserved for an application's own. */
    private static final String OTHER_SETTINGS = "idempotency_key_settings";

    private static final String OTHER_REVISION = "idempotency_key_revision";

    private final Statements.Around committed = new Statements.Around(
            "begin not atomic set transaction isolation level " + name(Isolation.READ_COMMITTED) + "; ", "; end", 0);

    MariadbDialect(Connection connection) throws SQLException {
        this(read(
                connection,
                "select @@session.tx_isolation, @@session.idle_transaction_timeout,"
                        + " @@session.innodb_lock_wait_timeout"));
    }

    MariadbDialect(List<String> settings) {
        super(settings.get(0), settings.get(1), settings.get(2));
    }

    @Override
    String schemaFile() {
        return "mariadb.sql";
    }

    @Override
    String insert(String table, String columns, String values) {
        // "insert ignore" would also swallow errors about values that don't fit.
        return waiting(1) + "insert into " + table + " (" + columns + ") select " + values
                + " from dual where not exists (select 1 from " + table + " where " + KeyTable.SAME_KEY + ")";
    }

    @Override
    String insertOrFind(String insert, String find) {
        return "begin not atomic " + insert + "; if row_count() = 0 then " + find + "; end if; end";
    }

    /** The isolation is the insert's, and the read has that of the session. */
    @Override
    boolean insertsOrFinds() {
        return !isolation.equals(DIRTY);
    }

    @Override
    String insertWaiting(String insert) {
        return waiting(1) + insert;
    }

    @Override
    String replace(String table, String assignments) {
        return update(table, assignments, 0);
    }

    private static String update(String table, String assignments, int seconds) {
        return waiting(seconds) + "update " + table + " set " + assignments + " where " + KeyTable.SAME_REVISION;
    }

    /** The bound on a wait for a row, in whole seconds, which ends with the statement. */
    private static String waiting(int seconds) {
        return "set statement innodb_lock_wait_timeout = " + seconds + " for ";
    }

    @Override
    String deleteExpired(String table) {
        // The order is that of the index; otherwise MariaDB would sort all expired rows.
        return waiting(1) + "delete from " + table + " where " + KeyTable.EXPIRED + " order by state, due_at limit ?";
    }

    @Override
    String byState(String table) {
        // MariaDB would otherwise use the primary key, and read all keys of the scope, the finished ones too.
        return table + " ignore index (primary)";
    }

    @Override
    String idleVariable() {
        return "idle_transaction_timeout";
    }

    /** The isolation goes along in the statement's own round trip, where that is no transaction of several. */
    @Override
    <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException {
        try {
            return isGiven(Isolation.READ_COMMITTED) || !connection.getAutoCommit()
                    ? super.alone(connection, work)
                    : committing(connection, new Statements(connection, committed), work);
        } catch (SQLException e) {
            throw ofBlock(e);
        }
    }

    /**
     * A block that is cancelled, or takes more time than it may, ends at its next statement, even if that is its end:
     * what it has committed stays. Without the error itself, which would say that nothing was done.
     */
    private static SQLException ofBlock(SQLException error) {
        int code = Failure.code(error);
        if (code != CANCELLED && code != OUT_OF_TIME) {
            return error;
        }
        SQLException unknown = new SQLException(error.getMessage() + "; it may have committed", "40003");
        unknown.setStackTrace(error.getStackTrace());
        return unknown;
    }

    /** The isolation is compared where the data source gives it, because it can't be set in JTA's transactions. */
    @Override
    List<String> begin(Stage stage) {
        String isolation = "set transaction isolation level " + name(stage.isolation()) + "; ";
        return List.of("begin not atomic if @@session.tx_isolation <> '" + value(stage.isolation()) + "' then "
                + isolation + "end if; "
                + timeouts(stage) + SAVEPOINT + "; end");
    }

    private String timeouts(Stage stage) {
        if (!givesTimeouts(stage)) {
            return stage.ownsConnection() ? setTimeouts(stage) + "; " : "";
        }
        return "if @@session.idle_transaction_timeout <> " + idleSeconds
                + " or @@session.innodb_lock_wait_timeout <> " + lockSeconds
                + " then " + signal(OTHER_SETTINGS) + "end if; ";
    }

    private static String signal(String text) {
        return "signal sqlstate '45000' set message_text = '" + text + "'; ";
    }

    @Override
    boolean isOtherSettings(SQLException failure) {
        boolean other = isSignal(failure, OTHER_SETTINGS);
        if (other) {
            becomeUnsteady();
        }
        return other || super.isOtherSettings(failure);
    }

    private static boolean isSignal(SQLException failure, String text) {
        return Failure.code(failure) == SIGNAL
                && String.valueOf(failure.getMessage()).contains(text);
    }

    @Override
    boolean fenceCommits() {
        return true;
    }

    @Override
    String fence(LastWrite write, Stage stage, boolean commits) {
        return "begin not atomic release " + SAVEPOINT + "; " + update(write.table(), write.values(), 1)
                + (commits ? "; if row_count() <> 1 then " + signal(OTHER_REVISION) + "end if; commit" : "") + "; end";
    }

    @Override
    Fence fence(Statements statements, PreparedStatement statement, Stage stage) throws SQLException {
        try {
            // Where it commits, another revision is an error.
            return statement.executeUpdate() == 1 || stage.ownsConnection() ? Fence.MATCHED : Fence.MISSED;
        } catch (SQLException e) {
            if (e.getErrorCode() == NO_SAVEPOINT) {
                return Fence.OTHER_TRANSACTION;
            }
            if (isSignal(e, OTHER_REVISION)) {
                return Fence.MISSED;
            }
            throw stage.ownsConnection() ? ofBlock(e) : e;
        }
    }

    @Override
    Failure failure(SQLException sql) {
        return switch (Failure.code(sql)) {
            case NOWAIT -> Failure.LOCKED;
            case RECORD_CHANGED -> Failure.CONFLICT;
            default -> super.failure(sql);
        };
    }
}
