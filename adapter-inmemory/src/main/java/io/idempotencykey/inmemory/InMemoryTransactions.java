package io.idempotencykey.inmemory;

/**
 * The application's own transactions, which commit or roll back together with a key's change.
 *
 * <p>The methods are called on the thread that runs the stage; implementations are safe for many threads. For a
 * conflict that may be gone at the next try, they throw a {@link io.idempotencykey.port.StoreFailure} of the kind
 * {@code TRANSIENT}.
 *
 * @param <T> the handle that a stage writes with
 */
public interface InMemoryTransactions<T> {
    /**
     * Begins a transaction.
     *
     * @return its handle
     */
    T begin();

    /**
     * Makes everything that was written with the handle visible, or throws and changes nothing.
     *
     * <p>While it runs, other attempts to change the key fail as <i>locked</i>.
     *
     * @param transaction from {@link #begin()}
     */
    void commit(T transaction);

    /**
     * Drops everything that was written with the handle. It is also called after a commit that threw.
     *
     * @param transaction from {@link #begin()}; it should refuse further writes, as after a commit
     */
    void rollback(T transaction);
}
