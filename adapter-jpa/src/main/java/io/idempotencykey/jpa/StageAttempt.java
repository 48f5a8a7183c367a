package io.idempotencykey.jpa;

import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManager;
import jakarta.transaction.Status;
import jakarta.transaction.Synchronization;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Function;
import org.hibernate.engine.spi.SessionImplementor;
import org.hibernate.engine.transaction.jta.platform.spi.JtaPlatform;
import org.hibernate.resource.transaction.spi.TransactionCoordinator;
import org.hibernate.resource.transaction.spi.TransactionObserver;
import org.hibernate.resource.transaction.spi.TransactionStatus;
import org.jspecify.annotations.Nullable;

/** One run of a stage's work with its fence, inside a transaction. It remembers how far the run came. */
final class StageAttempt implements Consumer<EntityManager> {
    /** How far the attempt has come. */
    private enum Progress {
        /** The work hasn't been called. */
        NEW,
        /** The work was called, and hasn't reached its fence. */
        WORKING,
        /** The fence matched nothing. */
        FENCED_OFF,
        /** The fence matched, or it is sent with the commit. */
        FENCED,
        /** The commit may have been sent. */
        COMMITTING
    }

    /** How the transaction has ended, as its manager says. */
    private enum End {
        NOT_YET,
        COMMITTED,
        /** It was rolled back, or the manager doesn't know how it ended. */
        NOT_COMMITTED
    }

    private final KeyTable table;
    private final StoredKey held;
    private final ConnectionSettings settings;
    private final List<String> begin;
    private final Transactions transactions;
    private final Function<EntityManager, StoredProgress> work;

    private Progress progress = Progress.NEW;
    private End end = End.NOT_YET;
    private @Nullable Throwable thrown;
    private @Nullable TransactionCoordinator committing;

    private final Last last = new Last();

    /** Called before the stage's own callbacks, so that none of their errors hides what became of the transaction. */
    private final Synchronization first = new Synchronization() {
        @Override
        public void beforeCompletion() {}

        @Override
        public void afterCompletion(int status) {
            end = status == Status.STATUS_COMMITTED ? End.COMMITTED : End.NOT_COMMITTED;
            if (committing != null) {
                committing.removeObserver(last);
            }
        }
    };

    /** Called after the stage's own callbacks; from here on the commit may have been sent. */
    private final class Last implements TransactionObserver, Synchronization {
        @Override
        public void afterBegin() {}

        @Override
        public void beforeCompletion() {
            progress = Progress.COMMITTING;
        }

        @Override
        public void afterCompletion(boolean successful, boolean delayed) {}

        @Override
        public void afterCompletion(int status) {}
    }

    /** Rolls back the transaction of a stage that must not be committed. */
    private static final class NotCommitted extends RuntimeException {
        private static final long serialVersionUID = 1L;

        NotCommitted(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    StageAttempt(
            KeyTable table,
            StoredKey held,
            ConnectionSettings settings,
            List<String> begin,
            Transactions transactions,
            Function<EntityManager, StoredProgress> work) {
        this.table = table;
        this.held = held;
        this.settings = settings;
        this.begin = begin;
        this.transactions = transactions;
        this.work = work;
    }

    @Override
    public void accept(EntityManager entityManager) {
        if (progress != Progress.NEW) {
            throw new IllegalStateException(
                    "the transaction called the stage's work twice; it must call it once, because only the library"
                            + " runs a stage again");
        }
        progress = Progress.WORKING;
        try {
            SessionImplementor session = entityManager.unwrap(SessionImplementor.class);
            TransactionCoordinator coordinator = session.getTransactionCoordinator();
            if (!session.isTransactionInProgress()) {
                throw new IllegalStateException(
                        "the entity manager has no part in the new transaction; its factory and the transaction"
                                + " manager must belong together");
            }
            coordinator.getLocalSynchronizations().registerSynchronization(first);
            try {
                if (!begin.isEmpty()) {
                    session.doWork(this::begin);
                }
                stage(entityManager, session, coordinator);
            } catch (Throwable e) {
                forbidCommit(coordinator, e);
                throw e;
            }
        } catch (Throwable e) {
            thrown = e;
            throw e;
        }
    }

    /** Marks the transaction for rollback, because a transaction manager may swallow the error and commit. */
    private static void forbidCommit(TransactionCoordinator coordinator, Throwable cause) {
        try {
            coordinator.getTransactionDriverControl().markRollbackOnly();
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    private void begin(Connection connection) throws SQLException {
        if (!FencedConnection.beginBy(connection, begin)) {
            // PostgreSQL takes several statements in one round trip; on the other databases there is only one.
            ConnectionSettings.execute(connection, String.join("; ", begin));
        }
    }

    /** The failure of a transaction that the server has rolled back by itself. */
    private static NotCommitted doomed(SQLException cause) {
        return new NotCommitted("the stage swallowed an error that ended its transaction", cause);
    }

    private void stage(EntityManager entityManager, SessionImplementor session, TransactionCoordinator coordinator) {
        Connection guarded = session.<Connection>doReturningWork(connection -> connection);
        StoredProgress next;
        StageGuard.running(guarded, true);
        try {
            next = work.apply(entityManager);
        } finally {
            StageGuard.running(guarded, false);
        }
        if (end != End.NOT_YET) {
            throw new IllegalStateException(
                    "the stage ended its transaction; only the library may commit or roll back");
        }
        // Checked before the flush, too, because a flush fails in a transaction that JTA ended after its time-out.
        checkActive(coordinator);
        session.flush();
        checkActive(coordinator);
        session.doWork(connection -> {
            SQLException doom = WatchedConnection.doom(connection);
            if (doom != null) {
                throw doomed(doom);
            }
            boolean withCommit = FencedConnection.commitBy(
                    connection, raw -> fence(table.advanceAndCommit(raw, held.id(), held.revision(), next)));
            if (!withCommit) {
                fence(last(connection, next));
            }
        });
        if (coordinator.getTransactionCoordinatorBuilder().isJta()) {
            session.getFactory()
                    .getServiceRegistry()
                    .requireService(JtaPlatform.class)
                    .registerSynchronization(last);
        } else {
            coordinator.addObserver(last);
        }
        committing = coordinator;
        progress = Progress.FENCED;
    }

    private static void checkActive(TransactionCoordinator coordinator) {
        if (coordinator.getTransactionDriverControl().getStatus() != TransactionStatus.ACTIVE) {
            throw new NotCommitted("the transaction is marked for rollback, or has timed out", null);
        }
    }

    private boolean last(Connection connection, StoredProgress next) throws SQLException {
        Statements statements = settings.last(connection, transactions);
        try {
            return table.advance(statements, held.id(), held.revision(), next);
        } catch (SQLException e) {
            if (settings.isOtherTransaction(e)) {
                throw doomed(e);
            }
            throw e;
        }
    }

    private void fence(boolean matched) {
        if (!matched) {
            progress = Progress.FENCED_OFF;
            throw new NotCommitted("the key has another revision", null);
        }
    }

    /** What became of a transaction that ended with an exception. */
    StageCommit failed(Throwable failure) {
        return switch (progress) {
            // The work never ran, because there was no connection or it couldn't be set up.
            case NEW ->
                Failure.of(failure) == Failure.NONE
                        ? beforeCommit(failure)
                        : StageCommit.transientlyRolledBack(failure);
            case WORKING, FENCED ->
                end == End.COMMITTED ? StageCommit.unknown(failure) : beforeCommit(thrown == null ? failure : thrown);
            case FENCED_OFF -> StageCommit.fencedOff();
            // JTA says "committed" even if only some of its resources are.
            case COMMITTING -> end == End.COMMITTED ? StageCommit.unknown(failure) : Failure.ofCommit(failure);
        };
    }

    private static StageCommit beforeCommit(Throwable cause) {
        return cause instanceof NotCommitted ? StageCommit.transientlyRolledBack(cause) : Failure.beforeCommit(cause);
    }

    /** What became of a transaction that seems to have been committed. */
    StageCommit ended() {
        if (thrown != null) {
            return failed(thrown);
        }
        return switch (progress) {
            case NEW, WORKING ->
                StageCommit.rolledBack(
                        new IllegalStateException("the transaction manager didn't run the stage's work"));
            case FENCED_OFF -> StageCommit.fencedOff();
            case FENCED, COMMITTING ->
                switch (end) {
                    // Before Hibernate 7.4 no callback says how a transaction ended whose commit failed.
                    case NOT_YET ->
                        progress == Progress.COMMITTING ? notCommitted() : joined(Objects.requireNonNull(committing));
                    case COMMITTED -> StageCommit.committed();
                    case NOT_COMMITTED -> notCommitted();
                };
        };
    }

    /** Marks a transaction for rollback if it is still open, because it must not commit the stage's writes. */
    private static StageCommit joined(TransactionCoordinator outer) {
        outer.getTransactionDriverControl().markRollbackOnly();
        return StageCommit.rolledBack(
                new IllegalStateException("the stage joined an outer transaction, or its own was left open; it is now"
                        + " marked for rollback. The transaction given to JpaKeyStore must begin a new one and commit"
                        + " it, or refuse"));
    }

    private StageCommit notCommitted() {
        NotCommitted swallowed = new NotCommitted("the commit rolled back, or its error was swallowed", null);
        return progress == Progress.COMMITTING
                ? StageCommit.unknown(swallowed)
                : StageCommit.transientlyRolledBack(swallowed);
    }
}
