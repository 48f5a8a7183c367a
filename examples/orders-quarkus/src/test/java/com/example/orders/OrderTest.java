package com.example.orders;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What clients see of the orders. */
@QuarkusTest
@QuarkusTestResource(PostgresqlResource.class)
class OrderTest {
    private static final int COPIES = 16;
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private final String key = UUID.randomUUID().toString();
    private final String item = "tea of " + key;

    @TestHTTPResource
    URI server;

    private static String json(String item, int quantity) {
        return "{\"item\": \"" + item + "\", \"quantity\": " + quantity + "}";
    }

    private HttpResponse<String> post(String path, String json, String... headers) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(server.resolve(path))
                .timeout(Duration.ofMinutes(2))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json));
        for (int i = 0; i < headers.length; i += 2) {
            request.header(headers[i], headers[i + 1]);
        }
        return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> placed(String key, int quantity) throws Exception {
        return post("/orders", json(item, quantity), "Idempotency-Key", key);
    }

    private long orders() throws Exception {
        HttpRequest list = HttpRequest.newBuilder(server.resolve("/orders")).build();
        String orders = HTTP.send(list, HttpResponse.BodyHandlers.ofString()).body();
        return Pattern.compile(Pattern.quote(item)).matcher(orders).results().count();
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    @Test
    void aRetryGetsTheSameBytesAndPlacesNothing() throws Exception {
        HttpResponse<String> first = placed(key, 2);
        HttpResponse<String> retry = placed(key, 2);

        assertThat(first.statusCode()).as(first.body()).isEqualTo(201);
        assertThat(first.body()).contains(item);
        assertThat(header(first, "Idempotency-Replayed")).isEmpty();
        assertThat(retry.statusCode()).isEqualTo(201);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(header(retry, "Content-Type"))
                .isEqualTo(header(first, "Content-Type"))
                .startsWith("application/json");
        assertThat(header(retry, "Location"))
                .isEqualTo(header(first, "Location"))
                .contains("/orders/");
        assertThat(orders()).isEqualTo(1);
    }

    @Test
    void anotherOrderUnderTheKeyIsRefused() throws Exception {
        placed(key, 2);

        HttpResponse<String> other = placed(key, 3);

        assertThat(other.statusCode()).isEqualTo(422);
        assertThat(header(other, "Content-Type")).startsWith("application/problem+json");
        assertThat(orders()).isEqualTo(1);
    }

    @Test
    void anOrderWithoutOneKeyIsRefused() throws Exception {
        HttpResponse<String> without = post("/orders", json(item, 2));
        HttpResponse<String> two = post("/orders", json(item, 2), "Idempotency-Key", key, "Idempotency-Key", key + "2");

        assertThat(without.statusCode()).isEqualTo(400);
        assertThat(two.statusCode()).isEqualTo(400);
        assertThat(orders()).isZero();
    }

    @Test
    void manyCopiesAtOncePlaceOneOrder() throws Exception {
        CyclicBarrier start = new CyclicBarrier(COPIES);
        List<Future<HttpResponse<String>>> copies = new ArrayList<>();
        ExecutorService executor = Executors.newFixedThreadPool(COPIES);
        try {
            for (int i = 0; i < COPIES; i++) {
                copies.add(executor.submit(() -> {
                    start.await(2, TimeUnit.MINUTES);
                    return placed(key, 2);
                }));
            }
            List<String> answers = new ArrayList<>();
            for (Future<HttpResponse<String>> copy : copies) {
                HttpResponse<String> response = copy.get(2, TimeUnit.MINUTES);
                assertThat(response.statusCode()).as(response.body()).isIn(201, 409);
                if (response.statusCode() == 201) {
                    answers.add(response.body());
                }
            }

            assertThat(answers).isNotEmpty().containsOnly(placed(key, 2).body());
        } finally {
            executor.shutdownNow();
        }
        assertThat(orders()).isEqualTo(1);
    }

    @Test
    void anOrderThatFailsKeepsNothingAndLeavesItsKeyFree() throws Exception {
        String all = header(placed(key, 10), "Location");
        String second = UUID.randomUUID().toString();

        assertThat(placed(second, 1).statusCode()).isEqualTo(409);
        assertThat(orders()).isEqualTo(1);
        HttpRequest cancel =
                HttpRequest.newBuilder(server.resolve(all)).DELETE().build();
        assertThat(HTTP.send(cancel, HttpResponse.BodyHandlers.discarding()).statusCode())
                .isEqualTo(204);
        assertThat(placed(second, 1).statusCode()).isEqualTo(201);
        assertThat(header(placed(second, 1), "Idempotency-Replayed")).isEqualTo("true");
        assertThat(orders()).isEqualTo(1);
    }

    @Test
    void aCopyOfAnOrderInFlightIsRefusedAtOnce() throws Exception {
        TrialResource.runs = new CountDownLatch(1);
        TrialResource.goesOn = new CountDownLatch(1);
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Future<HttpResponse<String>> first =
                    executor.submit(() -> post("/trials/slow", json(item, 2), "Idempotency-Key", key));
            assertThat(TrialResource.runs.await(2, TimeUnit.MINUTES)).isTrue();
            HttpResponse<String> copy = post("/trials/slow", json(item, 2), "Idempotency-Key", key);
            TrialResource.goesOn.countDown();

            assertThat(copy.statusCode()).isEqualTo(409);
            assertThat(Integer.parseInt(header(copy, "Retry-After"))).isPositive();
            assertThat(first.get(2, TimeUnit.MINUTES).statusCode()).isEqualTo(200);
        } finally {
            TrialResource.goesOn.countDown();
            executor.shutdownNow();
        }
        assertThat(orders()).isEqualTo(1);
    }

    /** The service's interceptor has marked the transaction for rollback, which no answer may hide. */
    @Test
    void aRequestThatSwallowsAServicesFailureFails() throws Exception {
        HttpResponse<String> answer = post("/trials/swallowing", json(item, 11), "Idempotency-Key", key);

        assertThat(answer.statusCode()).isEqualTo(500);
        assertThat(orders()).isZero();
        assertThat(post("/trials/swallowing", json(item, 10), "Idempotency-Key", key)
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void aRequestWithinATransactionIsRefused() throws Exception {
        HttpResponse<String> answer = post("/trials/outer", json(item, 2), "Idempotency-Key", key);

        assertThat(answer.statusCode()).isEqualTo(500);
        assertThat(orders()).isZero();
    }

    @Test
    void aRequestThatLeavesItsTransactionIsRefused() throws Exception {
        for (int i = 0; i < 2; i++) {
            assertThat(post("/trials/leaving", json(item, 2), "Idempotency-Key", key)
                            .statusCode())
                    .isEqualTo(500);
        }

        assertThat(orders()).isZero();
        assertThat(placed(key + "-next", 2).statusCode()).isEqualTo(201);
    }
}
