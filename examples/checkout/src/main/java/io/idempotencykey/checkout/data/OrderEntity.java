package io.idempotencykey.checkout.data;

import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Order;
import jakarta.persistence.Embedded;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import org.jspecify.annotations.Nullable;

/** An {@link Order} as it is stored. */
@Entity
@Table(name = "customer_order")
class OrderEntity {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    private @Nullable Long number;

    private String id = "";

    @Embedded
    private CartId cart = new CartId("", "");

    private String email = "";
    private long total;
    private String payment = "";

    /** For the persistence provider. */
    OrderEntity() {}

    OrderEntity(Order order) {
        id = order.id();
        cart = order.cart();
        email = order.email();
        total = order.total();
        payment = order.payment();
    }

    Order value() {
        return new Order(id, cart, email, total, payment);
    }
}
