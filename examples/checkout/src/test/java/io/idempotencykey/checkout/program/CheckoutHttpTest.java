package io.idempotencykey.checkout.program;

import static io.idempotencykey.checkout.program.RunningShop.ONE_MUG;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The shop's answers over HTTP, line by line of its README, over each store. */
@ParameterizedClass
@ValueSource(strings = {"jpa", "mongo", "inmemory"})
class CheckoutHttpTest {
    private static final int MEBIBYTE = 1024 * 1024;
    private static final String PROBLEM = "application/problem+json";

    @SuppressWarnings("NullAway.Init") // by start()
    private static RunningShop shop;

    private String cart = "";
    private String key = "";

    @Parameter
    String store = "";

    @BeforeParameterizedClassInvocation
    static void start(String store) throws IOException {
        shop = RunningShop.on(store, (point, key) -> {});
    }

    @AfterParameterizedClassInvocation
    static void stop() {
        shop.close();
    }

    @BeforeEach
    void choose() {
        cart = "cart-" + UUID.randomUUID();
        key = "key-" + UUID.randomUUID();
    }

    @Test
    void aNewRequestMakesOneOrderAndOneCharge() {
        HttpResponse<String> response = shop.complete(cart, quoted(key), ONE_MUG);

        assertThat(response.statusCode()).isEqualTo(201);
        assertThat(header(response, "Content-Type")).isEqualTo("application/json");
        assertThat(header(response, "Idempotency-Key")).isEqualTo(quoted(key));
        assertThat(header(response, "Idempotency-Replayed")).isNull();
        assertThat(response.body())
                .contains("\"order\":\"", "\"cart\":\"" + cart + "\"", "\"total\":1500", "\"payment\":\"ch_");
        assertThat(shop.count("/orders", cart)).isEqualTo(1);
        assertThat(shop.count("/payments", cart)).isEqualTo(1);
    }

    @Test
    void aReplayIsTheFirstAnswer() {
        HttpResponse<String> first = shop.complete(cart, quoted(key), ONE_MUG);
        assertReplay(first, shop.complete(cart, quoted(key), ONE_MUG));
        assertThat(shop.count("/orders", cart)).isEqualTo(1);
        assertThat(shop.count("/payments", cart)).isEqualTo(1);
    }

    @Test
    void aBareKeyIsTheQuotedKey() {
        HttpResponse<String> first = shop.complete(cart, key, ONE_MUG);
        HttpResponse<String> replay = shop.complete(cart, quoted(key), ONE_MUG);
        assertReplay(first, replay);
        assertThat(header(first, "Idempotency-Key")).isEqualTo(key);
        assertThat(header(replay, "Idempotency-Key")).isEqualTo(quoted(key));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                " {\"items\" :\t[{\"quantity\":2,\"sku\":\"mug\"}],\n\"email\":\"ada@example.org\"}",
                "{\"email\":\"ada@example.org\",\"items\":[{\"sku\":\"mug\",\"quantity\":2.0}]}",
                "{\"email\":\"\\u0061da@example.org\",\"items\":[{\"sku\":\"mug\",\"quantity\":0.2e1}]}"
            })
    void anotherSpellingIsTheSameRequest(String spelling) {
        HttpResponse<String> first = shop.complete(cart, key, ONE_MUG.replace(":1}", ":2}"));
        assertThat(first.statusCode()).isEqualTo(201);
        assertReplay(first, shop.complete(cart, key, spelling));
    }

    @Test
    void anotherBodyOrAnotherPathIsRefused() {
        shop.complete(cart, key, ONE_MUG);
        assertProblem(shop.complete(cart, key, ONE_MUG.replace("ada", "bob")), 422);
        assertProblem(shop.complete(cart + "-2", key, ONE_MUG), 422);
        assertThat(shop.count("/orders", cart + "-2")).isZero();
    }

    @Test
    void aShopIsAScopeOfItsOwn() {
        HttpResponse<String> first = shop.complete(cart, key, ONE_MUG);
        HttpResponse<String> other = shop.send(
                        shop.post(cart, ONE_MUG).header("Idempotency-Key", key).header("X-Shop", "other"))
                .join();
        assertThat(other.statusCode()).isEqualTo(201);
        assertThat(other.body()).isNotEqualTo(first.body());
        assertThat(header(other, "Idempotency-Replayed")).isNull();
    }

    static Stream<String> illegalKeys() {
        return Stream.of(
                "",
                "\"\"",
                "\"",
                "\"abc",
                "abc\"",
                "\"a\"b\"",
                "\"abc\";p=1",
                "\"a\\b\"",
                "\"a\", \"b\"",
                "a b",
                "\"a b\"",
                "\"\u00e9\"",
                "x".repeat(256),
                quoted("x".repeat(256)));
    }

    @ParameterizedTest
    @MethodSource("illegalKeys")
    void anIllegalKeyIsRefused(String illegal) throws IOException {
        assertProblem(raw("POST /carts/" + cart + "/complete", "Idempotency-Key: " + illegal, ONE_MUG), 400);
        assertThat(shop.count("/orders", cart)).isZero();
    }

    @Test
    void theLongestKeyIsTaken() {
        assertThat(shop.complete(cart, (key + "x".repeat(255)).substring(0, 255), ONE_MUG)
                        .statusCode())
                .isEqualTo(201);
    }

    @Test
    void noKeyOrTwoKeysAreRefused() {
        assertProblem(shop.send(shop.post(cart, ONE_MUG)).join(), 400);
        HttpRequest.Builder twice =
                shop.post(cart, ONE_MUG).header("Idempotency-Key", key).header("Idempotency-Key", key);
        assertProblem(shop.send(twice).join(), 400);
        HttpRequest.Builder shops = shop.post(cart, ONE_MUG)
                .header("Idempotency-Key", key)
                .header("X-Shop", "a")
                .header("X-Shop", "b");
        assertProblem(shop.send(shops).join(), 400);
        HttpRequest.Builder illegalShop =
                shop.post(cart, ONE_MUG).header("Idempotency-Key", key).header("X-Shop", "a b");
        assertProblem(shop.send(illegalShop).join(), 400);
    }

    static Stream<String> illegalBodies() {
        String items = ",\"items\":[{\"sku\":\"mug\",\"quantity\":1}]}";
        String email = "{\"email\":\"ada@example.org\",\"items\":";
        return Stream.of(
                "",
                "{",
                "null",
                "[]",
                "{}",
                "\ufeff" + ONE_MUG,
                ONE_MUG + "x",
                ONE_MUG + ONE_MUG,
                "[".repeat(10_000),
                "{\"a\":".repeat(10_000) + "1" + "}".repeat(10_000),
                ONE_MUG.replace("{\"email\"", "{\"email\":\"ada@example.org\",\"email\""),
                ONE_MUG.replace("\"sku\"", "\"sku\":\"mug\",\"sku\""),
                "{\"email\":1" + items,
                "{\"email\":null" + items,
                "{\"email\":\"\"" + items,
                "{\"email\":\"nobody\"" + items,
                "{\"email\":\"a@b\\r\\nc\"" + items,
                "{\"email\":\"a@b\\u0000\"" + items,
                "{\"email\":\"a@b\\ud800\"" + items,
                "{\"email\":\"ada@example.org\"}",
                email + "[]}",
                email + "{}}",
                email + "[null]}",
                email + "[{\"sku\":\"mug\"}]}",
                email + "[{\"sku\":1,\"quantity\":1}]}",
                email + "[{\"sku\":\"mug\",\"quantity\":\"1\"}]}",
                email + "[{\"sku\":\"mug\",\"quantity\":null}]}",
                email + "[{\"sku\":\"mug\",\"quantity\":NaN}]}",
                email + "[{\"sku\":\"mug\",\"quantity\":1e9999999999}]}",
                email + "[{\"sku\":\"mug\",\"quantity\":" + "9".repeat(5000) + "}]}",
                email + "[" + "{\"sku\":\"mug\",\"quantity\":1},".repeat(1000) + "{\"sku\":\"mug\",\"quantity\":1}]}");
    }

    @ParameterizedTest
    @MethodSource("illegalBodies")
    void anIllegalBodyIsRefusedAndTheKeyIsStillFree(String body) {
        assertProblem(shop.complete(cart, key, body), 400);
        assertThat(shop.get("/keys/" + key).statusCode()).isEqualTo(404);
        assertThat(shop.complete(cart, key, ONE_MUG).statusCode()).isEqualTo(201);
    }

    /** A body within the limit of bytes may be too long as stored JSON, where each line's end has more characters. */
    @Test
    void aBodyThatIsTooLongWhenItIsStoredIsToldSo() {
        String lines = ONE_MUG.replace("{\"email\"", "{\"more\":\"" + "\\n".repeat(360_000) + "\",\"email\"");

        HttpResponse<String> response = shop.complete(cart, key, lines);

        assertProblem(response, 400);
        assertThat(response.body())
                .contains("at most 2097152 characters when written as JSON")
                .doesNotContain("surrogate", "digits");
    }

    @Test
    void aMemberThatTheShopDoesNotKnowIsPartOfTheRequest() {
        String more = ONE_MUG.replace("{\"email\"", "{\"more\":1,\"email\"");

        assertThat(shop.complete(cart, key, more).statusCode()).isEqualTo(201);
        assertThat(shop.complete(cart, key, more).headers().firstValue("Idempotency-Replayed"))
                .contains("true");
        assertThat(shop.complete(cart, key, ONE_MUG).statusCode()).isEqualTo(422);
    }

    @Test
    void aBodyThatIsNotUtf8IsRefused() {
        byte[] bytes = ONE_MUG.getBytes(StandardCharsets.UTF_8);
        bytes[ONE_MUG.indexOf("ada")] = (byte) 0xff;
        assertProblem(shop.send(bytes(bytes)).join(), 400);
        assertProblem(
                shop.send(bytes(ONE_MUG.getBytes(StandardCharsets.UTF_16LE))).join(), 400);
    }

    @ParameterizedTest
    @CsvSource({"0, false, 201", "1, false, 413", "0, true, 201", "1, true, 413", "9000000, false, 413"})
    void aBodyHasAtMostOneMebibyte(int more, boolean chunked, int status) {
        byte[] body = Arrays.copyOf(ONE_MUG.getBytes(StandardCharsets.UTF_8), MEBIBYTE + more);
        Arrays.fill(body, ONE_MUG.length(), body.length, (byte) ' ');
        HttpRequest.Builder request = chunked
                ? bytes(body).POST(HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)))
                : bytes(body);
        HttpResponse<String> response = shop.send(request).join();
        assertThat(response.statusCode()).isEqualTo(status);
        if (status != 201) {
            assertProblem(response, status);
            assertThat(shop.get("/keys/" + key).statusCode()).isEqualTo(404);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"sku\":\"unicorn\",\"quantity\":1",
                "\"sku\":\"\",\"quantity\":1",
                "\"sku\":\"mug\",\"quantity\":0",
                "\"sku\":\"mug\",\"quantity\":-1",
                "\"sku\":\"mug\",\"quantity\":1001",
                "\"sku\":\"mug\",\"quantity\":1.5",
                "\"sku\":\"mug\",\"quantity\":1e400"
            })
    void whatTheShopDoesNotSellIsAStoredOutcome(String item) {
        String body = ONE_MUG.replace("\"sku\":\"mug\",\"quantity\":1", item);
        HttpResponse<String> first = shop.complete(cart, key, body);
        assertProblem(first, 422);
        assertReplay(first, shop.complete(cart, key, body));
        assertThat(shop.count("/payments", cart)).isZero();
        assertThat(shop.complete(cart, key + "-2", ONE_MUG).statusCode()).isEqualTo(201);
    }

    @ParameterizedTest
    @CsvSource({"1, 60", "1e3, 60000", "1000.0, 60000"})
    void theQuantitiesOfTheRangeAreLegal(String quantity, long total) {
        HttpResponse<String> response =
                shop.complete(cart, key, ONE_MUG.replace("mug", "sticker").replace(":1}", ":" + quantity + "}"));
        assertThat(response.body()).contains("\"total\":" + total + ",");
    }

    @Test
    void aDeclinedPaymentIsAStoredOutcomeAndGivesTheCartBack() {
        String body = ONE_MUG.replace("mug", "laptop").replace(":1}", ":2}");
        HttpResponse<String> first = shop.complete(cart, key, body);
        assertProblem(first, 402);
        assertReplay(first, shop.complete(cart, key, body));
        assertThat(shop.count("/orders", cart)).isZero();
        assertThat(shop.count("/payments", cart)).isZero();
        assertThat(shop.complete(cart, key + "-2", ONE_MUG).statusCode()).isEqualTo(201);
    }

    @Test
    void aCartThatIsCompletedUnderAnotherKeyIsAStoredOutcome() {
        shop.complete(cart, key, ONE_MUG);
        HttpResponse<String> other = shop.complete(cart, key + "-2", ONE_MUG);
        assertProblem(other, 409);
        assertThat(header(other, "Retry-After")).isNull();
        assertReplay(other, shop.complete(cart, key + "-2", ONE_MUG));
        assertThat(shop.count("/payments", cart)).isEqualTo(1);
    }

    @Test
    void aKeyIsShownWithoutItsRequest() {
        shop.complete(cart, key, ONE_MUG);
        HttpResponse<String> response = shop.get("/keys/" + key);
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.body())
                .contains("\"recoveryPoint\":\"finished\"", "\"locked\":false", "\"attempts\":1", "\"createdAt\":\"20")
                .doesNotContain("ada@example.org", "mug", cart, "evision");
    }

    @Test
    void aKeyIsFoundInItsShopOnlyAndByAnyLegalValue() {
        String odd = "a/b%?#\"" + UUID.randomUUID();
        String escaped = quoted(odd.replace("\"", "\\\""));
        HttpRequest.Builder request =
                shop.post(cart, ONE_MUG).header("Idempotency-Key", escaped).header("X-Shop", "odd");
        assertThat(shop.send(request).join().statusCode()).isEqualTo(201);
        String path = "/keys/"
                + odd.replace("%", "%25")
                        .replace("/", "%2F")
                        .replace("?", "%3F")
                        .replace("#", "%23")
                        .replace("\"", "%22");
        HttpRequest.Builder found =
                HttpRequest.newBuilder(shop.url().resolve(path)).header("X-Shop", "odd");
        assertThat(shop.send(found).join().statusCode()).isEqualTo(200);
        assertProblem(shop.get(path), 404);
        assertProblem(shop.get("/keys/a%20b"), 400);
    }

    @ParameterizedTest
    @CsvSource({
        "POST, /, 404",
        "POST, /carts/a/b/complete, 404",
        "POST, /carts/a/complete/, 404",
        "GET, /keys, 404",
        "POST, /carts//complete, 400",
        "POST, /carts/../complete, 400",
        "POST, /carts/%2e%2e/complete, 400",
        "POST, /carts/a%2Fb/complete, 400",
        "POST, /carts/a%20b/complete, 400",
        "POST, /carts/a%zz/complete, 400",
        "POST, /carts/a%00/complete, 400",
        "GET, /carts/a/complete, 405",
        "POST, /orders, 405",
        "DELETE, /payments, 405",
        "TRACE, /keys/a, 405"
    })
    void otherPathsAndMethodsAreRefused(String method, String path, int status) throws IOException {
        String response = raw(method + " " + path, "Idempotency-Key: " + key, ONE_MUG);
        assertProblem(response, status);
        assertThat(response.contains("\r\nAllow: ")).isEqualTo(status == 405);
    }

    @Test
    void aCartsNameHasAtMostOneHundredCharacters() {
        String longest = (cart + "x".repeat(100)).substring(0, 100);
        assertThat(shop.complete(longest, key, ONE_MUG).statusCode()).isEqualTo(201);
        assertProblem(shop.complete(longest + "x", key + "-2", ONE_MUG), 400);
    }

    @Test
    void theLongestAddressIsTakenAndShownAsItIs() {
        String email = "\ud83d\ude00".repeat(64) + "@" + "\u00e9".repeat(189);
        assertThat(shop.complete(cart, key, ONE_MUG.replace("ada@example.org", email))
                        .statusCode())
                .isEqualTo(201);
        assertThat(shop.get("/orders").body()).contains(email);
    }

    @Test
    void cartsOfOneShopDifferByCase() {
        assertThat(shop.complete(cart, key, ONE_MUG).statusCode()).isEqualTo(201);
        assertThat(shop.complete(cart.replace("cart", "CART"), key + "-2", ONE_MUG)
                        .statusCode())
                .isEqualTo(201);
    }

    static Stream<String> malformedRequests() {
        return Stream.of(
                "\u0000\u0001\r\n\r\n",
                "GET /orders HTTP/9.9\r\nHost: x\r\n\r\n",
                "GET /orders HTTP/1.1\r\n\r\n",
                "GET /orders HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                "GET /orders HTTP/1.1\r\nHost: x\r\nX: " + "x".repeat(20_000) + "\r\n\r\n",
                "GET /" + "x".repeat(20_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
                "POST /carts/a/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{\"em",
                "POST /carts/a/complete HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "POST /carts/a/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
                "POST /carts/a/complete HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
    }

    @ParameterizedTest
    @MethodSource("malformedRequests")
    void whatTheServerLibraryRefusesIsAProblemToo(String request) throws IOException {
        String response = shop.raw(request.getBytes(StandardCharsets.ISO_8859_1));
        assertThat(response).matches("(?s)HTTP/1.1 (4\\d\\d|505) .*").contains("Content-Type: " + PROBLEM);
        assertThat(response).doesNotContain("Exception", "jetty", "\tat ");
    }

    private static void assertReplay(HttpResponse<String> first, HttpResponse<String> second) {
        assertThat(second.statusCode()).isEqualTo(first.statusCode());
        assertThat(second.body()).isEqualTo(first.body());
        assertThat(header(second, "Content-Type")).isEqualTo(header(first, "Content-Type"));
        assertThat(header(first, "Idempotency-Replayed")).isNull();
        assertThat(header(second, "Idempotency-Replayed")).isEqualTo("true");
    }

    private static void assertProblem(HttpResponse<String> response, int status) {
        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(header(response, "Content-Type")).isEqualTo(PROBLEM);
        assertThat(response.body())
                .contains("\"type\":\"", "\"title\":\"", "\"status\":" + status, "\"detail\":\"")
                .doesNotContain("Exception", "\\tat ");
    }

    private static void assertProblem(String response, int status) {
        assertThat(response)
                .startsWith("HTTP/1.1 " + status + " ")
                .contains("Content-Type: " + PROBLEM, "\"status\":" + status)
                .doesNotContain("Exception");
    }

    private HttpRequest.Builder bytes(byte[] body) {
        return shop.post(cart, "").header("Idempotency-Key", key).POST(HttpRequest.BodyPublishers.ofByteArray(body));
    }

    private static String raw(String line, String header, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        request.write((line + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + bytes.length
                        + "\r\n" + header + "\r\n\r\n")
                .getBytes(StandardCharsets.ISO_8859_1));
        request.write(bytes);
        return shop.raw(request.toByteArray());
    }

    private static @Nullable String header(HttpResponse<String> response, String name) {
        return response.headers().firstValue(name).orElse(null);
    }

    private static String quoted(String key) {
        return '"' + key + '"';
    }
}
