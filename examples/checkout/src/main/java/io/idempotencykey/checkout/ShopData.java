package io.idempotencykey.checkout;

import java.util.List;
import java.util.Optional;

/**
 * The shop's own data. It is written with the handle of a stage's transaction, so that it commits together with the
 * key.
 *
 * <p>Of two transactions that reserve one cart, only one commits. The other one fails transiently, so that the library
 * runs its stage again.
 *
 * @param <T> the store's transaction handle
 */
public interface ShopData<T> {
    /** The cart's reservation as the transaction sees it. */
    Optional<Reservation> find(T transaction, CartId cart);

    /** The cart's reservation as it is committed. */
    Optional<Reservation> find(CartId cart);

    /** Makes or replaces the cart's reservation. */
    void save(T transaction, Reservation reservation);

    /** Removes the cart's reservation, so that another key may take it. */
    void release(T transaction, CartId cart);

    /** Adds an order. */
    void add(T transaction, Order order);

    /** All committed orders, the oldest first. */
    List<Order> orders();

    /** Adds a review. */
    void add(T transaction, Review review);

    /** All committed reviews, the oldest first. */
    List<Review> reviews();
}
