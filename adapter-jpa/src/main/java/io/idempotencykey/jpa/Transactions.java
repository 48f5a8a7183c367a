package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Status;
import jakarta.transaction.SystemException;
import jakarta.transaction.Transaction;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Supplier;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.jspecify.annotations.Nullable;

/** Where a stage's transaction comes from. */
sealed interface Transactions {
    /** A stage's work in its transaction. */
    @FunctionalInterface
    interface Work {
        void in(EntityManager entityManager, StageConnection connection);

        /**
         * Begins the transaction on the adapter's own connection, before a session has it.
         *
         * @param connection the connection, outside a transaction
         * @param stage what the transaction is promised
         * @return whether the session has to begin it, it has begun, or there is nothing to do in it
         */
        default StageKey.Taking open(Connection connection, Dialect.Stage stage) throws SQLException {
            return StageKey.Taking.NOT_YET;
        }
    }

    /** Runs work in a new top-level transaction and commits it; throws what the work or the commit throws. */
    void run(Isolation isolation, Duration lease, Work work) throws Exception;

    /** Runs the stage itself, and fails if what Spring has bound to the thread wrote apart from the transaction. */
    <R> R stage(Supplier<R> stage);

    /** Why the application has marked the thread's transaction for rollback, as far as that is known. */
    default @Nullable Throwable rollbackCause() {
        return null;
    }

    /** What the application knows a failure of the library's own flush as. */
    default RuntimeException translated(RuntimeException failure) {
        return failure;
    }

    /**
     * Resource-local transactions, each in a session of its own on a connection of its own.
     *
     * <p>The connection is taken from Hibernate's provider here and not by the session, so that its settings can be
     * restored after the commit and its errors can be watched.
     */
    record Local(SessionFactory factory, Connections connections, Dialect dialect) implements Transactions {
        @Override
        public void run(Isolation isolation, Duration lease, Work work) throws Exception {
            boolean unused = connections.outside(connection -> {
                Dialect.Stage stage = new Dialect.Stage(isolation, lease, true);
                boolean autoCommit = connection.getAutoCommit();
                boolean hasEnded = false;
                try {
                    dialect.prepare(connection, stage);
                    StageKey.Taking taking = work.open(connection, stage);
                    switch (taking) {
                        case NOT_YET, TAKEN -> {
                            boolean hasBegun = taking == StageKey.Taking.TAKEN;
                            OwnConnection own = new OwnConnection(connection, dialect, hasBegun);
                            try (Session session = factory.withOptions()
                                    .connection(own.proxy())
                                    .openSession()) {
                                run(session, own, work);
                            }
                        }
                        case HELD, STORED -> {}
                    }
                    hasEnded = true;
                } finally {
                    restore(connection, stage, autoCommit, hasEnded);
                }
                return true;
            });
        }

        @Override
        public <R> R stage(Supplier<R> stage) {
            return SpringThread.apart(factory, stage);
        }

        private static void run(Session session, OwnConnection own, Work work) {
            org.hibernate.Transaction transaction = session.beginTransaction();
            try {
                work.in(session, own);
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

        private void restore(Connection connection, Dialect.Stage stage, boolean autoCommit, boolean hasEnded)
                throws SQLException {
            try {
                if (!connection.isClosed()) {
                    if (!hasEnded && dialect.locksKeys()) {
                        // A statement may have begun the transaction in autocommit. This sends nothing.
                        connection.setAutoCommit(false);
                    }
                    // A transaction that has ended needs no rollback where autocommit goes on after it.
                    if (!connection.getAutoCommit() && !(hasEnded && autoCommit)) {
                        connection.rollback();
                    }
                    if (connection.getAutoCommit() != autoCommit) {
                        connection.setAutoCommit(autoCommit);
                    }
                    dialect.restore(connection, stage);
                }
            } catch (SQLException e) {
                // The transaction's outcome is known, or another exception reports it. A connection whose settings
                // can't be restored must not be used again.
                connection.abort(Runnable::run);
            }
        }
    }

    /**
     * Transactions of the JTA manager that Hibernate is configured with. The thread's open transaction is suspended
     * meanwhile.
     *
     * @param current the entity manager of the thread's transaction, which repositories share
     */
    record Jta(
            SessionFactoryImplementor factory,
            TransactionManager manager,
            Supplier<EntityManager> current,
            Dialect dialect)
            implements Transactions {
        @Override
        public void run(Isolation isolation, Duration lease, Work work) throws Exception {
            Transaction outer = manager.suspend();
            try {
                manager.begin();
                Transaction own = manager.getTransaction();
                try {
                    StageConnection.OfSession.of(factory, current.get(), dialect, work);
                    manager.commit();
                } catch (Throwable e) {
                    rollback(own, e);
                    throw e;
                }
            } finally {
                if (outer != null) {
                    manager.resume(outer);
                }
            }
        }

        @Override
        public <R> R stage(Supplier<R> stage) {
            Transaction own = ofThread();
            R result = stage.get();
            if (own == null || !own.equals(ofThread())) {
                throw new IllegalStateException(
                        "the stage suspended or ended its transaction; only the library may commit or roll back");
            }
            return result;
        }

        private @Nullable Transaction ofThread() {
            try {
                return manager.getTransaction();
            } catch (SystemException e) {
                throw new IllegalStateException(e);
            }
        }

        /** Also if the stage has taken its transaction from the thread, or else the key would be held meanwhile. */
        private void rollback(Transaction own, Throwable cause) {
            try {
                if (own.equals(manager.getTransaction())) {
                    manager.rollback();
                } else if (own.getStatus() == Status.STATUS_ACTIVE
                        || own.getStatus() == Status.STATUS_MARKED_ROLLBACK) {
                    // Pools end a transaction's connection well only where the transaction is the thread's.
                    manager.suspend();
                    manager.resume(own);
                    manager.rollback();
                }
            } catch (Exception e) {
                cause.addSuppressed(e);
            }
        }
    }

    /** Transactions that the application's {@link NewTransaction} begins and commits. */
    record Given(
            SessionFactoryImplementor factory, Connections connections, NewTransaction transaction, Dialect dialect)
            implements Transactions {
        @Override
        public void run(Isolation isolation, Duration lease, Work work) {
            SpringThread.withoutSessionOf(
                    factory,
                    () -> transaction.run(
                            dialect.needsIsolation(isolation) ? isolation : null,
                            lease,
                            entityManager -> StageConnection.OfSession.of(factory, entityManager, dialect, work)));
        }

        @Override
        public <R> R stage(Supplier<R> stage) {
            if (connections.manager() != null) {
                return stage.get();
            }
            return SpringThread.isInTransaction()
                    ? SpringThread.within(connections.provider(), stage)
                    : SpringThread.apart(factory, stage);
        }

        @Override
        public @Nullable Throwable rollbackCause() {
            return transaction.rollbackCause();
        }

        @Override
        public RuntimeException translated(RuntimeException failure) {
            return transaction.translated(failure);
        }
    }
}
