package io.idempotencykey.jpa;

import jakarta.transaction.Status;
import jakarta.transaction.SystemException;
import jakarta.transaction.Transaction;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.jspecify.annotations.Nullable;

/**
 * Connections of the factory's data source, outside every transaction of the thread.
 *
 * @param provider the factory's
 * @param manager JTA's, which suspends the thread's transaction meanwhile; {@code null} if the factory doesn't use it
 */
record Connections(ConnectionProvider provider, @Nullable TransactionManager manager) {
    /** Work to do on a connection. */
    @FunctionalInterface
    interface Work<R> {
        R on(Connection connection) throws SQLException;
    }

    /** Works on a connection without an open transaction, and returns it. */
    <R> R outside(Work<R> work) throws Exception {
        Transaction outer = manager == null ? null : manager.suspend();
        try {
            Connection connection = provider.getConnection();
            try {
                if (!connection.getAutoCommit()) {
                    // A pool or a wrapper may have sent a query of its own, and so begun a transaction.
                    connection.rollback();
                }
                return work.on(connection);
            } finally {
                provider.closeConnection(connection);
            }
        } finally {
            if (manager != null && outer != null) {
                manager.resume(outer);
            }
        }
    }

    /** Whether the thread has a transaction of JTA's or Spring's. */
    boolean isThreadInTransaction() {
        try {
            return SpringThread.isInTransaction()
                    || (manager != null && manager.getStatus() != Status.STATUS_NO_TRANSACTION);
        } catch (SystemException e) {
            throw new IllegalStateException("the transaction manager doesn't say whether there is a transaction", e);
        }
    }
}
