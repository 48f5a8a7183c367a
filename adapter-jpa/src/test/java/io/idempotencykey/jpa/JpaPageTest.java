package io.idempotencykey.jpa;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What stands in docs/JPA.md; its part with Spring is in the module spring-tests. */
class JpaPageTest {
    @Entity
    static class PlacedOrder {
        @Id
        String id = "";

        PlacedOrder() {}

        PlacedOrder(String id) {
            this.id = id;
        }
    }

    @Test
    void anOrderIsPlacedOnce() {
        try (HikariDataSource pool = TestDatabase.pool(TestDatabase.H2.create(), 5);
                EntityManagerFactory entityManagerFactory =
                        TestDatabase.factory("shop", pool, Map.of("hibernate.hbm2ddl.auto", "update"))) {
            IdempotencyKeyService<EntityManager> keys =
                    new IdempotencyKeyService<>(new JpaKeyStore(entityManagerFactory));
            Operation<EntityManager> placeOrder = keys.operation("place-order")
                    .respond(STARTED, stage -> {
                        stage.transaction().persist(new PlacedOrder("order-1"));
                        return Response.of(201, "text/plain", "order-1");
                    })
                    .build();

            assertThat(run(keys, placeOrder)).isFalse();
            assertThat(run(keys, placeOrder)).isTrue();
        }
    }

    private static boolean run(IdempotencyKeyService<EntityManager> keys, Operation<EntityManager> operation) {
        return keys.run(operation, KeyId.of("key"), Request.of("POST", "/orders", Map.of()))
                .replayed();
    }
}
