package io.idempotencykey.spring.docs;

import static io.idempotencykey.RecoveryPoint.STARTED;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.spring.web.Idempotent;
import io.idempotencykey.spring.web.KeyScope;
import jakarta.persistence.EntityManager;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Min;
import jakarta.validation.constraints.NotBlank;
import java.net.URI;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.http.ResponseEntity;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** The application that docs/SPRING.md speaks of. */
@SpringBootConfiguration
@EnableAutoConfiguration
@Import({DocumentedShop.Orders.class, DocumentedShop.Payments.class, DocumentedShop.OrderController.class})
class DocumentedShop {
    private static final RecoveryPoint CHARGED = new RecoveryPoint("charged");

    record NewOrder(@NotBlank String item, int quantity) {}

    record PlacedOrder(long id, String item) {}

    record Checkout(@Min(1) int amount) {}

    static class Orders {
        private final JdbcClient database;

        Orders(JdbcClient database) {
            this.database = database;
        }

        @Transactional
        public PlacedOrder place(NewOrder order) {
            long id = database.sql("select count(*) from placed_order")
                    .query(Long.class)
                    .single();
            database.sql("insert into placed_order values (?, ?)")
                    .params(id, order.item())
                    .update();
            return new PlacedOrder(id, order.item());
        }
    }

    /** A payment provider, which acts once for each of its keys. */
    static class Payments {
        final ConcurrentMap<String, Integer> charges = new ConcurrentHashMap<>();

        int charge(String key) {
            return charges.computeIfAbsent(key, first -> charges.size() + 1);
        }
    }

    @RestController
    static class OrderController {
        private final Orders orders;

        OrderController(Orders orders) {
            this.orders = orders;
        }

        @PostMapping("/orders")
        @Idempotent("place-order")
        ResponseEntity<PlacedOrder> place(@RequestBody @Valid NewOrder order) {
            PlacedOrder placed = orders.place(order);
            return ResponseEntity.created(URI.create("/orders/" + placed.id())).body(placed);
        }

        @PostMapping("/carts/{cart}/complete")
        @Idempotent(operation = "complete-cart")
        void complete(@RequestBody @Valid Checkout checkout) {}
    }

    @Bean
    KeyScope scope() {
        return request -> request.getHeader("X-Tenant");
    }

    @Bean
    Operation<EntityManager> completeCart(IdempotencyKeyService<EntityManager> keys, Payments payments, Orders orders) {
        return keys.operation("complete-cart")
                .stage(STARTED, key -> payments.charge(key.derivedKey("charge")), (stage, charge) -> {})
                .respond(CHARGED, stage -> {
                    String cart = stage.request().typed().text("{cart}");
                    orders.place(new NewOrder("cart " + cart, 1));
                    return Response.of(201, "text/plain", "cart " + cart + " is ordered");
                })
                .build();
    }
}
