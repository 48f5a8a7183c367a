package io.idempotencykey.checkout.program;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.checkout.Checkout;
import io.idempotencykey.checkout.http.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Tells the story of requests that run once, by requests to a running shop over HTTP. */
final class Demo implements AutoCloseable {
    static final Set<String> OPTIONS = Set.of("store", "url", "data", "payments");

    private static final String LEASE = "1s";

    /** The lease in the process that is killed; it must not run out before the shop is started again. */
    private static final String LONG_LEASE = "2s";

    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String ONE_MUG =
            "{\"email\": \"ada@example.org\", \"items\": [{\"sku\": \"mug\", \"quantity\": 1}]}";
    private static final String TWO_MUGS = ONE_MUG.replace("1}", "2}");

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Map<String, Row> rows = new TreeMap<>();
    private final List<String> wrong = new ArrayList<>();
    private final Workers workers = new Workers();

    /** A part of the names of carts and keys, so that the story can be told more than once on one store. */
    private final String run = UUID.randomUUID().toString().substring(0, 4);

    private final List<String> options;
    private final boolean durable;

    /** Whether the store does so at once, so that the story needn't wait for a minute, as in MongoDB. */
    private final boolean endsTransactionsOfTheDead;

    private Application application;
    private URI shop;

    private Demo(List<String> options, String store) throws IOException {
        this.options = options;
        this.durable = !store.equals("inmemory");
        this.endsTransactionsOfTheDead = store.equals("jpa");
        this.application = open();
        this.shop = application.url();
    }

    /** The line of one cart in the final table. */
    private static final class Row {
        private final String story;
        private int requests;

        private Row(String story) {
            this.story = story;
        }
    }

    /** Tells the story, and returns the process's exit code, which is 0 if everything was as it should be. */
    static int run(Options options) throws IOException, InterruptedException {
        // The library would log what the story tells anyway.
        System.setProperty("org.slf4j.simpleLogger.log.io.idempotencykey", "off");
        try (DataDirectory data = DataDirectory.of(options);
                MongoServer server = needsServer(options) ? MongoServer.start() : null) {
            List<String> serve =
                    new ArrayList<>(List.of("--port", "0", "--data", data.path().toString()));
            for (String name : List.of("store", "url", "payments")) {
                options.value(name).ifPresent(value -> serve.addAll(List.of("--" + name, value)));
            }
            if (server != null) {
                serve.addAll(List.of("--url", server.url()));
            }
            try (Demo demo = new Demo(serve, Store.kind(options))) {
                return demo.tell();
            }
        }
    }

    private static boolean needsServer(Options options) {
        return Store.kind(options).equals("mongo") && options.value("url").isEmpty();
    }

    /** Opens a shop in this process. Its workers can be stopped, and it completes nothing in the background. */
    private Application open() throws IOException {
        return new Application(Options.parse(with("--lease", LEASE), Application.OPTIONS), workers);
    }

    private List<String> with(String... more) {
        List<String> all = new ArrayList<>(options);
        all.addAll(List.of(more));
        return all;
    }

    @Override
    public void close() {
        workers.releaseAll();
        application.close();
    }

    private int tell() throws IOException, InterruptedException {
        int before = list("/orders").size() + list("/payments").size();
        System.out.println("A shop on " + shop + ". Its checkout has three stages, of which each commits once:");
        System.out.println("started → tax_lines_created → payment_authorized → finished");
        firstRequestAndItsRetries(name("cart-1"), name("key-1"));
        duplicates(name("cart-2"), name("key-2"));
        if (durable) {
            killedProcess(name("cart-3"), name("key-3"));
        } else {
            stoppedWorker(name("cart-3"), name("key-3"));
        }
        zombie(name("cart-4"), name("key-4"));
        reviewAndItsRetry(name("key-5"), name("review-5"));
        if (endsTransactionsOfTheDead) {
            killedReview(name("key-6"), name("review-6"));
        } else {
            failedReview(name("key-6"), name("review-6"));
        }
        return table(before);
    }

    private String name(String name) {
        return name + "-" + run;
    }

    private void firstRequestAndItsRetries(String cart, String key) throws IOException, InterruptedException {
        rows.put(cart, new Row("sent, sent again, another body"));
        heading("1. A request runs through its stages");
        HttpResponse<byte[]> first = complete(cart, key, ONE_MUG);
        show(first);
        check(first.statusCode() == 201, "the first request is answered with 201");
        showKey(key);

        heading("2. The client saw no answer and sends it again: the same bytes, and nothing runs");
        HttpResponse<byte[]> replay = complete(cart, key, ONE_MUG);
        show(replay);
        check(isReplayOf(first, replay), "the replay is the first answer, byte for byte");

        heading("3. Another body with the same key is refused");
        HttpResponse<byte[]> mismatch = complete(cart, key, TWO_MUGS);
        show(mismatch);
        check(mismatch.statusCode() == 422, "another body is answered with 422");
    }

    private void duplicates(String cart, String key) throws IOException, InterruptedException {
        rows.put(cart, new Row("50 at once, then once more"));
        heading("4. 50 duplicates at the same time: one runs, the others get its answer or are told to wait");
        List<CompletableFuture<HttpResponse<byte[]>>> sent = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            sent.add(send(cart, key, TWO_MUGS));
        }
        Map<String, Integer> answers = new HashMap<>();
        List<HttpResponse<byte[]>> done = new ArrayList<>();
        for (CompletableFuture<HttpResponse<byte[]>> response : sent) {
            HttpResponse<byte[]> answer = response.join();
            answers.merge(answer.statusCode() + (isReplay(answer) ? " replayed" : ""), 1, Integer::sum);
            if (answer.statusCode() == 201) {
                done.add(answer);
            }
        }
        answers.forEach((answer, count) -> line(count + " × " + answer));
        done.add(complete(cart, key, TWO_MUGS));
        show(done.get(done.size() - 1));
        check(Set.of("201", "201 replayed", "409").containsAll(answers.keySet()), "duplicates get 201 or 409");
        check(answers.getOrDefault("201", 0) == 1, "one of them runs");
        check(
                done.stream()
                        .allMatch(answer ->
                                Arrays.equals(answer.body(), done.get(0).body())),
                "all get the same bytes");
    }

    private void killedProcess(String cart, String key) throws IOException, InterruptedException {
        rows.put(cart, new Row("its process is killed in mid-stage"));
        heading("5. The card is charged, then the process is killed (SIGKILL) in the middle of the next stage");
        sendAndKill(Checkout.PAYMENT_AUTHORIZED.name(), () -> send(cart, key, ONE_MUG), () -> showKey(key));
        resume(cart, key, LONG_LEASE);
    }

    /** Looks at the shop while its process still lives. */
    @FunctionalInterface
    private interface Look {
        void look() throws IOException, InterruptedException;
    }

    /** Sends a request to a shop's process, which is killed when the request has come to a point. */
    private void sendAndKill(String point, Supplier<CompletableFuture<HttpResponse<byte[]>>> request, Look before)
            throws IOException, InterruptedException {
        application.close();
        Process serve = serve("--lease", LONG_LEASE, "--stage-delay", point + ":1h");
        CompletableFuture<HttpResponse<byte[]>> lost;
        try {
            BufferedReader said = serve.inputReader(StandardCharsets.UTF_8);
            shop = listening(said);
            lost = request.get();
            awaitWaiting(said, point);
            before.look();
        } finally {
            serve.destroyForcibly().waitFor();
        }
        check(lost.handle((response, failure) -> failure != null).join(), "the first attempt got no answer");
        line("process " + serve.pid() + " is dead; the shop is started again on the same data");
        application = open();
        shop = application.url();
    }

    /** Starts a shop in a process of its own. */
    private Process serve(String... more) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "serve"));
        command.addAll(with(more));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        return process;
    }

    private static URI listening(BufferedReader said) throws IOException {
        String line = said.readLine();
        if (line == null) {
            throw new IOException("the shop's process didn't start");
        }
        return URI.create(line.replaceAll(".* ", ""));
    }

    private static void awaitWaiting(BufferedReader said, String point) throws IOException, InterruptedException {
        long begin = System.nanoTime();
        while (!said.ready() || !StageHook.waitingAt(point).equals(said.readLine())) {
            if (System.nanoTime() - begin > PATIENCE.toNanos()) {
                throw new IOException("no worker came to " + point);
            }
            Thread.sleep(20);
        }
    }

    private void stoppedWorker(String cart, String key) throws IOException, InterruptedException {
        rows.put(cart, new Row("its worker stops for good"));
        heading("5. The card is charged, then the worker stops for good in the middle of the next stage");
        workers.stopNext(key);
        CompletableFuture<HttpResponse<byte[]>> lost = send(cart, key, ONE_MUG);
        workers.awaitStopped(key);
        showKey(key);
        resume(cart, key, LEASE);
        check(!lost.isDone(), "the first attempt never ended");
    }

    private void resume(String cart, String key, String lease) throws IOException, InterruptedException {
        line("the client has heard nothing and sends the request again, until the lease of " + lease + " has run out:");
        HttpResponse<byte[]> resumed = retry(() -> send(cart, key, ONE_MUG));
        check(resumed.statusCode() == 201 && !isReplay(resumed), "the retry takes over and is answered with 201");
        showKey(key);
    }

    private void zombie(String cart, String key) throws IOException, InterruptedException {
        rows.put(cart, new Row("its worker comes back as a zombie"));
        heading("6. A worker sleeps past its lease, another one takes over, and then the first wakes up");
        workers.stopNext(key);
        CompletableFuture<HttpResponse<byte[]>> asleep = send(cart, key, ONE_MUG);
        workers.awaitStopped(key);
        HttpResponse<byte[]> done = retry(() -> send(cart, key, ONE_MUG));
        check(done.statusCode() == 201, "the second worker ends the request");
        workers.release(key);
        line("the zombie goes on to commit, and is fenced off:");
        HttpResponse<byte[]> zombie = asleep.join();
        show(zombie);
        check(zombie.statusCode() == 409, "the zombie's client is told to ask again");
        HttpResponse<byte[]> replay = complete(cart, key, ONE_MUG);
        show(replay);
        check(isReplayOf(done, replay), "and then gets the answer");
    }

    private void reviewAndItsRetry(String key, String text) throws IOException, InterruptedException {
        heading("7. A review is a request of one stage: one transaction, and its retry gets the same bytes");
        HttpResponse<byte[]> first = review(key, text);
        HttpResponse<byte[]> replay = review(key, text);
        check(first.statusCode() == 201, "the review is answered with 201");
        check(isReplayOf(first, replay), "the retry of the review gets its answer, byte for byte");
        check(reviews(text) == 1, "there is one review");
    }

    private void killedReview(String key, String text) throws IOException, InterruptedException {
        heading("8. The process is killed (SIGKILL) when it has written a review, and not committed it");
        sendAndKill(StageHook.REVIEW_WRITTEN, () -> sendReview(key, text), () -> {});
        nothingIsLeftAndARetryDoesTheWork(key, text);
    }

    private void failedReview(String key, String text) throws IOException, InterruptedException {
        heading("8. The worker fails when it has written a review, and not committed it");
        workers.failNext(key);
        show(sendReview(key, text).join());
        nothingIsLeftAndARetryDoesTheWork(key, text);
    }

    private void nothingIsLeftAndARetryDoesTheWork(String key, String text) throws IOException, InterruptedException {
        showKey(key);
        line("reviews: " + reviews(text));
        check(get("/keys/" + key).statusCode() == 404, "no key is left");
        check(reviews(text) == 0, "no review is left");
        HttpResponse<byte[]> retried = retry(() -> sendReview(key, text));
        check(retried.statusCode() == 201 && !isReplay(retried), "the retry does the work");
        check(isReplayOf(retried, review(key, text)), "the next one gets its answer");
        line("reviews: " + reviews(text));
        check(reviews(text) == 1, "the review was added once");
    }

    private HttpResponse<byte[]> review(String key, String text) {
        HttpResponse<byte[]> response = sendReview(key, text).join();
        show(response);
        return response;
    }

    private CompletableFuture<HttpResponse<byte[]>> sendReview(String key, String text) {
        return post("/articles/mug/reviews", key, Json.write(Map.of("stars", 5, "text", text)));
    }

    private long reviews(String text) throws IOException, InterruptedException {
        return count(list("/reviews"), "text", text);
    }

    private int table(int before) throws IOException, InterruptedException {
        List<?> orders = list("/orders");
        List<?> charges = list("/payments");
        heading("All in all");
        String format = "   %-12s %-36s %8s %8s %8s%n";
        System.out.printf(format, "cart", "", "requests", "orders", "charges");
        int requests = 0;
        long ordered = 0;
        long charged = 0;
        for (Map.Entry<String, Row> row : rows.entrySet()) {
            String cart = row.getKey();
            long itsOrders = count(orders, "cart", cart);
            long itsCharges = count(charges, "cart", cart);
            System.out.printf(format, cart, row.getValue().story, row.getValue().requests, itsOrders, itsCharges);
            check(itsOrders == 1, cart + " has one order");
            check(itsCharges == 1, cart + " is charged once");
            requests += row.getValue().requests;
            ordered += itsOrders;
            charged += itsCharges;
        }
        System.out.printf(format, "", "", requests, ordered, charged);
        check(
                orders.size() + charges.size() == before + ordered + charged,
                "there are no other new orders and charges");
        System.out.println();
        if (wrong.isEmpty()) {
            System.out.println("As it should be: every request ran once.");
            return 0;
        }
        wrong.forEach(rule -> System.out.println("WRONG: this is not so: " + rule));
        return 1;
    }

    /** Sends a request again, at the intervals that the answers ask for, until it isn't in flight any more. */
    private HttpResponse<byte[]> retry(Supplier<CompletableFuture<HttpResponse<byte[]>>> request)
            throws InterruptedException {
        while (true) {
            HttpResponse<byte[]> response = request.get().join();
            show(response);
            if (response.statusCode() != 409) {
                return response;
            }
            Thread.sleep(Duration.ofSeconds(
                            response.headers().firstValueAsLong("Retry-After").orElse(1))
                    .toMillis());
        }
    }

    private HttpResponse<byte[]> complete(String cart, String key, String body) {
        return send(cart, key, body).join();
    }

    private CompletableFuture<HttpResponse<byte[]>> send(String cart, String key, String body) {
        rows.getOrDefault(cart, new Row("")).requests++;
        return post("/carts/" + cart + "/complete", key, body);
    }

    private CompletableFuture<HttpResponse<byte[]>> post(String path, String key, String body) {
        HttpRequest request = HttpRequest.newBuilder(shop.resolve(path))
                .header("Idempotency-Key", '"' + key + '"')
                .header("Content-Type", Json.CONTENT_TYPE)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray());
    }

    private HttpResponse<byte[]> get(String path) throws IOException, InterruptedException {
        return client.send(HttpRequest.newBuilder(shop.resolve(path)).build(), HttpResponse.BodyHandlers.ofByteArray());
    }

    private List<?> list(String path) throws IOException, InterruptedException {
        try {
            return Json.read(get(path).body()) instanceof List<?> list ? list : List.of();
        } catch (Json.Malformed e) {
            throw new IOException(path + " isn't JSON", e);
        }
    }

    private static long count(List<?> list, String member, String value) {
        return list.stream()
                .filter(element -> element instanceof Map<?, ?> members && value.equals(members.get(member)))
                .count();
    }

    private static boolean isReplay(HttpResponse<byte[]> response) {
        return response.headers().firstValue("Idempotency-Replayed").isPresent();
    }

    private static boolean isReplayOf(HttpResponse<byte[]> first, HttpResponse<byte[]> second) {
        return isReplay(second)
                && first.statusCode() == second.statusCode()
                && first.headers()
                        .firstValue("Content-Type")
                        .equals(second.headers().firstValue("Content-Type"))
                && Arrays.equals(first.body(), second.body());
    }

    private void showKey(String key) throws IOException, InterruptedException {
        line("GET /keys/" + key + "  " + text(get("/keys/" + key).body()));
    }

    private static void show(HttpResponse<byte[]> response) {
        StringBuilder head = new StringBuilder().append(response.statusCode());
        for (String name : List.of("Idempotency-Replayed", "Retry-After")) {
            response.headers()
                    .firstValue(name)
                    .ifPresent(
                            value -> head.append("  ").append(name).append(": ").append(value));
        }
        line(head + "  " + text(response.body()));
    }

    private static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }

    private static void heading(String text) {
        System.out.println();
        System.out.println(text);
    }

    private static void line(String text) {
        System.out.println("   " + text);
    }

    private void check(boolean holds, String rule) {
        if (!holds) {
            wrong.add(rule);
        }
    }

    /** Stops chosen workers in the middle of their last stage, before its commit, or lets them fail there. */
    private static final class Workers implements StageHook {
        private record Stop(CountDownLatch reached, CountDownLatch released) {}

        private final Map<String, Stop> stops = new ConcurrentHashMap<>();
        private final Set<String> failures = ConcurrentHashMap.newKeySet();

        void stopNext(String key) {
            stops.put(key, new Stop(new CountDownLatch(1), new CountDownLatch(1)));
        }

        void failNext(String key) {
            failures.add(key);
        }

        void awaitStopped(String key) throws IOException, InterruptedException {
            Stop stop = stops.get(key);
            if (stop == null || !stop.reached.await(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new IOException("no worker came to the last stage of " + key);
            }
        }

        void release(String key) {
            Stop stop = stops.get(key);
            if (stop != null) {
                stop.released.countDown();
            }
        }

        void releaseAll() {
            stops.keySet().forEach(this::release);
        }

        @Override
        public void at(String point, IdempotencyKey key) {
            if (point.equals(StageHook.REVIEW_WRITTEN)
                    && failures.remove(key.id().value())) {
                throw new IllegalStateException("the story lets the worker fail");
            }
            Stop stop = stops.get(key.id().value());
            // Only the first attempt stops.
            if (stop == null || key.attempts() > 1 || !point.equals(Checkout.PAYMENT_AUTHORIZED.name())) {
                return;
            }
            stop.reached.countDown();
            try {
                stop.released.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted in the middle of a stage", e);
            }
        }
    }
}
