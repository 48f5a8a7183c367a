package com.example.idempotency.jdbc;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredProgress;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.function.Function;

/**
 * A stage's transaction: begun, fenced and ended by the store alone.
 *
 * <p>A savepoint is set before the stage's work. As long as it is there, the transaction is the one that was begun.
 */
final class StageTransaction {
    private StageTransaction() {}

    /** Another transaction holds the key. */
    static final class Held extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** A stage's work and the last write, which says whether it passed the fence. */
    interface Steps {
        boolean run(Connection connection) throws Exception;
    }

    static StageCommit run(Statements statements, Isolation isolation, Duration lease, Steps steps) {
        Connection connection;
        try {
            connection = statements.open();
        } catch (StoreFailure e) {
            return StageCommit.rolledBack(e);
        }
        try {
            begin(connection, isolation, lease);
            if (steps.run(connection)) {
                return commit(connection);
            }
            rollback(connection);
            return StageCommit.fencedOff();
        } catch (Held e) {
            rollback(connection);
            return StageCommit.held();
        } catch (Throwable e) {
            rollback(connection);
            return rolledBack(e);
        } finally {
            close(connection);
        }
    }

    private static void begin(Connection connection, Isolation isolation, Duration lease) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            // In one round trip, and for this transaction only.
            statement.execute("set transaction isolation level "
                    + isolation.name().replace('_', ' ')
                    + "; set local idle_in_transaction_session_timeout = "
                    + Math.min(lease.toMillis(), Integer.MAX_VALUE)
                    + "; savepoint idempotency_key");
        }
    }

    static StoredProgress work(Connection connection, Function<Connection, StoredProgress> work) throws Exception {
        Handle handle = new Handle(connection);
        StoredProgress next;
        try {
            next = work.apply(handle.connection());
        } finally {
            handle.end();
        }
        // PostgreSQL refuses it if the transaction is aborted, which is transient, and if the stage has ended it.
        try (Statement statement = connection.createStatement()) {
            statement.execute("release savepoint idempotency_key");
            return next;
        } catch (SQLException e) {
            throw "3B001".equals(e.getSQLState())
                    ? new IllegalStateException("the stage has ended its transaction, which is the store's", e)
                    : e;
        }
    }

    private static StageCommit commit(Connection connection) {
        try {
            connection.commit();
            return StageCommit.committed();
        } catch (SQLException e) {
            // What the server says of a commit that it refused; all else leaves open whether it was made.
            if (Statements.isTransient(e) && !Statements.isLost(e)) {
                return StageCommit.transientlyRolledBack(e);
            }
            return String.valueOf(e.getSQLState()).startsWith("23")
                    ? StageCommit.rolledBack(e)
                    : StageCommit.unknown(e);
        }
    }

    /**
     * Before its commit, a transaction whose connection is lost is rolled back for certain.
     *
     * <p>What another database's driver threw within the stage counts as well. An adapter that can tell it apart should.
     */
    private static StageCommit rolledBack(Throwable thrown) {
        boolean passes = StoreFailure.chain(thrown).stream()
                .anyMatch(
                        each -> each instanceof SQLException e && (Statements.isTransient(e) || Statements.isLost(e)));
        return passes ? StageCommit.transientlyRolledBack(thrown) : StageCommit.rolledBack(thrown);
    }

    private static void rollback(Connection connection) {
        try {
            connection.rollback();
        } catch (SQLException lost) {
            // Then the server has rolled back, or does so when it sees that the connection is gone.
        }
    }

    /** Says nothing of what became of the transaction, so its failure must not either. */
    private static void close(Connection connection) {
        try (connection) {
            connection.setAutoCommit(true);
        } catch (SQLException lost) {
            // The pool makes another one.
        }
    }
}
