package io.idempotencykey.contract;

import io.idempotencykey.port.KeyStore;
import java.util.Optional;

/**
 * What the suite needs of a store under test: the store, and rows of an application that are written with its handle.
 *
 * @param <T> the handle that a stage writes with
 */
interface StoreFixture<T> {
    /**
     * The store, with whatever keys other tests left in it.
     *
     * @return the same one for all tests, or one over the same data
     */
    KeyStore<T> store();

    /**
     * The store without any key. Its rows may stay.
     *
     * @return the store that {@link #store()} returns from now on, or one over the same data
     */
    KeyStore<T> emptyStore();

    /**
     * Inserts a row as an application would, and throws the store's own exception if the name is taken.
     *
     * <p>A checked exception is wrapped, and not in an {@link IllegalStateException}: that is what a handle throws
     * which refuses use after its stage, and has to come through as it is.
     *
     * @param transaction the stage's handle
     * @param name the row's name
     * @param value the row's value
     */
    void insert(T transaction, String name, String value);

    /**
     * Changes the value of a row that is there.
     *
     * @param transaction the stage's handle
     * @param name the row's name
     * @param value the row's new value
     */
    void update(T transaction, String name, String value);

    /**
     * Reads a row inside a stage.
     *
     * @param transaction the stage's handle
     * @param name the row's name
     * @return the row's value as the stage's transaction sees it; empty if it sees no such row
     */
    Optional<String> read(T transaction, String name);

    /**
     * Reads a row from outside, without waiting for open transactions.
     *
     * @param name the row's name
     * @return the row's value as it was last committed; empty if there is no such row
     */
    Optional<String> read(String name);
}
