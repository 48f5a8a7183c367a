package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kills or pauses a shop in the middle of its request of one stage. */
class ReviewKillTest {
    private static final String REVIEW = "{\"stars\":5,\"text\":\"good\"}";

    /** Longer than PostgreSQL takes to end the transaction of a paused shop, whose lease is a second. */
    private static final String DELAY_OF_A_PAUSED_SHOP = "4s";

    /** A server of these tests only, since they end all of its transactions. */
    @SuppressWarnings("NullAway.Init") // by startMongodb()
    private static MongoServer mongodb;

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir
    Path directory = Path.of("");

    @BeforeAll
    static void startMongodb() throws IOException {
        mongodb = MongoServer.start();
    }

    @AfterAll
    static void stopMongodb() {
        mongodb.close();
    }

    @ParameterizedTest
    @CsvSource({
        "h2, review_begun",
        "h2, review_written",
        "h2, review_committed",
        "postgresql, review_begun",
        "postgresql, review_written",
        "postgresql, review_committed",
        "mongo, review_begun",
        "mongo, review_written",
        "mongo, review_committed"
    })
    void aReviewWhoseShopIsKilledIsAddedOnce(String database, String point) throws Exception {
        boolean committed = point.equals(StageHook.REVIEW_COMMITTED);
        String[] store = store(database);
        try (Program killed = start("1h", point + ":1h", store)) {
            CompletableFuture<HttpResponse<String>> lost = review(killed.url());
            killed.awaitLine(StageHook.waitingAt(point));
            killed.kill();
            assertThat(lost.handle((response, failure) -> failure))
                    .succeedsWithin(Patience.LONGEST)
                    .isNotNull()
                    .isNotInstanceOf(TimeoutException.class);
        }
        try (RunningShop restarted = new RunningShop((at, key) -> {}, store)) {
            restarted.runInBackground();
            assertThat(restarted.get("/keys/key").statusCode()).isEqualTo(committed ? 200 : 404);
            assertThat(restarted.countReviews("good")).isEqualTo(committed ? 1 : 0);
            if (database.equals("mongo") && !committed) {
                assertThat(Patience.await(review(restarted.url())).statusCode()).isEqualTo(409);
                endTransactionsInMongodb();
            }
            HttpResponse<String> retried = answerOf(restarted);
            assertThat(isReplayed(retried)).isEqualTo(committed);
            assertOneReview(restarted, retried);
        }
    }

    @ParameterizedTest
    @CsvSource({"postgresql, review_begun", "postgresql, review_written", "mongo, review_begun", "mongo, review_written"
    })
    void aShopThatIsPausedPastTheEndOfItsTransactionGivesTheAnswerOfWhoeverCameAfterIt(String database, String point)
            throws Exception {
        String[] store = store(database);
        try (Program paused = start("1s", point + ':' + DELAY_OF_A_PAUSED_SHOP, store)) {
            CompletableFuture<HttpResponse<String>> asleep = review(paused.url());
            paused.awaitLine(StageHook.waitingAt(point));
            paused.signal("STOP");
            // Each shop has a folder of its own.
            store[1] = Files.createDirectory(directory.resolve("other")).toString();
            try (RunningShop other = new RunningShop((at, key) -> {}, store)) {
                if (database.equals("mongo")) {
                    assertThat(Patience.await(review(other.url())).statusCode()).isEqualTo(409);
                    endTransactionsInMongodb();
                }
                HttpResponse<String> first = answerOf(other);
                assertThat(isReplayed(first)).isFalse();
                paused.signal("CONT");
                HttpResponse<String> late = Patience.await(asleep);
                assertThat(late.statusCode()).as(late.body()).isEqualTo(201);
                assertThat(late.body()).isEqualTo(first.body());
                assertThat(isReplayed(late)).isTrue();
                assertOneReview(other, first);
            }
        }
    }

    /** Does at once what a server does a minute after a shop's death. */
    private static void endTransactionsInMongodb() {
        try (MongoClient operator = MongoClients.create(mongodb.url())) {
            Document done = operator.getDatabase("admin").runCommand(new Document("killAllSessions", List.of()));
            assertThat(done.get("ok", Number.class).intValue()).isEqualTo(1);
        }
    }

    /** Sends the review again, as a client does, until it isn't in flight any more. */
    private HttpResponse<String> answerOf(RunningShop shop) throws Exception {
        List<HttpResponse<String>> answers = new ArrayList<>();
        Patience.await(() -> {
            HttpResponse<String> answer = Patience.await(review(shop.url()));
            answers.add(answer);
            return answer.statusCode() != 409;
        });
        HttpResponse<String> answer = answers.get(answers.size() - 1);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        return answer;
    }

    private void assertOneReview(RunningShop shop, HttpResponse<String> first) {
        for (int i = 0; i < 2; i++) {
            HttpResponse<String> replay = Patience.await(review(shop.url()));
            assertThat(replay.statusCode()).isEqualTo(201);
            assertThat(isReplayed(replay)).isTrue();
            assertThat(replay.body()).isEqualTo(first.body());
        }
        assertThat(shop.countReviews("good")).isEqualTo(1);
    }

    private static boolean isReplayed(HttpResponse<String> response) {
        return response.headers().firstValue("Idempotency-Replayed").isPresent();
    }

    private CompletableFuture<HttpResponse<String>> review(URI url) {
        HttpRequest request = HttpRequest.newBuilder(url.resolve("/articles/mug/reviews"))
                .header("Idempotency-Key", "key")
                .POST(HttpRequest.BodyPublishers.ofString(REVIEW))
                .build();
        return client.sendAsync(request, HttpResponse.BodyHandlers.ofString())
                .orTimeout(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
    }

    private Program start(String lease, String delay, String... store) throws IOException {
        List<String> arguments =
                new ArrayList<>(List.of("serve", "--port", "0", "--lease", lease, "--stage-delay", delay));
        arguments.addAll(List.of(store));
        return Program.start(directory, arguments.toArray(String[]::new));
    }

    /** The options for an empty store of the kind; the second word is the folder. */
    private String[] store(String database) {
        List<String> options = new ArrayList<>(List.of("--data", directory.toString()));
        switch (database) {
            case "mongo" -> options.addAll(List.of(MongoDatabases.in(mongodb.url(), newName())));
            case "postgresql" -> options.addAll(List.of("--url", PostgresqlServer.newDatabase()));
            default -> {
                // The folder is all that H2 needs.
            }
        }
        return options.toArray(String[]::new);
    }

    private String newName() {
        return "shop-" + directory.getFileName();
    }
}
