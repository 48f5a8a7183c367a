package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What clients see of the orders, without idempotency and with it. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class OrdersContract {
    private static final int COPIES = 16;

    private final List<Sample> samples = new ArrayList<>();
    private final String item = "tea of " + UUID.randomUUID();
    private final String order = json(item, 2);

    private final String name;
    private Sample before;
    private Sample after;

    @SuppressWarnings("NullAway") // start sets the samples
    OrdersContract(String name) {
        this.name = name;
    }

    /** Properties that name a database of its own. */
    abstract String[] database();

    @BeforeAll
    void start(@TempDir Path temporary) {
        before = started("before", temporary);
        after = started("after", temporary);
    }

    private Sample started(String variant, Path temporary) {
        Sample sample = Sample.start(name + "/" + variant, temporary, database());
        samples.add(sample);
        return sample;
    }

    @AfterAll
    void stop() {
        samples.forEach(Sample::close);
    }

    private static String json(String item, int quantity) {
        return "{\"item\": \"" + item + "\", \"quantity\": " + quantity + "}";
    }

    private static HttpResponse<String> place(Sample sample, String key, String order) {
        return sample.post("/orders", order, "Idempotency-Key", key);
    }

    private static int placed(Sample sample, String item) {
        return sample.count("/orders", "item", item);
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    @Test
    void withoutIdempotencyARetryPlacesAnotherOrder() {
        String key = UUID.randomUUID().toString();
        String twice = "twice " + item;

        HttpResponse<String> first = place(before, key, json(twice, 2));
        HttpResponse<String> retry = place(before, key, json(twice, 2));

        assertThat(first.statusCode()).isEqualTo(201);
        assertThat(retry.statusCode()).isEqualTo(201);
        assertThat(retry.body()).isNotEqualTo(first.body());
        assertThat(placed(before, twice)).isEqualTo(2);
    }

    @Test
    void aRetryGetsTheSameBytesAndPlacesNothing() {
        String key = UUID.randomUUID().toString();
        String once = "once " + item;

        HttpResponse<String> first = place(after, key, json(once, 2));
        HttpResponse<String> retry = place(after, key, json(once, 2));

        assertThat(first.statusCode()).as(first.body()).isEqualTo(201);
        assertThat(first.body()).contains(once);
        assertThat(header(first, "Idempotency-Replayed")).isEmpty();
        assertThat(retry.statusCode()).isEqualTo(201);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(header(retry, "Location"))
                .isEqualTo(header(first, "Location"))
                .startsWith("/orders/");
        assertThat(placed(after, once)).isEqualTo(1);
    }

    @Test
    void anotherOrderUnderTheKeyIsRefused() {
        String key = UUID.randomUUID().toString();
        String other = "other " + item;
        place(after, key, order);

        assertThat(place(after, key, json(other, 2)).statusCode()).isEqualTo(422);
        assertThat(placed(after, other)).isZero();
    }

    @Test
    void anOrderWithoutAKeyIsRefused() {
        String keyless = "keyless " + item;

        assertThat(after.post("/orders", json(keyless, 2)).statusCode()).isEqualTo(400);
        assertThat(placed(after, keyless)).isZero();
    }

    @Test
    void manyCopiesAtOncePlaceOneOrder() throws Exception {
        String key = UUID.randomUUID().toString();
        String racing = "racing " + item;
        CyclicBarrier start = new CyclicBarrier(COPIES);
        List<Future<HttpResponse<String>>> copies = new ArrayList<>();
        ExecutorService executor = Executors.newFixedThreadPool(COPIES);
        try {
            for (int i = 0; i < COPIES; i++) {
                copies.add(executor.submit(() -> {
                    start.await(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
                    return place(after, key, json(racing, 2));
                }));
            }
            List<String> answers = new ArrayList<>();
            for (Future<HttpResponse<String>> copy : copies) {
                HttpResponse<String> response = copy.get(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
                assertThat(response.statusCode()).as(response.body()).isIn(201, 409);
                if (response.statusCode() == 201) {
                    answers.add(response.body());
                }
            }

            assertThat(answers).isNotEmpty();
            assertThat(answers).containsOnly(place(after, key, json(racing, 2)).body());
        } finally {
            executor.shutdownNow();
        }
        assertThat(placed(after, racing)).isEqualTo(1);
    }
}
