package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Status;
import jakarta.transaction.Transaction;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.time.Duration;
import java.util.function.Consumer;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;

/**
 * Transactions of the JTA manager that Hibernate is configured with. The thread's open transaction is suspended
 * meanwhile.
 *
 * @param watches whether errors on a stage's connection have to be watched
 */
record JtaTransactions(
        SessionFactory factory, ConnectionProvider connections, TransactionManager manager, boolean watches)
        implements Transactions {
    @Override
    public void run(Isolation isolation, Duration lease, Consumer<EntityManager> work) throws Exception {
        Transaction outer = manager.suspend();
        try {
            manager.begin();
            try {
                commit(work);
            } catch (Throwable e) {
                rollback(e);
                throw e;
            }
        } finally {
            if (outer != null) {
                manager.resume(outer);
            }
        }
    }

    private void commit(Consumer<EntityManager> work) throws Exception {
        Connection connection = connections.getConnection();
        try (Session session = factory.withOptions()
                .connection(watches ? WatchedConnection.watch(connection) : connection)
                .openSession()) {
            session.joinTransaction();
            work.accept(session);
            manager.commit();
        } finally {
            connections.closeConnection(connection);
        }
    }

    private void rollback(Throwable cause) {
        try {
            if (manager.getStatus() != Status.STATUS_NO_TRANSACTION) {
                manager.rollback();
            }
        } catch (Exception e) {
            cause.addSuppressed(e);
        }
    }

    @Override
    public <R> R outside(Work<R> work) throws Exception {
        Transaction outer = manager.suspend();
        try {
            return Transactions.borrowing(connections, work);
        } finally {
            if (outer != null) {
                manager.resume(outer);
            }
        }
    }

    @Override
    public boolean ownsConnections() {
        return false;
    }
}
