package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.checkout.http.Json;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * Kills a shop, or its database, again and again at random moments, while clients send their requests until they have
 * an answer. Every request to complete a cart has one order and one charge, every request to add a review has one
 * review, and no answer ever changes.
 *
 * <p>The system properties {@code kills}, {@code kills.h2}, {@code kills.mongo} and {@code kills.mongo.server} say how
 * often; {@code seed} determines the moments and the requests.
 */
@Execution(ExecutionMode.CONCURRENT)
class KillTest {
    private static final int KILLS = Integer.getInteger("kills", 20);
    private static final int H2_KILLS = Integer.getInteger("kills.h2", 10);
    private static final int MONGO_KILLS = Integer.getInteger("kills.mongo", 10);
    private static final int MONGO_SERVER_KILLS = Integer.getInteger("kills.mongo.server", 2);
    private static final long SEED = Long.getLong("seed", System.nanoTime());
    private static final int CLIENTS = 8;
    /** A life ends after at most so many answers, and then at most so many milliseconds. */
    private static final int MOST_ANSWERS = 20;

    private static final long MOST_MILLIS = 100;

    /** One in so many lives goes on until every client has had an answer, so that a slow store starves none of them. */
    private static final int LONG_LIFE = 4;

    /** Maximum number of requests that a client sends in one life, however long the life is. */
    private static final int MOST_REQUESTS = 200;

    /** MongoDB ends a transaction whose owner is gone after a minute; this is longer. */
    private static final Duration PATIENCE = Duration.ofSeconds(150);

    private static final Duration REQUEST_PATIENCE = Duration.ofSeconds(20);

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private volatile CompletableFuture<URI> shop = new CompletableFuture<>();
    private final Map<Sent, Answer> answers = new ConcurrentHashMap<>();
    private final Semaphore answered = new Semaphore(0);
    private final List<Semaphore> requests =
            Stream.generate(() -> new Semaphore(0)).limit(CLIENTS).toList();
    private boolean reviews = true;
    private final Set<Integer> servedClients = ConcurrentHashMap.newKeySet();
    private final CountDownLatch enough = new CountDownLatch(1);

    @TempDir
    Path directory = Path.of("");

    /** A request; {@code name} is the cart's, or the review's text. */
    private record Sent(String path, String name, String key, String body) {}

    private record Answer(int status, String contentType, List<Byte> body) {}

    @Test
    void onPostgresqlEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        killTheShop(KILLS, "--url", PostgresqlServer.newDatabase());
    }

    @Test
    void onMongodbEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        // MongoDB ends the transaction of a dead shop after a minute, until when a review can't be added.
        reviews = false;
        killTheShop(MONGO_KILLS, MongoDatabases.newDatabase());
    }

    @Test
    void onH2InAFileEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        killTheShop(H2_KILLS, "--data", directory.resolve("shop").toString());
    }

    private void killTheShop(int kills, String... store) throws Exception {
        test(kills, store, (serve, untilAMoment) -> {
            for (int i = 0; i < kills; i++) {
                try (Program killed = Program.start(directory, serve)) {
                    shop.complete(killed.url());
                    untilAMoment.call();
                    shop = new CompletableFuture<>();
                }
            }
        });
    }

    /** Only the database is killed; the shop lives on. */
    @Test
    void whenMongodbIsKilledEveryRequestRunsOnceAndNoAnswerChanges() throws Exception {
        String data = directory.resolve("mongo").toString();
        Deque<MongoServer> servers = new ArrayDeque<>(List.of(MongoServer.start("--data", data)));
        try {
            String url = servers.getFirst().url();
            String port = Integer.toString(URI.create(url).getPort());
            test(MONGO_SERVER_KILLS, MongoDatabases.in(url, "shop"), (serve, untilAMoment) -> {
                try (Program living = Program.start(directory, serve)) {
                    shop.complete(living.url());
                    for (int i = 0; i < MONGO_SERVER_KILLS; i++) {
                        untilAMoment.call();
                        Process unused = Patience.await(
                                servers.getFirst().process().destroyForcibly().onExit());
                        servers.push(MongoServer.start("--data", data, "--port", port));
                    }
                    shop = new CompletableFuture<>();
                }
            });
        } finally {
            servers.forEach(MongoServer::close);
        }
    }

    /** Starts programs and kills them. */
    @FunctionalInterface
    private interface Kills {
        void run(String[] serve, Callable<Void> untilAMoment) throws Exception;
    }

    private void test(int times, String[] store, Kills kills) throws Exception {
        System.out.println("KillTest: " + times + " kills, -Dseed=" + SEED);
        ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
        try (Program payments = Program.start(directory, "payments", "--data", directory.toString())) {
            List<String> arguments = new ArrayList<>(List.of(
                    "serve",
                    "--port",
                    "0",
                    "--lease",
                    "500ms",
                    "--payments",
                    payments.url().toString()));
            arguments.addAll(List.of(store));
            String[] serve = arguments.toArray(String[]::new);
            List<CompletableFuture<Void>> running = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                int number = i;
                running.add(CompletableFuture.runAsync(() -> send(number, new Random(SEED + number)), clients));
            }
            Random moments = new Random(SEED);
            AtomicInteger lives = new AtomicInteger();
            kills.run(serve, () -> {
                newLife();
                awaitAnswers(moments.nextInt(MOST_ANSWERS), lives.incrementAndGet() % LONG_LIFE == 0, running);
                pause(moments.nextLong(MOST_MILLIS));
                return null;
            });
            try (Program last = Program.start(directory, serve)) {
                shop.complete(last.url());
                enough.countDown();
                newLife();
                for (CompletableFuture<Void> each : running) {
                    each.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                }
                check(times);
            }
        } finally {
            enough.countDown();
            clients.shutdownNow();
            System.out.println("KillTest: " + answers.size() + " requests");
        }
    }

    private void newLife() {
        servedClients.clear();
        answered.drainPermits();
        for (Semaphore each : requests) {
            each.drainPermits();
            each.release(MOST_REQUESTS);
        }
    }

    /** Waits for so many answers and, if asked, for one to each client; ends at once when a client has failed. */
    private void awaitAnswers(int count, boolean toAll, List<CompletableFuture<Void>> running) throws Exception {
        long begin = System.nanoTime();
        int missing = count;
        while (missing > 0 || (toAll && servedClients.size() < CLIENTS)) {
            if (answered.tryAcquire(1, 1, TimeUnit.SECONDS)) {
                missing--;
            }
            for (CompletableFuture<Void> each : running) {
                if (each.isDone()) {
                    each.get();
                    throw new AssertionError("a client ended before it was told to");
                }
            }
            // A client without an answer has given up after half of this time, and so ends the wait.
            assertThat(System.nanoTime() - begin).as("nanoseconds").isLessThan(2 * PATIENCE.toNanos());
        }
    }

    private void check(int kills) throws Exception {
        for (Map.Entry<Sent, Answer> each : answers.entrySet()) {
            assertThat(answerTo(each.getKey())).isEqualTo(each.getValue());
        }
        List<String> completed = done("cart-");
        assertThat(all("/orders", "cart")).containsExactlyInAnyOrderElementsOf(completed);
        assertThat(all("/payments", "cart")).containsExactlyInAnyOrderElementsOf(completed);
        List<String> reviewed = done("review-");
        assertThat(all("/reviews", "text")).containsExactlyInAnyOrderElementsOf(reviewed);
        assertThat(completed.size() + reviewed.size())
                .as("there was something to kill")
                .isGreaterThan(kills);
        assertThat(answers.keySet().stream().anyMatch(sent -> sent.name().startsWith("review-")))
                .isEqualTo(reviews);
    }

    private List<String> done(String prefix) {
        return answers.entrySet().stream()
                .filter(each -> each.getValue().status() == 201)
                .map(each -> each.getKey().name())
                .filter(name -> name.startsWith(prefix))
                .toList();
    }

    /** Sends new requests until they are answered, and sometimes an old one, whose answer must be the same. */
    private void send(int number, Random random) {
        try {
            List<Sent> mine = new ArrayList<>();
            while (mayGoOn(number)) {
                if (!mine.isEmpty() && random.nextInt(3) == 0) {
                    Sent old = mine.get(random.nextInt(mine.size()));
                    assertThat(answerTo(old)).isEqualTo(answers.get(old));
                } else {
                    // Half of the clients begin with a review, however few requests a slow machine allows.
                    boolean review = mine.isEmpty() ? number % 2 == 0 : random.nextInt(3) == 0;
                    Sent sent = review && reviews ? review(random) : completion(random);
                    answers.put(sent, answerTo(sent));
                    mine.add(sent);
                }
                servedClients.add(number);
                answered.release();
            }
        } catch (Exception e) {
            throw new AssertionError("client " + number + " gave up", e);
        }
    }

    private boolean mayGoOn(int number) throws InterruptedException {
        assertThat(requests.get(number).tryAcquire(3 * PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .as("another life comes")
                .isTrue();
        return enough.getCount() > 0;
    }

    private static Sent completion(Random random) {
        String cart = "cart-" + UUID.randomUUID();
        return new Sent("/carts/" + cart + "/complete", cart, "key-" + UUID.randomUUID(), body(random));
    }

    /** Makes reviews of which most are added; some are of an article that the shop doesn't sell. */
    private static Sent review(Random random) {
        String text = "review-" + UUID.randomUUID();
        String sku = random.nextInt(5) == 0 ? "unicorn" : "mug";
        String body = Json.write(Map.of("stars", 5, "text", text));
        return new Sent("/articles/" + sku + "/reviews", text, "key-" + UUID.randomUUID(), body);
    }

    /** Makes bodies of which most lead to an order; some payments are declined, and some requests are refused. */
    private static String body(Random random) {
        return switch (random.nextInt(10)) {
            case 0 -> RunningShop.ONE_MUG.replace("mug", "laptop").replace(":1}", ":2}");
            case 1 -> RunningShop.ONE_MUG.replace("mug", "unicorn");
            default -> RunningShop.ONE_MUG.replace(":1}", ":" + (1 + random.nextInt(9)) + "}");
        };
    }

    /** Sends a request again, as a client does, until the answer isn't "later". */
    private Answer answerTo(Sent sent) throws Exception {
        long begin = System.nanoTime();
        Set<String> refusals = new LinkedHashSet<>();
        while (true) {
            assertThat(System.nanoTime() - begin)
                    .as("nanoseconds without an answer to %s but %s", sent, refusals)
                    .isLessThan(PATIENCE.toNanos());
            URI url = shop.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            HttpRequest request = HttpRequest.newBuilder(url.resolve(sent.path()))
                    .header("Idempotency-Key", sent.key())
                    .POST(HttpRequest.BodyPublishers.ofString(sent.body()))
                    .build();
            HttpResponse<byte[]> response;
            try {
                response = client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray())
                        .get(REQUEST_PATIENCE.toSeconds(), TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException e) {
                // The shop was killed.
                refusals.add(String.valueOf(e));
                pause(5);
                continue;
            }
            if (response.headers().firstValue("Retry-After").isEmpty()) {
                assertThat(response.statusCode())
                        .as(new String(response.body(), StandardCharsets.UTF_8))
                        .isIn(201, 402, 404, 422);
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
            refusals.add(new String(response.body(), StandardCharsets.UTF_8));
            pause(20);
        }
    }

    private List<String> all(String path, String member) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(shop.get().resolve(path)).build();
        byte[] body = Patience.await(client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray()))
                .body();
        return ((List<?>) Objects.requireNonNull(Json.read(body)))
                .stream()
                        .map(element -> String.valueOf(((Map<?, ?>) element).get(member)))
                        .toList();
    }

    /** Chooses when a process dies, or how often a client asks; it synchronises nothing. */
    private static void pause(long millis) {
        Patience.pause(Duration.ofMillis(millis));
    }
}
