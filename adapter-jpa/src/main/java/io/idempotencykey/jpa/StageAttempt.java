package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManager;
import jakarta.persistence.OptimisticLockException;
import jakarta.persistence.PersistenceException;
import jakarta.transaction.RollbackException;
import jakarta.transaction.Status;
import jakarta.transaction.Synchronization;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import javax.transaction.xa.XAException;
import org.hibernate.StaleStateException;
import org.hibernate.engine.spi.SessionImplementor;
import org.hibernate.engine.transaction.jta.platform.spi.JtaPlatform;
import org.hibernate.resource.transaction.spi.TransactionCoordinator;
import org.hibernate.resource.transaction.spi.TransactionObserver;
import org.hibernate.resource.transaction.spi.TransactionStatus;
import org.jspecify.annotations.Nullable;

/** One run of a stage's work with its fence, inside a transaction. It remembers how far the run came. */
final class StageAttempt implements Transactions.Work {
    /** How far the attempt has come. */
    private enum Progress {
        /** The work hasn't been called. */
        NEW,
        /** The work was called, and hasn't reached its fence. */
        WORKING,
        /** Another transaction holds the key, and the work was not called. */
        HELD,
        /** Another key is stored, and the work was not called. */
        STORED,
        /** The fence matched nothing. */
        FENCED_OFF,
        /** The work is done, and the fence runs when all callbacks have. */
        WORKED,
        /** The fence matched, or is sent with the commit, which may have been sent. */
        COMMITTING,
        /** The commit was made without the key's row. */
        DROPPED
    }

    /** How the transaction has ended, as its manager says. */
    private enum End {
        NOT_YET,
        COMMITTED,
        /** It was rolled back, or the manager doesn't know how it ended. */
        NOT_COMMITTED
    }

    private final Dialect dialect;
    private final StageKey key;
    private final Isolation isolation;
    private final Duration lease;
    private final Function<EntityManager, StoredProgress> work;

    private Progress progress = Progress.NEW;
    private End end = End.NOT_YET;
    private @Nullable Throwable thrown;
    /** The connection that the stage's work has begun to use. */
    private @Nullable StageConnection used;
    /** Whether the connection has survived an error that would otherwise mean that it hasn't. */
    private boolean isAnswered;
    /** Whether the stage's transaction had ended when it met an error after which it would be run again. */
    private boolean hadEnded;

    private @Nullable Transactions transactions;
    private @Nullable TransactionCoordinator committing;

    /** Whether JTA says that the transaction was rolled back. */
    private boolean isRolledBack;

    private @Nullable Last last;
    /** What the stage has made of its key. */
    private @Nullable Revision proposed;

    /** Called before the stage's own callbacks, so that none of their errors hides what became of the transaction. */
    private final Synchronization first = new Synchronization() {
        @Override
        public void beforeCompletion() {}

        @Override
        public void afterCompletion(int status) {
            end = status == Status.STATUS_COMMITTED ? End.COMMITTED : End.NOT_COMMITTED;
            if (committing != null && last != null) {
                committing.removeObserver(last);
            }
        }
    };

    /**
     * Called after the stage's own callbacks. Only now the fence is run, because what they do may end the transaction,
     * and their errors may be swallowed.
     */
    private final class Last implements TransactionObserver, Synchronization {
        private final TransactionCoordinator coordinator;
        private final StageConnection on;
        private final StoredProgress next;

        Last(TransactionCoordinator coordinator, StageConnection on, StoredProgress next) {
            this.coordinator = coordinator;
            this.on = on;
            this.next = next;
        }

        @Override
        public void afterBegin() {}

        @Override
        public void beforeCompletion() {
            if (coordinator.getTransactionDriverControl().getStatus() == TransactionStatus.MARKED_ROLLBACK) {
                // By a callback. Hibernate would commit all the same, and JTA wouldn't say whose mark it was.
                try {
                    checkActive(coordinator, on);
                } catch (RuntimeException e) {
                    thrown = e;
                    throw e;
                }
            }
            on.fence((statements, commits) -> fence(on, statements, next, commits));
        }

        @Override
        public void afterCompletion(boolean successful, boolean delayed) {}

        /** Hibernate's own callbacks aren't told this. */
        @Override
        public void afterCompletion(int status) {
            isRolledBack = status == Status.STATUS_ROLLEDBACK;
        }
    }

    /** Puts the fence behind the observers that callbacks have added, before Hibernate calls them. */
    private record Behind(TransactionCoordinator coordinator, TransactionObserver last) implements Synchronization {
        @Override
        public void beforeCompletion() {
            coordinator.removeObserver(last);
            coordinator.addObserver(last);
        }

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
            Dialect dialect,
            StageKey key,
            Isolation isolation,
            Duration lease,
            Function<EntityManager, StoredProgress> work) {
        this.dialect = dialect;
        this.key = key;
        this.isolation = isolation;
        this.lease = lease;
        this.work = work;
    }

    /** Runs the stage in a transaction, and returns what became of it. */
    StageCommit in(Transactions itsTransactions) {
        transactions = itsTransactions;
        try {
            itsTransactions.run(isolation, lease, this);
        } catch (Throwable e) {
            return failed(e);
        }
        return ended();
    }

    @Override
    public void in(EntityManager entityManager, StageConnection own) {
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
                if (session.getStatistics().getEntityCount() > 0) {
                    throw new IllegalStateException("the entity manager already holds entities, which may be older than"
                            + " the stage's transaction; NewTransaction must give it an entity manager of its own");
                }
                if (session.isDefaultReadOnly()) {
                    throw new IllegalStateException(
                            "the entity manager only reads, so that changes of entities would be"
                                    + " lost; NewTransaction must begin a transaction that writes");
                }
                begin(own);
                take(own);
                stage(entityManager, session, coordinator, own);
            } catch (Throwable e) {
                isAnswered = switch (ofStage(e)) {
                    case UNCLEAR, LOST -> isAnswered(own);
                    case HEURISTIC, CONFLICT, LOCKED, READ_ONLY, DUPLICATE, REFUSED, NUMBERED, NONE -> false;
                };
                hadEnded = used != null
                        && beforeCommit(e).kind() == StageCommit.Kind.TRANSIENTLY_ROLLED_BACK
                        && hasEnded(own, e);
                forbidCommit(coordinator, e);
                throw e;
            }
        } catch (SQLException e) {
            thrown = e;
            throw new PersistenceException(e);
        } catch (Throwable e) {
            thrown = e;
            throw e;
        }
    }

    /** Whether the connection and its transaction have survived an error. */
    private boolean isAnswered(StageConnection on) {
        try {
            on.ping(promised(on));
            return true;
        } catch (SQLException | RuntimeException e) {
            return false;
        }
    }

    /** Whether the connection is known to be in another transaction than the stage's. */
    private boolean hasEnded(StageConnection on, Throwable after) {
        try {
            return on.hasEnded(promised(on), after);
        } catch (SQLException | RuntimeException e) {
            return false;
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

    private Dialect.Stage promised(StageConnection on) {
        return new Dialect.Stage(isolation, lease, on.isOwned());
    }

    private void begin(StageConnection on) throws SQLException {
        Dialect.Stage stage = promised(on);
        try {
            on.begin(dialect.begin(stage), raw -> dialect.check(raw, stage));
        } catch (SQLException | RuntimeException e) {
            if (Failure.errors(e).stream().anyMatch(dialect::isOtherSettings)) {
                throw new NotCommitted("the data source gave a connection with other settings than before", e);
            }
            throw e;
        }
    }

    @Override
    public StageKey.Taking open(Connection connection, Dialect.Stage stage) {
        try {
            return took(key.open(connection, stage));
        } catch (SQLException | RuntimeException e) {
            progress = Progress.WORKING;
            StoreFailure failure = notTaken(e);
            thrown = failure;
            throw failure;
        }
    }

    private void take(StageConnection on) {
        StageKey.Taking taking;
        try {
            taking = took(key.take(on, promised(on)));
        } catch (SQLException | RuntimeException e) {
            throw notTaken(e);
        }
        switch (taking) {
            case NOT_YET, TAKEN -> {}
            case HELD, STORED -> throw new NotCommitted("the key is held or stored", null);
        }
    }

    private StageKey.Taking took(StageKey.Taking taking) {
        progress = switch (taking) {
            case NOT_YET, TAKEN -> progress;
            case HELD -> Progress.HELD;
            case STORED -> Progress.STORED;
        };
        return taking;
    }

    /** The work wasn't called, so this is the store's failure and not the stage's. */
    private StoreFailure notTaken(Exception cause) {
        return cause instanceof StoreFailure known
                ? known
                : dialect.failure(cause).ofStatement(cause);
    }

    /** The failure of a transaction that the server has rolled back by itself. */
    private static NotCommitted doomed(@Nullable Throwable cause) {
        return new NotCommitted("the stage swallowed an error that ended its transaction", cause);
    }

    private void stage(
            EntityManager entityManager,
            SessionImplementor session,
            TransactionCoordinator coordinator,
            StageConnection on)
            throws SQLException {
        StoredProgress next;
        used = on;
        on.guard(StageConnection.Guard.WORK);
        try {
            next = work.apply(entityManager);
        } finally {
            on.guard(StageConnection.Guard.CALLBACKS);
        }
        if (end != End.NOT_YET) {
            throw new IllegalStateException(
                    "the stage ended its transaction; only the library may commit or roll back");
        }
        // Checked before the flush, too, because a flush fails in a transaction that JTA ended after its time-out.
        checkActive(coordinator, on);
        flush(session);
        checkActive(coordinator, on);
        last = new Last(coordinator, on, next);
        proposed = next.revision();
        if (coordinator.getTransactionCoordinatorBuilder().isJta()) {
            session.getFactory()
                    .getServiceRegistry()
                    .requireService(JtaPlatform.class)
                    .registerSynchronization(last);
        } else {
            coordinator.addObserver(last);
            coordinator.getLocalSynchronizations().registerSynchronization(new Behind(coordinator, last));
        }
        committing = coordinator;
        progress = Progress.WORKED;
    }

    private void flush(SessionImplementor session) {
        try {
            session.flush();
        } catch (RuntimeException e) {
            throw transactions == null ? e : transactions.translated(e);
        }
    }

    private void checkActive(TransactionCoordinator coordinator, StageConnection on) {
        checkDoom(on);
        if (coordinator.getTransactionDriverControl().getStatus() == TransactionStatus.ACTIVE) {
            return;
        }
        if (coordinator.getTransactionDriverControl().getStatus() == TransactionStatus.MARKED_ROLLBACK) {
            // Hibernate marks a transaction, too, after an error by which the server may have ended it.
            try {
                on.ping(promised(on));
            } catch (SQLException | RuntimeException e) {
                switch (dialect.failure(e)) {
                    case DUPLICATE, REFUSED ->
                        throw new IllegalStateException("the stage swallowed an error that ended its transaction", e);
                    case HEURISTIC, CONFLICT, LOCKED, READ_ONLY, NUMBERED, LOST, UNCLEAR, NONE -> throw doomed(e);
                }
            }
        }
        throw new IllegalStateException(
                "the application marked the stage's transaction for rollback, or let it time out, and returned from the"
                        + " stage all the same; everything is rolled back",
                transactions == null ? null : transactions.rollbackCause());
    }

    private static void checkDoom(StageConnection on) {
        SQLException doom = on.doom();
        if (doom != null) {
            throw doomed(doom);
        }
    }

    /** Runs the fence. What it throws is remembered, because the error of a commit would hide it. */
    private void fence(StageConnection on, Statements statements, StoredProgress next, boolean commits)
            throws SQLException {
        try {
            checkDoom(on);
            if (commits) {
                progress = Progress.COMMITTING;
            }
            fence(key.last(statements, promised(on), next, commits), statements);
        } catch (SQLException | RuntimeException e) {
            if (progress == Progress.WORKED) {
                thrown = e;
            }
            throw e;
        }
        if (progress == Progress.WORKED) {
            progress = Progress.COMMITTING;
        }
    }

    private void fence(Dialect.Fence found, Statements statements) throws SQLException {
        switch (found) {
            case MATCHED -> {}
            case MISSED -> {
                progress = Progress.FENCED_OFF;
                throw new NotCommitted("the key has another revision", null);
            }
            case DROPPED -> progress = Progress.DROPPED;
            case OTHER_TRANSACTION -> throw refused(ended(key.isRolledBack(statements)));
            case OTHER_SETTINGS ->
                throw refused(
                        new NotCommitted("the data source gave a connection with other settings than before", null));
        }
    }

    /** The failure of a transaction that has ended, though no error is known by which the server did that. */
    private static RuntimeException ended(boolean isRolledBack) {
        return isRolledBack
                ? doomed(null)
                : new IllegalStateException("the stage's transaction ended before its commit, and what was written in"
                        + " it until then may be committed. Keep out of stages what ends a transaction: on MySQL,"
                        + " MariaDB and H2 that is 'create', 'drop', 'truncate' and the like, too, and procedures that"
                        + " commit or swallow a deadlock");
    }

    /** What the fence let through is not committed, even where it was sent together with the commit. */
    private RuntimeException refused(RuntimeException why) {
        thrown = why;
        progress = Progress.WORKING;
        return why;
    }

    /** What became of a transaction that ended with an exception. */
    StageCommit failed(Throwable failure) {
        return switch (progress) {
            // The work never ran, because there was no connection or it couldn't be set up.
            case NEW ->
                dialect.failure(failure) == Failure.NONE
                        ? beforeCommit(failure)
                        : StageCommit.transientlyRolledBack(failure);
            // Its writes are committed without its key: another run would commit them once more.
            case WORKING, WORKED -> {
                Throwable cause = thrown == null ? failure : thrown;
                yield end == End.COMMITTED || hadEnded ? StageCommit.rolledBack(cause) : beforeCommit(cause);
            }
            case HELD -> StageCommit.held();
            case STORED, FENCED_OFF -> StageCommit.fencedOff();
            // JTA says "committed" even if only some of its resources are.
            case COMMITTING ->
                end == End.COMMITTED
                        ? StageCommit.unknown(failure)
                        : isRolledBack ? rolledBackBehindFence(failure) : dialect.ofCommit(failure);
            case DROPPED -> dropped();
        };
    }

    /**
     * What became of a transaction that JTA's manager says it rolled back after the fence. A reason counts if it arose
     * in a callback, because the commit wasn't sent then: an exception is the application's, and so is a mark, unless
     * Hibernate has set it after an error of the database that the callback swallowed. With any other reason, or with
     * one of the database's, the commit may have been sent.
     */
    private StageCommit rolledBackBehindFence(Throwable failure) {
        List<Throwable> reasons = StoreFailure.chain(failure).stream()
                .filter(RollbackException.class::isInstance)
                .flatMap(each -> Stream.concat(Stream.ofNullable(each.getCause()), Stream.of(each.getSuppressed())))
                .filter(reason ->
                        isMadeIn(reason, frame -> frame.getMethodName().equals("beforeCompletion")))
                .toList();
        boolean isOfDatabase = dialect.failure(failure) != Failure.NONE
                || StoreFailure.chain(failure).stream().anyMatch(XAException.class::isInstance);
        if (reasons.isEmpty() || isOfDatabase) {
            return dialect.ofCommit(failure);
        }
        // Narayana tells where a mark was set by a mere Throwable.
        return reasons.stream()
                        .allMatch(reason -> reason.getClass() == Throwable.class
                                && isMadeIn(
                                        reason, frame -> frame.getClassName().startsWith("org.hibernate.")))
                ? StageCommit.transientlyRolledBack(failure)
                : beforeCommit(failure);
    }

    private static boolean isMadeIn(Throwable thrown, Predicate<StackTraceElement> place) {
        return Stream.of(thrown.getStackTrace()).anyMatch(place);
    }

    /** Whether callbacks may have run after the fence, which JTA orders in its own way. */
    boolean mayBeUndone() {
        return committing != null
                && committing.getTransactionCoordinatorBuilder().isJta();
    }

    /** Whether this attempt has stored the key. */
    boolean hasStored(StoredKey found) {
        return found.revision().equals(proposed);
    }

    /** Whether another key was stored when this one was to be taken. */
    boolean hasMetAnotherKey() {
        return progress == Progress.STORED;
    }

    /** Whether the last write or the commit, which are one message, was refused because of a duplicate. */
    boolean hasMetDuplicate(StageCommit end) {
        return progress == Progress.COMMITTING
                && end.kind() == StageCommit.Kind.ROLLED_BACK
                && dialect.failure(Objects.requireNonNull(end.cause())) == Failure.DUPLICATE;
    }

    /** Whether the key was taken by writing its row, which is refused for a character that the database hasn't. */
    boolean isUnrepresentable() {
        return progress == Progress.WORKING
                && thrown instanceof StoreFailure failure
                && Failure.errors(failure).stream().anyMatch(dialect::isUnrepresentable);
    }

    private StageCommit beforeCommit(Throwable cause) {
        StageConnection on = used;
        List<SQLException> errors = Failure.errors(cause);
        boolean isForeign = on != null && !errors.isEmpty() && errors.stream().noneMatch(on::mayHaveThrown);
        Failure failure = isAnswered || isForeign ? Failure.REFUSED : ofStage(cause);
        return cause instanceof NotCommitted || (failure == Failure.NONE && isStale(cause))
                ? StageCommit.transientlyRolledBack(cause)
                : failure.beforeCommit(cause);
    }

    /**
     * What an error of the stage means. On the adapter's own connection only that connection's errors count, and JTA's
     * heuristic outcomes are of other transactions.
     */
    private Failure ofStage(Throwable thrown) {
        StageConnection on = used;
        return on != null && on.isOwned() ? dialect.failure(thrown, on::mayHaveThrown) : dialect.failure(thrown);
    }

    /** Whether another transaction has changed an entity's version; the next try reads it anew. */
    private static boolean isStale(Throwable thrown) {
        return StoreFailure.chain(thrown).stream()
                .anyMatch(each -> each instanceof OptimisticLockException || each instanceof StaleStateException);
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
            case HELD -> StageCommit.held();
            case STORED, FENCED_OFF -> StageCommit.fencedOff();
            case DROPPED -> dropped();
            case WORKED ->
                switch (end) {
                    case NOT_YET -> joined(Objects.requireNonNull(committing));
                    case COMMITTED ->
                        StageCommit.rolledBack(new IllegalStateException("the stage's writes were committed without"
                                + " its key, because the transaction's callbacks were not run"));
                    case NOT_COMMITTED -> StageCommit.transientlyRolledBack(swallowed());
                };
            case COMMITTING ->
                switch (end) {
                    // Before Hibernate 7.4 no callback says how a transaction ended whose commit failed.
                    case NOT_YET, NOT_COMMITTED -> StageCommit.unknown(swallowed());
                    case COMMITTED -> StageCommit.committed();
                };
        };
    }

    /** Not told as unknown: the stage would be run again, and its writes committed once more. */
    private static StageCommit dropped() {
        return StageCommit.rolledBack(new StoreFailure(
                StoreFailure.Kind.REFUSED,
                "a trigger or a rule of the keys' table dropped the key's row, so that the stage's writes were"
                        + " committed without it and a retry does them once more; remove what drops rows of that table",
                null));
    }

    /** Marks a transaction for rollback if it is still open, because it must not commit the stage's writes. */
    private static StageCommit joined(TransactionCoordinator outer) {
        outer.getTransactionDriverControl().markRollbackOnly();
        return StageCommit.rolledBack(
                new IllegalStateException("the stage joined an outer transaction, or its own was left open; it is now"
                        + " marked for rollback. The transaction given to JpaKeyStore must begin a new one and commit"
                        + " it, or refuse"));
    }

    private static NotCommitted swallowed() {
        return new NotCommitted("the commit rolled back, or its error was swallowed", null);
    }
}
