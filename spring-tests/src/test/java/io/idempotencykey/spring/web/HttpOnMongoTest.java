package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.mongodb.client.MongoClient;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.spring.MongoServer;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.data.annotation.Id;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.data.mongodb.core.SimpleMongoClientDatabaseFactory;
import org.springframework.data.mongodb.repository.MongoRepository;
import org.springframework.data.mongodb.repository.config.EnableMongoRepositories;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;

/** Requests to an application over MongoDB, which has no transaction manager. */
class HttpOnMongoTest {
    private static ConfigurableApplicationContext application;
    private static Client client;
    private static Controller controller;
    private static Purchases purchases;

    private final String key = UUID.randomUUID().toString();

    record Purchase(@Id @Nullable String id, String item) {}

    interface Purchases extends MongoRepository<Purchase, String> {
        List<Purchase> findByItem(String item);
    }

    record NewPurchase(String item) {}

    @ResponseStatus(HttpStatus.NOT_FOUND)
    static class NoSuchItem extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    @EnableMongoRepositories(considerNestedRepositories = true)
    static class Shop {}

    @RestController
    static class Controller {
        final AtomicInteger calls = new AtomicInteger();
        private final Purchases purchases;
        private final MongoTemplate template;

        Controller(Purchases purchases, MongoTemplate template) {
            this.purchases = purchases;
            this.template = template;
        }

        @PostMapping("/purchases")
        @Idempotent("purchase")
        @ResponseStatus(HttpStatus.CREATED)
        Purchase purchase(@RequestBody NewPurchase purchase) {
            calls.incrementAndGet();
            Purchase sold = purchases.save(new Purchase(null, purchase.item()));
            template.insert(new Purchase(null, "receipt for " + purchase.item()));
            if (purchase.item().equals("unknown")) {
                throw new NoSuchItem();
            }
            return sold;
        }
    }

    private static ConfigurableApplicationContext run(Class<?>... sources) {
        String url = MongoServer.url(MongoServer.newDatabase());
        return new SpringApplicationBuilder(sources)
                .run(
                        "--server.port=0",
                        "--spring.autoconfigure.exclude=" + String.join(",", Applications.JPA),
                        "--spring.data.mongodb.uri=" + url,
                        "--spring.mongodb.uri=" + url,
                        "--" + HttpContract.ASKS_THE_STORE);
    }

    @BeforeAll
    static void start() {
        application = run(Shop.class, Controller.class);
        client = new Client(Integer.parseInt(application.getEnvironment().getRequiredProperty("local.server.port")));
        controller = application.getBean(Controller.class);
        purchases = application.getBean(Purchases.class);
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    private static String json(String item) {
        return "{\"item\": \"" + item + "\"}";
    }

    @Test
    void aRetryGetsTheFirstResponseByteForByte() {
        String item = "item of " + key;
        int before = controller.calls.get();

        HttpResponse<String> first = client.post("/purchases", key, json(item));
        HttpResponse<String> retry = client.post("/purchases", key, json(item));

        assertThat(first.statusCode()).as(first.body()).isEqualTo(201);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).contains("true");
        assertThat(controller.calls.get()).isEqualTo(before + 1);
        assertThat(purchases.findByItem(item)).hasSize(1);
        assertThat(purchases.findByItem("receipt for " + item)).hasSize(1);
    }

    @Test
    void whatIsA404IsTheAnswerAndItsWritesAreRolledBack() {
        int before = controller.calls.get();

        HttpResponse<String> first = client.post("/purchases", key, json("unknown"));
        HttpResponse<String> retry = client.post("/purchases", key, json("unknown"));

        assertThat(first.statusCode()).isEqualTo(404);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(controller.calls.get()).isEqualTo(before + 1);
        assertThat(purchases.findByItem("unknown")).isEmpty();
        assertThat(purchases.findByItem("receipt for unknown")).isEmpty();
    }

    @Test
    void manyCopiesRunOnce() throws Exception {
        int copies = 6;
        CyclicBarrier together = new CyclicBarrier(copies);
        ExecutorService executor = Executors.newFixedThreadPool(copies);
        String item = "race of " + key;
        try {
            List<Future<HttpResponse<String>>> sent = new ArrayList<>();
            for (int i = 0; i < copies; i++) {
                sent.add(executor.submit(() -> {
                    together.await(1, TimeUnit.MINUTES);
                    return client.post("/purchases", key, json(item));
                }));
            }
            for (Future<HttpResponse<String>> each : sent) {
                assertThat(each.get(2, TimeUnit.MINUTES).statusCode()).isIn(201, 409);
            }
        } finally {
            executor.shutdownNow();
        }
        assertThat(purchases.findByItem(item)).hasSize(1);
        assertThat(purchases.findByItem("receipt for " + item)).hasSize(1);
    }

    @Configuration(proxyBeanMethods = false)
    static class WithAPlainStore {
        @Bean
        MongoKeyStore store(MongoClient client) {
            return new MongoKeyStore(client, MongoServer.newDatabase(), "keys");
        }
    }

    @Test
    void aStoreInWhoseTransactionsTemplatesHaveNoPartIsRefused() {
        assertThatThrownBy(() -> run(Shop.class, WithAPlainStore.class).close())
                .hasStackTraceContaining("is a MongoKeyStore, in whose transactions");
    }

    @Configuration(proxyBeanMethods = false)
    static class WithAnotherFactory {
        @Bean
        MongoTemplate mongoTemplate(MongoClient client) {
            return new MongoTemplate(new SimpleMongoClientDatabaseFactory(client, "other"));
        }
    }

    @Test
    void aTemplateOverAnotherFactoryIsRefused() {
        assertThatThrownBy(() -> run(Shop.class, WithAnotherFactory.class).close())
                .hasStackTraceContaining("over another MongoDatabaseFactory");
    }
}
