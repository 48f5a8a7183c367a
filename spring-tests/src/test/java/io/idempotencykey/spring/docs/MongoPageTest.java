package io.idempotencykey.spring.docs;

import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.spring.MongoServer;
import io.idempotencykey.spring.SpringMongoKeyStore;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.annotation.Id;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.data.mongodb.core.SimpleMongoClientDatabaseFactory;
import org.springframework.data.mongodb.repository.MongoRepository;
import org.springframework.data.mongodb.repository.config.EnableMongoRepositories;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;

/** The code of docs/MONGODB.md that is about Spring, without Spring Boot. */
class MongoPageTest {
    record Order(@Id String cart) {}

    interface OrderRepository extends MongoRepository<Order, String> {}

    static class Orders {
        private final OrderRepository repository;

        Orders(OrderRepository repository) {
            this.repository = repository;
        }

        @Transactional
        public void place(String cart) {
            repository.insert(new Order(cart));
        }
    }

    @Configuration
    @EnableTransactionManagement
    @EnableMongoRepositories(considerNestedRepositories = true)
    static class Shop {
        @Bean
        MongoClient client() {
            return MongoClients.create(MongoServer.url("shop"));
        }

        @Bean
        MongoDatabaseFactory factory(MongoClient client) {
            return new SimpleMongoClientDatabaseFactory(client, MongoServer.newDatabase());
        }

        @Bean
        MongoTransactionManager transactionManager(MongoDatabaseFactory factory) {
            return new MongoTransactionManager(factory);
        }

        @Bean
        MongoTemplate mongoTemplate(MongoDatabaseFactory factory) {
            return new MongoTemplate(factory);
        }

        @Bean
        Orders orders(OrderRepository repository) {
            return new Orders(repository);
        }

        @Bean
        IdempotencyKeyService<ClientSession> keys(MongoClient client, MongoDatabaseFactory factory) {
            MongoKeyStore store = new MongoKeyStore(client, "shop", "idempotency_keys");
            store.createIndexes();
            return new IdempotencyKeyService<>(new SpringMongoKeyStore(store, factory));
        }
    }

    @Test
    void aServicesOrderIsPlacedWithItsKey() {
        try (AnnotationConfigApplicationContext shop = new AnnotationConfigApplicationContext(Shop.class)) {
            @SuppressWarnings("unchecked") // the only service
            IdempotencyKeyService<ClientSession> keys = shop.getBean(IdempotencyKeyService.class);
            Orders orders = shop.getBean(Orders.class);
            String cartId = MongoServer.newDatabase();
            KeyId id = KeyId.of(cartId);
            Request request = Request.of("POST", "/orders", Map.of("cart", cartId));

            Execution placed = keys.once("place-order", id, request, stage -> {
                orders.place(cartId); // @Transactional, with a MongoRepository
                return Response.of(201, "text/plain", "ordered");
            });

            assertThat(placed.response().status()).isEqualTo(201);
            assertThat(shop.getBean(OrderRepository.class).findAll()).containsExactly(new Order(cartId));
        }
    }
}
