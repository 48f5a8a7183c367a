package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.validation.Valid;
import jakarta.validation.constraints.Min;
import java.net.http.HttpResponse;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;

/** A handler method that stands for a declared operation of several stages. */
class OperationEndpointTest {
    private static final RecoveryPoint CHARGED = new RecoveryPoint("charged");

    private static Started application;
    private static Client client;
    private static Carts carts;

    private final String key = UUID.randomUUID().toString();

    record Checkout(@Min(1) int amount, String currency) {}

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    @RestController
    static class Carts {
        final AtomicInteger charges = new AtomicInteger();
        final AtomicInteger failures = new AtomicInteger();
        final AtomicReference<Request> seen = new AtomicReference<>();

        @PostMapping("/carts/{cart}/complete")
        @Idempotent(operation = "complete-cart")
        void complete(@RequestBody @Valid Checkout checkout) {
            throw new AssertionError("the operation runs in place of the method");
        }

        @Bean
        Operation<?> completeCart(IdempotencyKeyService<?> keys) {
            return completing(keys);
        }

        private <T> Operation<T> completing(IdempotencyKeyService<T> keys) {
            return keys.operation("complete-cart")
                    .stage(RecoveryPoint.STARTED, key -> charges.incrementAndGet(), (stage, charge) -> {})
                    .respond(CHARGED, stage -> {
                        seen.set(stage.request());
                        if (failures.getAndDecrement() > 0) {
                            throw new IllegalStateException("the server stumbles");
                        }
                        return Response.of(
                                201,
                                "text/plain",
                                "cart " + stage.request().typed().text("{cart}") + " for "
                                        + stage.request().typed().integer("amount"));
                    })
                    .build();
        }
    }

    @BeforeAll
    static void start() {
        application = Started.of(
                Carts.class,
                "spring.datasource.url=jdbc:h2:mem:operations;DB_CLOSE_DELAY=-1",
                "idempotency.background.abandoned-after=1d");
        client = application.client();
        carts = application.bean(Carts.class);
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    @Test
    void theOperationRunsOnceAndItsResponseIsReplayed() {
        int before = carts.charges.get();

        HttpResponse<String> first = complete("{\"amount\": 5}");
        HttpResponse<String> retry = complete("{\"amount\": 5}");

        assertThat(first.statusCode()).as(first.body()).isEqualTo(201);
        assertThat(first.body()).isEqualTo("cart 42 for 5");
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).contains("true");
        assertThat(carts.charges.get()).isEqualTo(before + 1);
    }

    @Test
    void aRetryGoesOnWhereTheFirstStoppedWithoutASecondCharge() {
        int before = carts.charges.get();
        carts.failures.set(1);

        HttpResponse<String> first = complete("{\"amount\": 6}");
        HttpResponse<String> retry = complete("{\"amount\": 6}");

        assertThat(first.statusCode()).isEqualTo(500);
        assertThat(retry.statusCode()).isEqualTo(201);
        assertThat(carts.charges.get()).isEqualTo(before + 1);
    }

    @Test
    void theParametersAreTheBodysMembersThePathsVariablesAndTheQuery() {
        client.post("/carts/42/complete?express=1", key, "{\"amount\": 7, \"currency\": \"EUR\"}");

        assertThat(Objects.requireNonNull(carts.seen.get()).parametersJson())
                .isEqualTo("{\"?\":\"express=1\",\"amount\":7,\"currency\":\"EUR\",\"{cart}\":\"42\"}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"amount\": 0}", "{\"amount\": ", "[]", "{\"amount\": 1, \"{cart}\": \"43\"}"})
    void whatIsntValidRunsNothing(String invalid) {
        int before = carts.charges.get();

        assertThat(complete(invalid).statusCode()).isEqualTo(400);

        assertThat(carts.charges.get()).isEqualTo(before);
        assertThat(complete("{\"amount\": 8}").statusCode()).isEqualTo(201);
    }

    private HttpResponse<String> complete(String json) {
        return client.post("/carts/42/complete", key, json);
    }
}
