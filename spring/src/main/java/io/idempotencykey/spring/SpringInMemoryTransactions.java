package io.idempotencykey.spring;

import io.idempotencykey.inmemory.InMemoryTransactions;
import io.idempotencykey.port.StoreFailure;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;
import java.util.function.Supplier;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.DefaultTransactionDefinition;

/**
 * Runs each stage of an {@link io.idempotencykey.inmemory.InMemoryKeyStore} in a new transaction of the application's
 * transaction manager, for tests of an application without its database's keys.
 *
 * <p>Repositories and {@code @Transactional} methods join the transaction; its isolation and its time-out are the
 * manager's defaults. A stage's handle is whatever the application's code expects, such as the injected entity manager.
 * The keys are in memory, so a crash loses them and keeps what was committed.
 *
 * <p>A commit that fails for a reason that may pass, by Spring's {@link TransientDataAccessException}, is tried again
 * with its stage. The same exception out of the stage itself is the stage's own failure. Code that leaves the
 * transaction is refused or logged; see {@link InnerTransactions}.
 *
 * <p>Safe for many threads.
 *
 * @param <T> the handle that a stage writes with
 */
public final class SpringInMemoryTransactions<T> implements InMemoryTransactions<T> {
    private final PlatformTransactionManager manager;
    private final Supplier<T> handle;
    private final InnerTransactions inner;

    /** The thread's open transactions, the latest first; more than one if a stage may run within another. */
    private final ThreadLocal<Deque<TransactionStatus>> open = ThreadLocal.withInitial(ArrayDeque::new);

    /**
     * Stages in transactions of a manager.
     *
     * @param manager the one that begins the transactions of the application's {@code @Transactional} methods
     * @param handle gives a stage its handle, which follows the thread's transaction
     * @param inner what happens when code in a stage leaves the stage's transaction
     */
    public SpringInMemoryTransactions(PlatformTransactionManager manager, Supplier<T> handle, InnerTransactions inner) {
        this.manager = Objects.requireNonNull(
                manager, "argument 'manager' is null; the application's transaction manager is required");
        this.handle = Objects.requireNonNull(handle, "argument 'handle' is null; a supplier is required");
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
    public T begin() {
        DefaultTransactionDefinition definition =
                new DefaultTransactionDefinition(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
        definition.setName(StageBoundary.TRANSACTION);
        TransactionStatus status = StageBoundary.across(() -> manager.getTransaction(definition));
        try {
            new StageBoundary(inner).register();
            T begun = handle.get();
            open.get().push(status);
            return begun;
        } catch (RuntimeException e) {
            manager.rollback(status);
            throw e;
        }
    }

    private TransactionStatus latest() {
        return Objects.requireNonNull(open.get().peek(), "no transaction was begun on this thread");
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
    public void commit(T transaction) {
        try {
            StageBoundary boundary = StageBoundary.current();
            if (boundary != null) {
                boundary.end();
            }
            manager.commit(latest());
            open.get().pop();
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
    public void rollback(T transaction) {
        TransactionStatus latest = latest();
        open.get().pop();
        if (!latest.isCompleted()) {
            manager.rollback(latest);
        }
    }
}
