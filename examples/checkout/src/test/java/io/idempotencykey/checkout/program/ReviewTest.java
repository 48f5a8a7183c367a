package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A request of one stage over HTTP, over each store: its answers, and what is seen of it while it runs. */
@ParameterizedClass
@ValueSource(strings = {"jpa", "mongo", "inmemory"})
class ReviewTest {
    private static final Map<String, StageHook> HOOKS = new ConcurrentHashMap<>();

    @SuppressWarnings("NullAway.Init") // by start()
    private static RunningShop shop;

    private String text = "";
    private String key = "";
    private String body = "";

    @Parameter
    String store = "";

    @BeforeParameterizedClassInvocation
    static void start(String store) throws IOException {
        shop = RunningShop.on(
                store,
                (point, key) ->
                        HOOKS.getOrDefault(key.id().value(), (p, k) -> {}).at(point, key));
    }

    @AfterParameterizedClassInvocation
    static void stop() {
        shop.close();
    }

    @BeforeEach
    void choose() {
        text = "text-" + UUID.randomUUID();
        key = "key-" + UUID.randomUUID();
        body = "{\"stars\":5,\"text\":\"" + text + "\"}";
    }

    @Test
    void aNewReviewIsOneRowAndItsReplayTheSameBytes() {
        HttpResponse<String> first = shop.review("mug", key, body);
        HttpResponse<String> replay = shop.review("mug", key, body);

        assertThat(first.statusCode()).isEqualTo(201);
        assertThat(header(first, "Content-Type")).isEqualTo("application/json");
        assertThat(header(first, "Idempotency-Replayed")).isNull();
        assertThat(first.body()).contains("\"review\":\"", "\"sku\":\"mug\"", "\"stars\":5", text);
        assertReplay(first, replay);
        assertThat(shop.countReviews(text)).isEqualTo(1);
        assertThat(shop.get("/keys/" + key).body())
                .contains("\"operation\":\"add-review\"", "\"recoveryPoint\":\"finished\"");
    }

    @Test
    void anotherBodyOrAnotherArticleIsRefused() {
        shop.review("mug", key, body);

        assertThat(shop.review("mug", key, body.replace("5", "4")).statusCode()).isEqualTo(422);
        assertThat(shop.review("pen", key, body).statusCode()).isEqualTo(422);
        assertThat(shop.complete("cart", key, RunningShop.ONE_MUG).statusCode()).isEqualTo(422);
        assertThat(shop.countReviews(text)).isEqualTo(1);
    }

    @Test
    void anArticleThatTheShopDoesNotSellIsAStoredAnswer() {
        HttpResponse<String> first = shop.review("unicorn", key, body);

        assertThat(first.statusCode()).isEqualTo(404);
        assertThat(first.body()).contains("unknown-sku");
        assertReplay(first, shop.review("unicorn", key, body));
        assertThat(shop.review("mug", key, body).statusCode()).isEqualTo(422);
        assertThat(shop.countReviews(text)).isZero();
    }

    @Test
    void anIllegalKeyIsRefused() {
        assertThat(shop.review("mug", "", body).statusCode()).isEqualTo(400);
        assertThat(shop.review("mug", "a b", body).statusCode()).isEqualTo(400);
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            delimiter = ';',
            value = {
                "mug; {",
                "mug; []",
                "mug; {}",
                "mug; {\"text\":\"good\"}",
                "mug; {\"stars\":5}",
                "mug; {\"stars\":5,\"text\":\"\"}",
                "mug; {\"stars\":5,\"text\":\"a\\u0000\"}",
                "mug; {\"stars\":5,\"text\":\"a\\ud800\"}",
                "mug; {\"stars\":0,\"text\":\"good\"}",
                "mug; {\"stars\":6,\"text\":\"good\"}",
                "mug; {\"stars\":1.5,\"text\":\"good\"}",
                "mug; {\"stars\":\"5\",\"text\":\"good\"}",
                "a%20mug; {\"stars\":5,\"text\":\"good\"}"
            })
    void anIllegalReviewIsRefusedAndItsKeyIsStillFree(String sku, String illegal) {
        assertThat(shop.review(sku, key, illegal).statusCode()).isEqualTo(400);
        assertThat(shop.review("mug", key, body).statusCode()).isEqualTo(201);
    }

    @Test
    void theLongestTextIsTakenAndShownAsItIs() {
        String longest = "\ud83d\ude00".repeat(464) + text.substring(0, 36);

        assertThat(shop.review("mug", key, body.replace(text, longest)).statusCode())
                .isEqualTo(201);
        assertThat(shop.countReviews(longest)).isEqualTo(1);
        assertThat(shop.review("mug", key, body.replace(text, longest + "x")).statusCode())
                .isEqualTo(400);
    }

    @ParameterizedTest
    @ValueSource(strings = {StageHook.REVIEW_BEGUN, StageHook.REVIEW_WRITTEN})
    void ofAReviewInFlightNothingIsSeenButThatItIs(String where) {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        HOOKS.put(key, (point, seen) -> {
            if (point.equals(where)) {
                reached.countDown();
                Patience.await(released);
            }
        });
        try {
            CompletableFuture<HttpResponse<String>> first = shop.sendReview("mug", key, body);
            Patience.await(reached);

            HttpResponse<String> duplicate = shop.review("mug", key, body);
            assertThat(duplicate.statusCode()).isEqualTo(409);
            assertThat(header(duplicate, "Retry-After")).matches("[1-3]");
            // The key's request is stored at the end, so that another one can't be told apart before.
            assertThat(shop.review("pen", key, body).statusCode()).isEqualTo(409);
            assertThat(shop.get("/keys/" + key).statusCode()).isEqualTo(404);
            assertThat(shop.countReviews(text)).isZero();

            released.countDown();
            assertThat(first.join().statusCode()).isEqualTo(201);
            assertReplay(first.join(), shop.review("mug", key, body));
            assertThat(shop.countReviews(text)).isEqualTo(1);
        } finally {
            released.countDown();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {StageHook.REVIEW_BEGUN, StageHook.REVIEW_WRITTEN})
    void aReviewThatFailsLeavesNoRowAndNoKeyAndItsRetryDoesTheWork(String where) {
        HOOKS.put(key, (point, seen) -> {
            if (point.equals(where)) {
                throw new IllegalStateException("the stage fails");
            }
        });
        assertThat(shop.review("mug", key, body).statusCode()).isEqualTo(500);
        assertThat(shop.get("/keys/" + key).statusCode()).isEqualTo(404);
        assertThat(shop.countReviews(text)).isZero();

        HOOKS.remove(key);
        HttpResponse<String> retry = shop.review("mug", key, body);
        assertThat(retry.statusCode()).isEqualTo(201);
        assertReplay(retry, shop.review("mug", key, body));
        assertThat(shop.countReviews(text)).isEqualTo(1);
    }

    @Test
    void fortyDuplicatesAreOneReview() {
        List<CompletableFuture<HttpResponse<String>>> sent = IntStream.range(0, 40)
                .mapToObj(i -> shop.sendReview("mug", key, body))
                .toList();
        List<HttpResponse<String>> responses =
                new ArrayList<>(sent.stream().map(CompletableFuture::join).toList());
        HttpResponse<String> last = shop.review("mug", key, body);

        assertThat(responses)
                .extracting(HttpResponse::statusCode)
                .isSubsetOf(201, 409)
                .contains(201);
        List<HttpResponse<String>> answered =
                responses.stream().filter(each -> each.statusCode() == 201).toList();
        assertThat(answered).extracting(HttpResponse::body).containsOnly(last.body());
        assertThat(answered)
                .filteredOn(each -> header(each, "Idempotency-Replayed") == null)
                .hasSize(1);
        assertThat(shop.countReviews(text)).isEqualTo(1);
    }

    private static void assertReplay(HttpResponse<String> first, HttpResponse<String> second) {
        assertThat(second.statusCode()).isEqualTo(first.statusCode());
        assertThat(second.body()).isEqualTo(first.body());
        assertThat(header(second, "Content-Type")).isEqualTo(header(first, "Content-Type"));
        assertThat(header(first, "Idempotency-Replayed")).isNull();
        assertThat(header(second, "Idempotency-Replayed")).isEqualTo("true");
    }

    private static @Nullable String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse(null);
    }
}
