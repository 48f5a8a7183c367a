package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.SmartLifecycle;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** What an application may configure by properties and beans. */
class SettingsTest {
    private static Started application;
    private static Echo echo;

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    @RestController
    static class Echo {
        final AtomicInteger calls = new AtomicInteger();
        final List<KeyEvent> events = new CopyOnWriteArrayList<>();
        volatile CountDownLatch called = new CountDownLatch(0);
        volatile CountDownLatch goOn = new CountDownLatch(0);

        @PostMapping("/echo")
        @Idempotent("echo")
        ResponseEntity<String> echo(@RequestBody String text) throws InterruptedException {
            called.countDown();
            assertThat(goOn.await(1, TimeUnit.MINUTES)).isTrue();
            return ResponseEntity.ok()
                    .header("X-Call", "" + calls.incrementAndGet())
                    .body(text);
        }

        @Bean
        KeyScope scope() {
            return request -> request.getHeader("X-Tenant");
        }

        @Bean
        KeyListener listener() {
            return events::add;
        }
    }

    @BeforeAll
    static void start() {
        application = Started.of(
                Echo.class,
                "spring.datasource.url=jdbc:h2:mem:settings;DB_CLOSE_DELAY=-1",
                "idempotency.http.header=X-Request-Key",
                "idempotency.http.key-required=false",
                "idempotency.http.wait-at-most=1m",
                "idempotency.http.stored-headers=X-Call",
                "idempotency.http.max-request-size=10B",
                "idempotency.isolation=read-committed",
                "idempotency.time-to-live=1h");
        echo = application.bean(Echo.class);
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    private static HttpResponse<String> post(String tenant, String key, String text) {
        return application
                .client()
                .post(
                        "/echo",
                        text,
                        request -> request.header("X-Tenant", tenant)
                                .header("X-Request-Key", key)
                                .header("Content-Type", "text/plain"));
    }

    @Test
    void theScopeSeparatesKeysAndTheStoredHeadersComeAgain() {
        HttpResponse<String> one = post("one", "key", "text");
        HttpResponse<String> two = post("two", "key", "text");
        HttpResponse<String> retry = post("one", "key", "text");

        assertThat(two.headers().firstValue("X-Call"))
                .isNotEqualTo(one.headers().firstValue("X-Call"));
        assertThat(retry.headers().firstValue("X-Call"))
                .isPresent()
                .isEqualTo(one.headers().firstValue("X-Call"));
    }

    @Test
    void aRequestWithoutAScopeIsRefused() {
        HttpResponse<String> response =
                application.client().post("/echo", "text", request -> request.header("X-Request-Key", "scopeless"));

        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(response.body()).contains("doesn't say whose key it has");
    }

    @Test
    void whatIsStoredDoesntHoldTheBodyButTheNameAndTheTimeToLive() {
        post("one", "stored", "secret");
        IdempotencyKey key = application.bean(IdempotencyKeyService.class).retrieve(KeyId.of("one", "stored"));

        assertThat(key.operation()).isEqualTo("echo");
        assertThat(key.request().parametersJson()).isEqualTo("{}");
    }

    @Test
    void listenersAreToldOfRequests() {
        post("one", "heard", "text");
        post("one", "heard", "text");

        assertThat(echo.events)
                .filteredOn(event -> event instanceof KeyEvent.Replayed replayed
                        && replayed.key().id().equals(KeyId.of("one", "heard")))
                .hasSize(1);
    }

    @Test
    void aBodyOverTheLimitIsRefused() {
        assertThat(post("one", "long", "12345678901").statusCode()).isEqualTo(413);
    }

    @Test
    void aCopyWaitsForTheResponseOfTheFirst() throws Exception {
        echo.called = new CountDownLatch(1);
        echo.goOn = new CountDownLatch(1);
        ExecutorService executor = Executors.newFixedThreadPool(2);
        try {
            Future<HttpResponse<String>> first = executor.submit(() -> post("one", "waits", "text"));
            assertThat(echo.called.await(1, TimeUnit.MINUTES)).isTrue();
            int calls = echo.calls.get();
            Future<HttpResponse<String>> second = executor.submit(() -> post("one", "waits", "text"));
            echo.goOn.countDown();

            assertThat(first.get(1, TimeUnit.MINUTES).body()).isEqualTo("text");
            assertThat(second.get(1, TimeUnit.MINUTES).body()).isEqualTo("text");
            assertThat(echo.calls.get()).isEqualTo(calls + 1);
        } finally {
            echo.goOn.countDown();
            executor.shutdownNow();
        }
    }

    @Test
    void theBackgroundWorkRunsWhileTheApplicationDoes() {
        Started other = Started.of(Echo.class, "spring.datasource.url=jdbc:h2:mem:background;DB_CLOSE_DELAY=-1");
        SmartLifecycle background = other.context().getBean("idempotencyBackground", SmartLifecycle.class);

        assertThat(background.isRunning()).isTrue();
        other.close();
        assertThat(background.isRunning()).isFalse();
    }
}
