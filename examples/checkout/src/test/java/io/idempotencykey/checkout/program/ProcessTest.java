package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.Checkout;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.WebServer;
import io.idempotencykey.checkout.http.WebServer.Route;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs the program as a process, and checks its output, its exit codes, its end, and what is left after a kill. */
@Execution(ExecutionMode.CONCURRENT)
class ProcessTest {
    /** With its name and four characters more, as much as the library stores of headers. */
    private static final String LONGEST_CONTENT_TYPE = "text/plain; a=" + "x".repeat(6_144 - 12 - 4 - 14);

    /** MongoDB ends the transactions of a dead or paused process after a minute, and PostgreSQL never does. */
    private static final Duration LONG_BEFORE_A_DATABASE_WOULD_END_THEM = Duration.ofSeconds(40);

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir
    Path directory = Path.of("");

    @ParameterizedTest
    @CsvSource({
        "jpa, its process is killed in mid-stage, The process is killed (SIGKILL) when it has written a review",
        "mongo, its process is killed in mid-stage, The worker fails when it has written a review",
        "inmemory, its worker stops for good, The worker fails when it has written a review"
    })
    void theDemoEndsWell(String store, String crash, String crashOfAReview) throws Exception {
        try (Program demo = start("demo", "--store", store)) {
            demo.endsWith(0);
            assertThat(demo.output())
                    .contains("As it should be", crash, crashOfAReview, "reviews: 0")
                    .doesNotContain("WRONG");
        }
    }

    @Test
    void theDemoFailsIfItsTableIsWrong() throws Exception {
        Response charged = Response.of(201, Json.CONTENT_TYPE, "{\"id\":\"ch_1\"}");
        List<Route> forgetful = List.of(
                new Route("POST", "/charges", (exchange, none) -> charged),
                new Route("GET", "/charges", (exchange, none) -> Response.of(200, Json.CONTENT_TYPE, "[]")));
        try (WebServer provider = new WebServer(0, forgetful);
                Program demo = start(
                        "demo",
                        "--store",
                        "inmemory",
                        "--payments",
                        provider.url().toString())) {
            demo.endsWith(1);
            assertThat(demo.output()).containsPattern("WRONG: this is not so: cart-1-.* is charged once");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"jpa", "inmemory"})
    void aStopRefusesNewRequestsAndLetsRunningOnesEnd(String store) throws Exception {
        try (Program serve = start("serve", "--port", "0", "--stage-delay", "500ms", "--store", store)) {
            URI url = serve.url();
            CompletableFuture<HttpResponse<String>> running = send(url);
            Patience.await(() -> key(url).statusCode() == 200);
            serve.stop();
            Patience.await(() -> !isAccepting(url));
            assertThat(Patience.await(running).statusCode()).isEqualTo(201);
            serve.endsWith(0);
            assertThat(serve.errors()).isEmpty();
        }
    }

    @Test
    void theProviderKeepsItsChargesThroughAKill() throws Exception {
        String charge = "{\"cart\":\"cart\",\"amount\":100}";
        String first;
        try (Program provider = start("payments", "--data", directory.toString())) {
            first = charge(provider.url(), charge);
            provider.kill();
        }
        try (Program restarted = start("payments", "--data=" + directory)) {
            URI url = restarted.url();
            assertThat(charge(url, charge)).isEqualTo(first);
            assertThat(get(url, "/charges").body()).isEqualTo("[" + first + "]");
            try (Program second = start("payments", "--data", directory.toString())) {
                second.endsWith(1);
                assertThat(second.errors()).contains("is in use by another process");
            }
        }
    }

    private String charge(URI provider, String charge) {
        HttpRequest request = HttpRequest.newBuilder(provider.resolve("/charges"))
                .header("Idempotency-Key", "\"key\"")
                .POST(HttpRequest.BodyPublishers.ofString(charge))
                .build();
        return answer(request).join().body();
    }

    @ParameterizedTest
    @ValueSource(strings = {"jpa", "inmemory"})
    void aRequestWhoseClientIsGoneIsCompletedInTheBackground(String store) throws Exception {
        try (Program serve = start("serve", "--port", "0", "--fail-at", "payment_authorized:1", "--store", store)) {
            URI url = serve.url();
            assertThat(complete(url).statusCode()).isEqualTo(500);
            Patience.await(() -> key(url).body().contains("finished"));
            assertReplayed(complete(url));
        }
    }

    @Test
    void aRestartedShopGivesTheSameAnswer() throws Exception {
        HttpResponse<String> first;
        try (Program serve = start("serve", "--port", "0", "--data", directory.toString())) {
            first = complete(serve.url());
            assertThat(first.statusCode()).isEqualTo(201);
            serve.kill();
        }
        try (Program serve = start("serve", "--port", "0", "--data", directory.toString())) {
            URI url = serve.url();
            HttpResponse<String> replay = complete(url);
            assertReplayed(replay);
            assertThat(replay.body()).isEqualTo(first.body());
            assertOneOrderAndOneCharge(url);
            serve.stop();
            serve.endsWith(0);
        }
        try (Program serve = start("serve", "--port", "0", "--data", directory.toString())) {
            assertThat(complete(serve.url()).body()).isEqualTo(first.body());
        }
    }

    /** The process is killed in the middle of a stage, whose transaction has written its rows by then. */
    @ParameterizedTest
    @CsvSource({
        "h2, started",
        "h2, payment_authorized",
        "postgresql, tax_lines_created",
        "postgresql, payment_authorized",
        "mongo, tax_lines_created",
        "mongo, payment_authorized"
    })
    void requestsWhoseClientsAndProcessAreGoneAreCompletedTogetherAfterTheRestart(String database, String stage)
            throws Exception {
        String[] store = store(database);
        // A busy machine takes some seconds until all are in the stage; who is overtaken before that would be told so.
        String[] serve = serve("6s", store);
        List<String> names = IntStream.range(0, 10).mapToObj(i -> "lost-" + i).toList();
        try (Program killed = start(with(serve, "--stage-delay", stage + ":1h"))) {
            URI url = killed.url();
            List<CompletableFuture<HttpResponse<String>>> lost =
                    names.stream().map(name -> send(url, name, name)).toList();
            Patience.await(() -> allKeys(url, names, '"' + stage + '"'));
            killed.kill();
            assertThat(lost)
                    .allSatisfy(request -> assertThat(request.handle((response, failure) -> failure))
                            .succeedsWithin(Patience.LONGEST)
                            .isNotNull()
                            .isNotInstanceOf(TimeoutException.class));
        }
        awaitTheEndOfTheirLeases(store, names);
        // Each waits until six are in this stage, so they can't be completed one after the other.
        CountDownLatch together = new CountDownLatch(6);
        StageHook hook = (point, key) -> {
            if (key.recoveryPoint().equals(Checkout.PAYMENT_AUTHORIZED)) {
                together.countDown();
                Patience.await(together);
            }
        };
        try (RunningShop restarted = new RunningShop(hook, store)) {
            URI url = restarted.url();
            long begin = System.nanoTime();
            restarted.runInBackground();
            Patience.await(() -> allKeys(url, names, "finished"));
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG_BEFORE_A_DATABASE_WOULD_END_THEM);
            for (String name : names) {
                assertReplayed(send(url, name, name).join());
                assertOneOrderAndOneCharge(url, name);
            }
        }
    }

    private void awaitTheEndOfTheirLeases(String[] options, List<String> names) throws Exception {
        try (Store<?> store = Store.open(Options.parse(List.of(options), Application.OPTIONS), directory)) {
            for (String name : names) {
                KeyState state =
                        store.keys().find(KeyId.of(name)).orElseThrow().key().state();
                assertThat(state).as(name).isInstanceOf(KeyState.Locked.class);
                Instant end = ((KeyState.Locked) state).leaseEnds();
                // A request counts as abandoned half a second after the end of its lease.
                Patience.await(() -> store.keys().time().minusSeconds(1).isAfter(end));
            }
        }
    }

    private boolean allKeys(URI url, List<String> names, String contain) {
        for (String name : names) {
            if (!get(url, "/keys/" + name).body().contains(contain)) {
                return false;
            }
        }
        return true;
    }

    @ParameterizedTest
    @ValueSource(strings = {"postgresql", "mongo"})
    void aProcessThatIsPausedWithItsTransactionOpenHoldsNobodyUpAndIsFencedOff(String database) throws Exception {
        try (Program payments = start("payments", "--data", directory.toString())) {
            String[] serve = with(
                    serve("3s", store(database)), "--payments", payments.url().toString());
            try (Program paused = start(with(serve, "--stage-delay", "payment_authorized:5s"));
                    Program other = start(serve)) {
                URI pausedUrl = paused.url();
                URI otherUrl = other.url();
                CompletableFuture<HttpResponse<String>> asleep = send(pausedUrl);
                Patience.await(() -> key(otherUrl).body().contains("payment_authorized"));
                paused.signal("STOP");
                long begin = System.nanoTime();
                Patience.await(() -> key(otherUrl).body().contains("finished"));
                assertThat(Duration.ofNanos(System.nanoTime() - begin))
                        .isLessThan(LONG_BEFORE_A_DATABASE_WOULD_END_THEM);
                paused.signal("CONT");
                HttpResponse<String> late = Patience.await(asleep);
                assertThat(late.statusCode()).as(late.body()).isEqualTo(409);
                assertReplayed(complete(pausedUrl));
                assertOneOrderAndOneCharge(otherUrl);
            }
        }
    }

    /** The options for an empty store of the kind. */
    private String[] store(String database) {
        String[] data = {"--data", directory.toString()};
        return switch (database) {
            case "mongo" -> with(data, MongoDatabases.newDatabase());
            case "postgresql" -> with(data, "--url", PostgresqlServer.newDatabase());
            default -> data;
        };
    }

    private static String[] serve(String lease, String... store) {
        return with(new String[] {"serve", "--port", "0", "--lease", lease}, store);
    }

    private static String[] with(String[] arguments, String... more) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    @Test
    void twoProcessesMakeTheTablesAtTheSameTime() throws Exception {
        String url = PostgresqlServer.newDatabase();
        try (Program one = start("serve", "--port", "0", "--url", url);
                Program two = start("serve", "--port", "0", "--url", url);
                Program three = start("serve", "--port", "0", "--url", url)) {
            assertThat(complete(one.url()).statusCode()).isEqualTo(201);
            assertReplayed(complete(two.url()));
            assertReplayed(complete(three.url()));
        }
    }

    @Test
    void aSecondShopOnTheSameFileIsRefused() throws Exception {
        try (Program one = start("serve", "--port", "0", "--data", directory.toString())) {
            URI url = one.url();
            try (Program two = start("serve", "--port", "0", "--data", directory.toString())) {
                two.endsWith(1);
                assertThat(two.errors())
                        .contains("the database can't be opened")
                        .hasLineCount(1);
            }
            assertThat(complete(url).statusCode()).isEqualTo(201);
        }
    }

    @Test
    void aRequestThatFailsTooOftenIsQuarantined() throws Exception {
        try (Program serve = start("serve", "--port", "0", "--fail-at", "payment_authorized:9", "--attempts", "1")) {
            URI url = serve.url();

            assertThat(complete(url).statusCode()).isEqualTo(500);
            HttpResponse<String> refused = complete(url);

            assertThat(refused.statusCode()).isEqualTo(409);
            assertThat(refused.body()).contains("quarantined").doesNotContain("--fail-at");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"h2", "postgresql", "mongo"})
    void anOperatorActsOnKeysBesideARunningShop(String database) throws Exception {
        String[] serving = store(database);
        String[] store = joining(serving);
        try (Program running =
                start(with(serve("30s", serving), "--fail-at", "payment_authorized:3", "--attempts", "1"))) {
            URI url = running.url();
            assertThat(complete(url).statusCode()).isEqualTo(500);

            try (Program shown = start(with(new String[] {"keys", "show", "key"}, store));
                    Program another = start(with(new String[] {"keys", "show", "another"}, store))) {
                assertThat(shown.output()).contains("\"path\":\"/carts/cart/complete\"");
                shown.endsWith(0);
                assertThat(shown.errors()).isEmpty();
                assertThat(another.output()).isEmpty();
                another.endsWith(1);
                assertThat(another.errors()).contains("there is no key").hasLineCount(1);
            }
            assertThat(keys(store, "list"))
                    .containsOnlyOnce("\"value\":\"key\"")
                    .contains("\"state\":\"quarantined\"", "as --fail-at asks");
            assertThat(keys(store, "list", "--state", "unfinished")).isEmpty();
            assertRefused(store, "show", "key", "--scope", "shop");

            String[] unseen = {"--creation", UUID.randomUUID().toString(), "--updated", Instant.EPOCH.toString()};
            assertRefused(store, with(new String[] {"retry", "key"}, unseen));
            assertThat(act(store, "retry", "key", "--by", "alice"))
                    .contains("\"state\":\"open\"", "\"lastError\":\"retry by alice; before: ");
            Patience.await(() -> complete(url).body().contains("quarantined"));
            // Nothing is stored that no server could send, and that nobody could undo.
            assertRefused(store, acting(store, "finish", "key", "--body", "x", "--content-type", "x".repeat(30_000)));
            assertThat(act(
                            store,
                            "finish",
                            "key",
                            "--status=299",
                            "--body",
                            "by hand",
                            "--content-type",
                            LONGEST_CONTENT_TYPE))
                    .contains("\"lastError\":\"finish by " + System.getProperty("user.name"));
            HttpResponse<String> finished = complete(url);
            assertReplayed(finished, 299);
            assertThat(finished.body()).isEqualTo("by hand");
            assertThat(finished.headers().firstValue("Content-Type")).contains(LONGEST_CONTENT_TYPE);
            assertRefused(store, acting(store, "discard", "key"));
            assertThat(keys(store, "list")).isEmpty();

            assertThat(send(url, "cart-2", "key-2").join().statusCode()).isEqualTo(500);
            assertThat(act(store, "discard", "key-2")).contains("discard by ");
            assertThat(get(url, "/keys/key-2").statusCode()).isEqualTo(404);
        }
        // The operator acts on keys also when no shop runs.
        assertThat(keys(store, "show", "key")).contains("finished");
    }

    @Test
    void anOperatorListsTheUnfinishedKeysOfEveryShop() throws Exception {
        StageHook failing = (point, key) -> {
            if (!key.recoveryPoint().equals(RecoveryPoint.STARTED)) {
                throw new IllegalStateException("nobody goes on with it");
            }
        };
        String[] store = {"--data", directory.toString()};
        try (RunningShop shop = new RunningShop(failing, store)) {
            for (String name : List.of("shop-1", "shop-2")) {
                HttpRequest.Builder request = shop.post("cart", RunningShop.ONE_MUG)
                        .header("X-Shop", name)
                        .header("Idempotency-Key", "key");
                assertThat(shop.send(request).join().statusCode()).isEqualTo(500);
            }
            assertThat(keys(store, "list", "--state", "unfinished"))
                    .hasLineCount(2)
                    .containsOnlyOnce("\"scope\":\"shop-1\"")
                    .containsOnlyOnce("\"scope\":\"shop-2\"")
                    .contains("\"state\":\"open\"");
        }
    }

    /** Names the store that a shop serves from in the words of {@code keys}. */
    private static String[] joining(String... serving) {
        List<String> options = List.of(serving);
        String name = options.contains("--url") ? "--url" : "--data";
        return new String[] {name, options.get(options.indexOf(name) + 1)};
    }

    /** An operator's command in this process, as each process takes a second. */
    private record Command(int code, String output, String errors) {
        static Command run(String... arguments) throws IOException {
            StringWriter output = new StringWriter();
            StringWriter errors = new StringWriter();
            int code = Main.keys(List.of(arguments), new PrintWriter(output, true), new PrintWriter(errors, true));
            return new Command(code, output.toString(), errors.toString());
        }
    }

    /** Runs an operator's command, and returns what it prints. */
    private static String keys(String[] store, String... arguments) throws IOException {
        Command command = Command.run(with(arguments, store));
        assertThat(command.code).as(command.errors).isZero();
        return command.output;
    }

    /** Acts on a key as it is printed now. */
    private static String act(String[] store, String action, String key, String... further) throws IOException {
        return keys(store, acting(store, action, key, further));
    }

    private static String[] acting(String[] store, String action, String key, String... further) throws IOException {
        String shown = keys(store, "show", key);
        String[] seen = {action, key, "--creation", member(shown, "creationId"), "--updated", member(shown, "updatedAt")
        };
        return with(seen, further);
    }

    private static void assertRefused(String[] store, String... arguments) throws IOException {
        Command command = Command.run(with(arguments, store));
        assertThat(command.code).isEqualTo(1);
        assertThat(command.output).as("what is printed of a refused command").isEmpty();
        assertThat(command.errors).hasLineCount(1);
    }

    private static String member(String json, String name) {
        String begin = "\"" + name + "\":\"";
        int from = json.indexOf(begin) + begin.length();
        return json.substring(from, json.indexOf('"', from));
    }

    @Test
    void anOperatorOfNoShopsDataIsRefusedAndMakesNone() throws Exception {
        assertRefused(new String[] {"--data", directory.toString()}, "list");

        assertThat(directory.resolve("shop.mv.db")).doesNotExist();
    }

    @Test
    void anOperatorOfADatabaseFromWhichNoShopHasServedIsToldSo() throws Exception {
        assertRefused(joining(MongoDatabases.newDatabase()), "list");
        assertRefused(new String[] {"--url", PostgresqlServer.newDatabase()}, "list");
    }

    @Test
    void mongodbWithoutItsUrlEndsWithStatusTwo() throws Exception {
        try (Program serve = start("serve", "--store", "mongo")) {
            serve.endsWith(2);
            assertThat(serve.errors())
                    .startsWith("checkout: --store mongo needs --url")
                    .contains("tools/mongo-server", "usage: run demo");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "sell",
                "serve --store mongo",
                "serve --store mongo --url jdbc:postgresql://127.0.0.1/shop?password=secret",
                "serve --store mongo --url mongodb://user:secret@127.0.0.1@/shop",
                "serve --store mongo --url mongodb://user:secret@/shop",
                "serve --url mongodb://user:secret@127.0.0.1/shop",
                "serve --store disk",
                "serve --url mysql://user:secret@127.0.0.1/",
                "serve --url jdbc:h2:mem:shop",
                "serve --data /tmp/a;b",
                "serve --data=",
                "payments --data=",
                "serve --store inmemory --url jdbc:postgresql://127.0.0.1/shop?password=secret",
                "demo --store inmemory --url mongodb://user:secret@127.0.0.1/shop",
                "serve --port 0 --stage-delay 1",
                "serve --port 0 --stage-delay 25h",
                "serve --port 0 --stage-delay started:999999999d",
                "serve --port 65536",
                "serve --port 0 --console 65536",
                "serve --port 0 --console here",
                "serve --port",
                "serve --port 0 --lease 0s",
                "serve --port 0 --lease 1",
                "serve --port 0 --ttl 99999d",
                "serve --payments somewhere",
                "serve --port 0 --attempts 0",
                "serve --port 0 --fail-at started",
                "serve --port 0 --fail-at started:x",
                "serve --port 0 --fail-at foo:3",
                "serve --port 0 --fail-at finished:3",
                "serve --port 0 --stage-delay foo:5s",
                "serve --port 0 --stage-delay :5s",
                "serve --port 0 --port 0",
                "serve now",
                "payments --lease 1s",
                "demo now",
                "keys list --data /tmp/a;b",
                "keys list --data="
            })
    @Timeout(60)
    void aWrongCommandLineIsRefused(String arguments) {
        List<String> words = arguments.isEmpty() ? List.of() : List.of(arguments.split(" "));
        assertThatExceptionOfType(Options.Refused.class)
                .isThrownBy(() -> Main.run(words))
                .satisfies(e -> assertThat(e).hasMessageNotContaining("secret"));
    }

    private Program start(String... arguments) throws IOException {
        return Program.start(directory, arguments);
    }

    private HttpResponse<String> complete(URI url) {
        return send(url).join();
    }

    private CompletableFuture<HttpResponse<String>> send(URI url) {
        return send(url, "cart", "key");
    }

    private CompletableFuture<HttpResponse<String>> send(URI url, String cart, String key) {
        HttpRequest request = HttpRequest.newBuilder(url.resolve("/carts/" + cart + "/complete"))
                .header("Idempotency-Key", key)
                .POST(HttpRequest.BodyPublishers.ofString(RunningShop.ONE_MUG))
                .build();
        return answer(request);
    }

    /** Sends a request; if no answer comes in time, that is a failure. */
    private CompletableFuture<HttpResponse<String>> answer(HttpRequest request) {
        return client.sendAsync(request, HttpResponse.BodyHandlers.ofString())
                .orTimeout(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
    }

    private HttpResponse<String> key(URI url) {
        return get(url, "/keys/key");
    }

    private HttpResponse<String> get(URI url, String path) {
        HttpRequest request = HttpRequest.newBuilder(url.resolve(path)).build();
        return answer(request).join();
    }

    private static void assertReplayed(HttpResponse<String> response) {
        assertReplayed(response, 201);
    }

    private static void assertReplayed(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.headers().firstValue("Idempotency-Replayed")).contains("true");
    }

    private void assertOneOrderAndOneCharge(URI url) {
        assertOneOrderAndOneCharge(url, "cart");
    }

    private void assertOneOrderAndOneCharge(URI url, String cart) {
        for (String path : List.of("/orders", "/payments")) {
            assertThat(get(url, path).body()).as(path).containsOnlyOnce("\"cart\":\"" + cart + "\"");
        }
    }

    private static boolean isAccepting(URI url) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(
                    new InetSocketAddress(url.getHost(), url.getPort()), Math.toIntExact(Patience.LONGEST.toMillis()));
            return socket.isConnected();
        } catch (SocketException e) {
            return false;
        }
    }
}
