package io.idempotencykey.checkout.data;

import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.Review;
import io.idempotencykey.checkout.ShopData;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.OptimisticLockException;
import jakarta.persistence.PersistenceException;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The shop's data as entities, which are written with the stage's own entity manager. */
public final class JpaShopData implements ShopData<EntityManager> {
    /** The entities that the persistence unit needs, beside the library's. */
    public static final List<Class<?>> ENTITIES =
            List.of(ReservationEntity.class, OrderEntity.class, ReviewEntity.class);

    private static final int MARIADB_DUPLICATE = 1062;

    private final EntityManagerFactory factory;

    public JpaShopData(EntityManagerFactory factory) {
        this.factory = factory;
    }

    @Override
    public Optional<Reservation> find(EntityManager transaction, CartId cart) {
        return Optional.ofNullable(transaction.find(ReservationEntity.class, cart))
                .map(ReservationEntity::value);
    }

    @Override
    public Optional<Reservation> find(CartId cart) {
        return factory.callInTransaction(transaction -> find(transaction, cart));
    }

    /** The primary key keeps two transactions from reserving one cart; on H2, the isolation alone would not. */
    @Override
    public void save(EntityManager transaction, Reservation reservation) {
        try {
            ReservationEntity stored = transaction.find(ReservationEntity.class, reservation.cart());
            if (stored == null) {
                transaction.persist(new ReservationEntity(reservation));
            } else {
                stored.update(reservation);
            }
            transaction.flush();
        } catch (PersistenceException e) {
            if (isDuplicate(e)) {
                // The library runs the stage again, which then finds the reservation. The cause isn't passed on, since
                // the library would take a duplicate for a failure that running again can't mend.
                throw new OptimisticLockException("another transaction has reserved the cart");
            }
            throw e;
        }
    }

    private static boolean isDuplicate(@Nullable Throwable thrown) {
        if (thrown instanceof SQLException sql) {
            return "23505".equals(sql.getSQLState()) || sql.getErrorCode() == MARIADB_DUPLICATE;
        }
        return thrown != null && isDuplicate(thrown.getCause());
    }

    @Override
    public void release(EntityManager transaction, CartId cart) {
        ReservationEntity stored = transaction.find(ReservationEntity.class, cart);
        if (stored != null) {
            transaction.remove(stored);
        }
    }

    @Override
    public void add(EntityManager transaction, Order order) {
        transaction.persist(new OrderEntity(order));
    }

    @Override
    public List<Order> orders() {
        return factory.callInTransaction(transaction -> transaction
                .createQuery("select o from OrderEntity o order by o.number", OrderEntity.class)
                .getResultStream()
                .map(OrderEntity::value)
                .toList());
    }

    @Override
    public void add(EntityManager transaction, Review review) {
        transaction.persist(new ReviewEntity(review));
    }

    @Override
    public List<Review> reviews() {
        return factory.callInTransaction(transaction -> transaction
                .createQuery("select r from ReviewEntity r order by r.number", ReviewEntity.class)
                .getResultStream()
                .map(ReviewEntity::value)
                .toList());
    }
}
