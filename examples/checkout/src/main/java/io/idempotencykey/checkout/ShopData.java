package io.idempotencykey.checkout;

import java.util.List;
import java.util.Optional;

/**
 * The shop's own data, written with the handle of a stage's transaction, so that it commits together with the key.
 *
 * <p>Two transactions that reserve one cart never both commit: the later one fails in a way that has its stage run
 * again.
 *
 * @param <T> the store's transaction handle
 */
interface ShopData<T> {
    /** The cart's reservation as the transaction sees it. */
    Optional<Reservation> find(T transaction, CartId cart);

    /** The cart's reservation as it is committed. */
    Optional<Reservation> find(CartId cart);

    /** Makes or replaces the cart's reservation. */
    void save(T transaction, Reservation reservation);

    /** Gives the cart back. */
    void release(T transaction, CartId cart);

    void add(T transaction, Order order);

    /** All committed orders, the oldest first. */
    List<Order> orders();
}
