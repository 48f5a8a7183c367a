package io.idempotencykey.checkout.data;

import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.Review;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.inmemory.InMemoryTransactions;
import io.idempotencykey.port.StoreFailure;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The shop's data in memory, with transactions. The handle keeps a transaction's writes until the commit, which applies
 * all of them if every reservation that the transaction has read is unchanged.
 */
public final class InMemoryShopData
        implements ShopData<InMemoryShopData.Transaction>, InMemoryTransactions<InMemoryShopData.Transaction> {
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<CartId, Reservation> reservations = new HashMap<>();
    private final List<Order> orders = new ArrayList<>();
    private final List<Review> reviews = new ArrayList<>();

    /** A transaction's handle: what it has read, and what its commit is to write. */
    public static final class Transaction {
        private final Map<CartId, @Nullable Reservation> read = new HashMap<>();
        private final Map<CartId, @Nullable Reservation> written = new HashMap<>();
        private final List<Order> orders = new ArrayList<>();
        private final List<Review> reviews = new ArrayList<>();
    }

    @Override
    public Transaction begin() {
        return new Transaction();
    }

    @Override
    public void commit(Transaction transaction) {
        locked(() -> {
            transaction.read.forEach((cart, reservation) -> {
                if (!Objects.equals(reservations.get(cart), reservation)) {
                    throw new StoreFailure(
                            StoreFailure.Kind.TRANSIENT,
                            "another transaction has changed the cart's reservation",
                            null);
                }
            });
            transaction.written.forEach((cart, reservation) -> {
                if (reservation == null) {
                    reservations.remove(cart);
                } else {
                    reservations.put(cart, reservation);
                }
            });
            orders.addAll(transaction.orders);
            return reviews.addAll(transaction.reviews);
        });
    }

    @Override
    public void rollback(Transaction transaction) {
        // Only the handle has the writes.
    }

    @Override
    public Optional<Reservation> find(Transaction transaction, CartId cart) {
        if (transaction.written.containsKey(cart)) {
            return Optional.ofNullable(transaction.written.get(cart));
        }
        if (!transaction.read.containsKey(cart)) {
            transaction.read.put(cart, find(cart).orElse(null));
        }
        return Optional.ofNullable(transaction.read.get(cart));
    }

    @Override
    public Optional<Reservation> find(CartId cart) {
        return locked(() -> Optional.ofNullable(reservations.get(cart)));
    }

    @Override
    public void save(Transaction transaction, Reservation reservation) {
        // The commit compares only what was read, so a reservation is read before it is overwritten.
        find(transaction, reservation.cart());
        transaction.written.put(reservation.cart(), reservation);
    }

    @Override
    public void release(Transaction transaction, CartId cart) {
        find(transaction, cart);
        transaction.written.put(cart, null);
    }

    @Override
    public void add(Transaction transaction, Order order) {
        transaction.orders.add(order);
    }

    @Override
    public List<Order> orders() {
        return locked(() -> List.copyOf(orders));
    }

    @Override
    public void add(Transaction transaction, Review review) {
        transaction.reviews.add(review);
    }

    @Override
    public List<Review> reviews() {
        return locked(() -> List.copyOf(reviews));
    }

    private <R> R locked(Supplier<R> action) {
        lock.lock();
        try {
            return action.get();
        } finally {
            lock.unlock();
        }
    }
}
