package io.idempotencykey.checkout;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A shop that is killed again and again at random moments, while clients send their requests until they have an answer:
 * every request has one order and one charge, and no answer ever changes.
 *
 * <p>How many kills: the system property {@code kills}; the moments and the requests come from {@code seed}.
 */
class KillTest {
    private static final int KILLS = Integer.getInteger("kills", 20);
    private static final long SEED = Long.getLong("seed", System.nanoTime());
    private static final int CLIENTS = 8;
    /** A life ends after so many answers, at most, and then so many milliseconds. */
    private static final int MOST_ANSWERS = 20;

    private static final long MOST_MILLIS = 100;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration REQUEST_PATIENCE = Duration.ofSeconds(20);

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private volatile CompletableFuture<URI> shop = new CompletableFuture<>();
    private final Map<Sent, Answer> answers = new ConcurrentHashMap<>();
    private final Semaphore answered = new Semaphore(0);
    private final CountDownLatch enough = new CountDownLatch(1);

    @TempDir
    Path directory = Path.of("");

    private record Sent(String cart, String key, String body) {}

    private record Answer(int status, String contentType, List<Byte> body) {}

    @Test
    void onPostgresqlEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        run("--url", PostgresqlServer.newDatabase());
    }

    @Test
    void onH2InAFileEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        run("--data", directory.resolve("shop").toString());
    }

    private void run(String... store) throws Exception {
        System.out.println("KillTest: " + KILLS + " kills, -Dseed=" + SEED);
        ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
        try (Program payments = Program.start(directory, "payments", "--data", directory.toString())) {
            List<String> serve = new ArrayList<>(List.of(
                    "serve",
                    "--port",
                    "0",
                    "--lease",
                    "500ms",
                    "--payments",
                    payments.url().toString()));
            serve.addAll(List.of(store));
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                Random random = new Random(SEED + i);
                running.add(clients.submit(() -> send(random)));
            }
            Random moments = new Random(SEED);
            for (int i = 0; i < KILLS; i++) {
                try (Program killed = Program.start(directory, serve.toArray(String[]::new))) {
                    shop.complete(killed.url());
                    answered.drainPermits();
                    boolean progress =
                            answered.tryAcquire(moments.nextInt(MOST_ANSWERS), PATIENCE.toSeconds(), TimeUnit.SECONDS);
                    assertThat(running).as("a client that gave up").allMatch(each -> progress && !each.isDone());
                    pause(moments.nextLong(MOST_MILLIS));
                    shop = new CompletableFuture<>();
                }
            }
            try (Program last = Program.start(directory, serve.toArray(String[]::new))) {
                shop.complete(last.url());
                enough.countDown();
                for (Future<?> each : running) {
                    each.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                }
                check();
            }
        } finally {
            enough.countDown();
            clients.shutdownNow();
            System.out.println("KillTest: " + answers.size() + " requests");
        }
    }

    private void check() throws Exception {
        for (Map.Entry<Sent, Answer> each : answers.entrySet()) {
            assertThat(answerTo(each.getKey())).isEqualTo(each.getValue());
        }
        List<String> completed = answers.entrySet().stream()
                .filter(each -> each.getValue().status() == 201)
                .map(each -> each.getKey().cart())
                .toList();
        assertThat(completed).as("there was something to kill").hasSizeGreaterThan(KILLS);
        assertThat(carts("/orders")).containsExactlyInAnyOrderElementsOf(completed);
        assertThat(carts("/payments")).containsExactlyInAnyOrderElementsOf(completed);
    }

    /** Sends new requests until they are answered, and now and then an old one, whose answer has to be the same. */
    private Void send(Random random) throws Exception {
        List<Sent> mine = new ArrayList<>();
        while (enough.getCount() > 0) {
            if (!mine.isEmpty() && random.nextInt(3) == 0) {
                Sent old = mine.get(random.nextInt(mine.size()));
                assertThat(answerTo(old)).isEqualTo(answers.get(old));
            } else {
                Sent sent = new Sent("cart-" + UUID.randomUUID(), "key-" + UUID.randomUUID(), body(random));
                answers.put(sent, answerTo(sent));
                mine.add(sent);
            }
            answered.release();
        }
        return null;
    }

    /** Most are ordered; some are declined, some refused, which is stored as well. */
    private static String body(Random random) {
        return switch (random.nextInt(10)) {
            case 0 -> RunningShop.ONE_MUG.replace("mug", "laptop").replace(":1}", ":2}");
            case 1 -> RunningShop.ONE_MUG.replace("mug", "unicorn");
            default -> RunningShop.ONE_MUG.replace(":1}", ":" + (1 + random.nextInt(9)) + "}");
        };
    }

    /** As a client does it: sends the request again until there is an answer that isn't "later". */
    private Answer answerTo(Sent sent) throws Exception {
        long begin = System.nanoTime();
        while (true) {
            assertThat(System.nanoTime() - begin)
                    .as("nanoseconds without an answer to %s", sent)
                    .isLessThan(PATIENCE.toNanos());
            URI url = shop.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            HttpRequest request = HttpRequest.newBuilder(url.resolve("/carts/" + sent.cart() + "/complete"))
                    .header("Idempotency-Key", sent.key())
                    .timeout(REQUEST_PATIENCE)
                    .POST(HttpRequest.BodyPublishers.ofString(sent.body()))
                    .build();
            HttpResponse<byte[]> response;
            try {
                response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
            } catch (IOException e) {
                // Killed.
                pause(5);
                continue;
            }
            if (response.headers().firstValue("Retry-After").isEmpty()) {
                assertThat(response.statusCode())
                        .as(new String(response.body(), StandardCharsets.UTF_8))
                        .isIn(201, 402, 422);
                List<Byte> body = new ArrayList<>();
                for (byte each : response.body()) {
                    body.add(each);
                }
                return new Answer(
                        response.statusCode(),
                        response.headers().firstValue("Content-Type").orElse(""),
                        body);
            }
            assertThat(response.statusCode()).isIn(409, 503);
            pause(20);
        }
    }

    private List<String> carts(String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(shop.get().resolve(path)).build();
        byte[] body =
                client.send(request, HttpResponse.BodyHandlers.ofByteArray()).body();
        return ((List<?>) Objects.requireNonNull(Json.read(body)))
                .stream()
                        .map(element -> String.valueOf(((Map<?, ?>) element).get("cart")))
                        .toList();
    }

    /** Nothing waits for this: it is when a process dies, and how often a client asks. */
    private static void pause(long millis) {
        LockSupport.parkNanos(Duration.ofMillis(millis).toNanos());
    }
}
