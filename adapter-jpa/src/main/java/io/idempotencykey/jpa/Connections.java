package io.idempotencykey.jpa;

import io.idempotencykey.port.StoreFailure;
import jakarta.transaction.Status;
import jakarta.transaction.SystemException;
import jakarta.transaction.Transaction;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.jspecify.annotations.Nullable;

/** Connections of the factory's data source, outside every transaction of the thread. */
final class Connections {
    private final ConnectionProvider provider;
    private final @Nullable TransactionManager manager;

    /** Whether connections come with autocommit, as the first one did. */
    private volatile @Nullable Boolean autoCommits;

    /** Work to do on a connection. */
    @FunctionalInterface
    interface Work<R> {
        R on(Connection connection) throws SQLException;
    }

    /**
     * Takes connections from a provider.
     *
     * @param provider the factory's
     * @param manager JTA's, which suspends the thread's transaction meanwhile; {@code null} if the factory doesn't use
     *     it
     */
    Connections(ConnectionProvider provider, @Nullable TransactionManager manager) {
        this.provider = provider;
        this.manager = manager;
    }

    ConnectionProvider provider() {
        return provider;
    }

    @Nullable
    TransactionManager manager() {
        return manager;
    }

    /** Works on a connection without an open transaction, and returns it. */
    <R> R outside(Work<R> work) throws Exception {
        Transaction outer = manager == null ? null : manager.suspend();
        try {
            Connection connection = provider.getConnection();
            try {
                endTransaction(connection);
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

    /** Ends the transaction of a pool's or a wrapper's own statements, and refuses that of an application. */
    private void endTransaction(Connection connection) throws SQLException {
        boolean autoCommit = connection.getAutoCommit();
        Boolean first = autoCommits;
        if (first == null) {
            autoCommits = autoCommit;
        } else if (first && !autoCommit) {
            throw new StoreFailure(
                    StoreFailure.Kind.REFUSED,
                    "the data source gave a connection without autocommit, unlike before, so that a transaction may be"
                            + " open on it, which the operation can't be part of. Call it outside the transaction, or"
                            + " give the factory a data source whose connections aren't shared",
                    null);
        }
        if (!autoCommit) {
            // Some data sources take a connection only when it is used.
            connection.createStatement().close();
            // A commit keeps what they have set for the session, such as a tenant's schema.
            connection.commit();
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
