package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Consumer;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.Transaction;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;

/**
 * Resource-local transactions, each in a session of its own on a connection of its own.
 *
 * <p>The connection is taken from Hibernate's provider here and not by the session, so that its settings can be
 * restored after the commit and its errors can be watched.
 */
record LocalTransactions(SessionFactory factory, ConnectionProvider connections, ConnectionSettings settings)
        implements Transactions {
    @Override
    public void run(Isolation isolation, Duration lease, Consumer<EntityManager> work) throws Exception {
        boolean unused = outside(connection -> {
            boolean autoCommit = connection.getAutoCommit();
            try {
                settings.change(connection, isolation);
                Connection seen =
                        settings.watches() ? WatchedConnection.watch(connection) : FencedConnection.of(connection);
                try (Session session = factory.withOptions().connection(seen).openSession()) {
                    run(session, work);
                }
            } finally {
                restore(connection, isolation, lease, autoCommit);
            }
            return true;
        });
    }

    private static void run(Session session, Consumer<EntityManager> work) {
        Transaction transaction = session.beginTransaction();
        try {
            work.accept(session);
        } catch (Throwable e) {
            try {
                transaction.rollback();
            } catch (RuntimeException failed) {
                e.addSuppressed(failed);
            }
            throw e;
        }
        transaction.commit();
    }

    private void restore(Connection connection, Isolation isolation, Duration lease, boolean autoCommit)
            throws SQLException {
        try {
            if (!connection.isClosed()) {
                if (!connection.getAutoCommit()) {
                    connection.rollback();
                    connection.setAutoCommit(autoCommit);
                }
                settings.restore(connection, isolation, lease);
            }
        } catch (SQLException e) {
            // The transaction's outcome is known, or another exception reports it. A connection whose settings can't be
            // restored must not be used again.
            connection.abort(Runnable::run);
        }
    }

    @Override
    public <R> R outside(Work<R> work) throws Exception {
        return Transactions.borrowing(connections, work);
    }

    @Override
    public boolean ownsConnections() {
        return true;
    }
}
