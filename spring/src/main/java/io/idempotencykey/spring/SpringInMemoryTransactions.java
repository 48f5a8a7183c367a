package io.idempotencykey.spring;

import io.idempotencykey.inmemory.InMemoryTransactions;
import io.idempotencykey.port.StoreFailure;
import java.util.Objects;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.DefaultTransactionDefinition;

/**
 * Runs each stage of an {@link io.idempotencykey.inmemory.InMemoryKeyStore} in a new transaction of the application's
 * transaction manager, for tests of an application without its database's keys.
 *
 * <p>Repositories and {@code @Transactional} methods join the transaction, whose handle is its status; its isolation and
 * its time-out are the manager's defaults. The keys are in memory, so a crash loses them and keeps what was committed.
 *
 * <p>A commit that fails for a reason that may pass, by Spring's {@link TransientDataAccessException}, is tried again
 * with its stage. The same exception out of the stage itself is the stage's own failure. Code that leaves the transaction
 * is refused or logged; see {@link InnerTransactions}.
 *
 * <p>Safe for many threads.
 */
public final class SpringInMemoryTransactions implements InMemoryTransactions<TransactionStatus> {
    private final PlatformTransactionManager manager;
    private final InnerTransactions inner;

    /**
     * Stages in transactions of a manager.
     *
     * @param manager the one that begins the transactions of the application's {@code @Transactional} methods
     * @param inner what happens when code in a stage leaves the stage's transaction
     */
    public SpringInMemoryTransactions(PlatformTransactionManager manager, InnerTransactions inner) {
        this.manager = Objects.requireNonNull(
                manager, "argument 'manager' is null; the application's transaction manager is required");
        this.inner = Objects.requireNonNull(inner, "argument 'inner' is null; REFUSED or LOGGED is required");
    }

    /**
     * Begins a transaction on this thread, while an open one is suspended.
     *
     * @throws IllegalStateException if the manager doesn't synchronize what takes part in its transactions; nothing has
     *     happened
     * @throws org.springframework.transaction.TransactionException if it can't be begun; nothing has happened
     */
    @Override
    public TransactionStatus begin() {
        DefaultTransactionDefinition definition =
                new DefaultTransactionDefinition(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
        definition.setName(StageBoundary.TRANSACTION);
        TransactionStatus status = StageBoundary.across(() -> manager.getTransaction(definition));
        try {
            new StageBoundary(inner).register();
        } catch (RuntimeException e) {
            manager.rollback(status);
            throw e;
        }
        return status;
    }

    /**
     * Commits.
     *
     * @throws StoreFailure of the kind {@code TRANSIENT} if a failure may pass; nothing is committed
     * @throws IllegalStateException if code in the stage has tried to leave the transaction, and that is refused;
     *     nothing is committed
     * @throws org.springframework.transaction.TransactionException if nothing is committed, unless the connection was
     *     lost meanwhile; such as if a method has marked the transaction for rollback
     */
    @Override
    public void commit(TransactionStatus transaction) {
        try {
            StageBoundary boundary = StageBoundary.current();
            if (boundary != null) {
                boundary.end();
            }
            manager.commit(transaction);
        } catch (RuntimeException e) {
            if (StoreFailure.chain(e).stream().anyMatch(TransientDataAccessException.class::isInstance)) {
                throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "the commit failed, and may work again", e);
            }
            throw e;
        }
    }

    /**
     * Rolls back unless the transaction has ended with its commit.
     *
     * @throws org.springframework.transaction.TransactionException if the connection was lost, and with it the
     *     transaction
     */
    @Override
    public void rollback(TransactionStatus transaction) {
        if (!transaction.isCompleted()) {
            manager.rollback(transaction);
        }
    }
}
