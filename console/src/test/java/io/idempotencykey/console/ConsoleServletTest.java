package io.idempotencykey.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.CookieManager;
import java.net.HttpCookie;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** What the console answers, and what it refuses. */
class ConsoleServletTest {
    private static final JsonMapper JSON = new JsonMapper();

    private static Console console;

    private final CookieManager cookies = new CookieManager();
    private final HttpClient browser =
            HttpClient.newBuilder().cookieHandler(cookies).build();
    private final String scope = "shop-" + UUID.randomUUID();

    @BeforeAll
    static void begin() {
        console = Console.start();
    }

    @AfterAll
    static void stop() {
        console.close();
    }

    @BeforeEach
    void signIn() {
        console.signIn("ada", "operator", "auditor");
    }

    private HttpResponse<String> send(String path, Consumer<HttpRequest.Builder> request) {
        HttpRequest.Builder built =
                HttpRequest.newBuilder(console.url().resolve(path)).timeout(Duration.ofMinutes(2));
        request.accept(built);
        try {
            return browser.send(built.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private HttpResponse<String> get(String path) {
        return send(path, request -> {});
    }

    private Map<?, ?> session() {
        return json(get("api/session"));
    }

    private String token() {
        return (String) Objects.requireNonNull(session().get("token"));
    }

    private HttpResponse<String> post(String path, Map<String, ?> body, Consumer<HttpRequest.Builder> headers) {
        return send(path, request -> {
            request.POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body)));
            headers.accept(request);
        });
    }

    /** As the page asks. */
    private HttpResponse<String> ask(String what, Map<String, ?> body) {
        String token = token();
        return post("api/" + what, body, page(token));
    }

    private static Consumer<HttpRequest.Builder> page(String token) {
        return request -> request.setHeader("Content-Type", "application/json")
                .setHeader("Sec-Fetch-Site", "same-origin")
                .setHeader("Idempotency-Console", token);
    }

    private static Map<?, ?> json(HttpResponse<String> response) {
        assertThat(response.headers().firstValue("Content-Type")).hasValue("application/json");
        return (Map<?, ?>) Objects.requireNonNull(Request.jsonValue(response.body()));
    }

    private static List<String> values(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return ((List<?>) Objects.requireNonNull(json(response).get("keys")))
                .stream().map(key -> (String) ((Map<?, ?>) key).get("value")).toList();
    }

    private HttpResponse<String> list(String state) {
        return ask("keys", Map.of("state", state, "scope", scope));
    }

    private Map<?, ?> shown(KeyId id) {
        HttpResponse<String> response = ask("key", Map.of("scope", id.scope(), "value", id.value()));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return json(response);
    }

    /** Acts on a key as it was shown, with whatever else is asked. */
    private HttpResponse<String> act(String action, KeyId id, Map<?, ?> shown, Map<String, ?> further) {
        Map<String, Object> body = new HashMap<>(Map.of(
                "scope", id.scope(),
                "value", id.value(),
                "creationId", Objects.requireNonNull(shown.get("creationId")),
                "updatedAt", Objects.requireNonNull(shown.get("updatedAt")),
                "typed", id.value().substring(0, Math.min(6, id.value().length()))));
        body.putAll(further);
        return ask(action, body);
    }

    private HttpResponse<String> act(String action, KeyId id, Map<String, ?> further) {
        return act(action, id, shown(id), further);
    }

    private static @Nullable Object error(HttpResponse<String> response) {
        return json(response).get("error");
    }

    private void assertRefused(HttpResponse<String> response, int status, String kind) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(error(response)).isEqualTo(kind);
    }

    // Reading

    @Test
    void theKeysOfAllScopesComePageAfterPageTheLongestWaitingFirst() {
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 120; i++) {
            // In the order of neither scopes nor keys.
            String itsScope = scope + (9 - i / 15);
            String value = "key-%03d".formatted(i * 7 % 120);
            expected.add(itsScope + " " + value);
            console.quarantined(itsScope, value);
            console.open(itsScope, value + "-open");
            console.store.moveTime(Duration.ofMillis(1));
        }

        assertThat(pages("quarantined", null)).containsSubsequence(expected).doesNotHaveDuplicates();
        assertThat(pages("unfinished", null))
                .containsSubsequence(
                        expected.stream().map(each -> each + "-open").toList())
                .doesNotHaveDuplicates();
    }

    @Test
    void theKeysOfAScopeComePageAfterPageToo() {
        for (int i = 0; i < 60; i++) {
            console.open(scope, "key-%02d".formatted(i));
            console.quarantined(scope, "aside-%02d".formatted(i));
        }
        console.keys.lock(console.open(scope, "held"));
        console.keys.lock(console.open(scope + "0", "other"));

        assertThat(pages("unfinished", scope))
                .hasSize(61)
                .startsWith(scope + " key-00")
                .endsWith(scope + " held");
        assertThat(pages("quarantined", scope))
                .hasSize(60)
                .startsWith(scope + " aside-00")
                .endsWith(scope + " aside-59");
    }

    /** Scopes and values of a list, asked for page by page. */
    private List<String> pages(String state, @Nullable String ofScope) {
        Map<String, Object> asked = new HashMap<>(Map.of("state", state));
        if (ofScope != null) {
            asked.put("scope", ofScope);
        }
        List<String> listed = new ArrayList<>();
        for (int page = 0; page < 100; page++) {
            Map<?, ?> answer = json(ask("keys", asked));
            List<?> keys = (List<?>) Objects.requireNonNull(answer.get("keys"));
            assertThat(keys).isNotEmpty().hasSizeLessThanOrEqualTo(50);
            keys.forEach(key -> listed.add(((Map<?, ?>) key).get("scope") + " " + ((Map<?, ?>) key).get("value")));
            Object next = answer.get("next");
            if (next == null) {
                return listed;
            }
            assertThat(keys).hasSize(50);
            asked.put("after", next);
        }
        throw new AssertionError("the list has no end");
    }

    @Test
    void aScopesListHasItsKeysOnly() {
        console.quarantined(scope, "aside");
        console.quarantined(scope + "0", "of-another-scope");
        console.open(scope, "open");
        console.open(scope + "0", "other");

        assertThat(values(list("quarantined"))).containsExactly("aside");
        assertThat(values(list("unfinished"))).containsExactly("open");
    }

    @Test
    void theBacklogSaysHowMuchWaitsAndSinceWhen() {
        console.open(scope, "waits");
        console.quarantined(scope, "aside");

        Map<?, ?> backlog = json(ask("backlog", Map.of()));

        assertThat(((Number) Objects.requireNonNull(backlog.get("quarantined"))).longValue())
                .isPositive();
        assertThat(((Number) Objects.requireNonNull(backlog.get("waiting"))).longValue())
                .isPositive();
        assertThat((String) backlog.get("waitingSince")).isLessThanOrEqualTo((String) backlog.get("at"));
        assertThat((String) backlog.get("quarantinedSince")).isLessThanOrEqualTo((String) backlog.get("at"));
        assertThat(((Number) Objects.requireNonNull(backlog.get("most"))).longValue())
                .isEqualTo(10_000);
        List<?> operations = (List<?>) Objects.requireNonNull(backlog.get("operations"));
        assertThat(operations)
                .extracting(each -> (Object) ((Map<?, ?>) each).get("operation"))
                .containsExactlyInAnyOrder("", "charge");
        assertThat(operations).allSatisfy(each -> {
            Map<?, ?> its = (Map<?, ?>) each;
            boolean isCharge = Objects.equals(its.get("operation"), "charge");
            assertThat(its.get("quarantined")).isEqualTo(isCharge ? backlog.get("quarantined") : BigDecimal.ZERO);
            assertThat(its.get("quarantinedSince")).isEqualTo(isCharge ? backlog.get("quarantinedSince") : null);
        });
    }

    @Test
    void aKeyIsShownWithItsHistoryAndWithoutARevision() {
        KeyId id = console.quarantined(scope, "aside");

        HttpResponse<String> response = ask("key", Map.of("scope", scope, "value", "aside"));
        List<?> history = (List<?>) Objects.requireNonNull(json(response).get("history"));

        assertThat(json(response).get("state")).isEqualTo("quarantined");
        assertThat(history.stream()
                        .map(event -> (String) ((Map<?, ?>) event).get("what"))
                        .toList())
                .containsExactly("stage rolled back", "quarantined", "stage 'started' committed", "created");
        assertThat(response.body().toLowerCase(Locale.ROOT)).doesNotContain("revision");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void valuesAreShownToThoseWhoMaySeeThemOnly() {
        console.quarantined(scope, "aside");
        console.finished(scope, "done");
        Map<String, String> aside = Map.of("scope", scope, "value", "aside");
        Map<String, String> done = Map.of("scope", scope, "value", "done");

        assertThat(ask("key", aside).body()).contains("4711", "the provider says no");
        assertThat(list("quarantined").body()).contains("the provider says no").doesNotContain("4711");
        assertThat(ask("key", done).body()).contains("4712", "4713");

        console.signIn("ada", "operator");

        assertThat(ask("key", aside).body()).doesNotContain("4711").doesNotContain("the provider says no");
        assertThat(list("quarantined").body()).doesNotContain("the provider says no");
        assertThat(ask("key", done).body()).doesNotContain("4712").doesNotContain("4713");
    }

    @Test
    void valuesOfMegabytesAreCutShort() {
        console.keys.create(scope, "long", Request.of("POST", "/", Map.of("text", "x".repeat(1_900_000))));

        assertThat(ask("key", Map.of("scope", scope, "value", "long")).body())
                .hasSizeLessThan(110_000)
                .contains("…");
    }

    // Acting

    @Test
    void retryLetsTheRequestGoOnInTheUsersName() {
        KeyId id = console.quarantined(scope, "aside");

        HttpResponse<String> response = act("retry", id, Map.of());

        assertThat(json(response).get("state")).as(response.body()).isEqualTo("open");
        assertThat(console.now(id).lastError()).startsWith("retry by ada");
    }

    @Test
    void finishGivesEveryRetryTheResponse() {
        KeyId id = console.quarantined(scope, "aside");

        HttpResponse<String> response =
                act("finish", id, Map.of("status", 201, "contentType", "text/plain", "body", "by hand"));

        assertThat(json(response).get("state")).as(response.body()).isEqualTo("finished");
        KeyState.Finished finished = (KeyState.Finished) console.now(id).state();
        assertThat(finished.response().status()).isEqualTo(201);
        assertThat(finished.response().body()).asString().isEqualTo("by hand");
        assertThat(finished.response().header("Content-Type")).contains("text/plain");
    }

    @Test
    void finishWithoutABodyHasNoContentType() {
        KeyId id = console.quarantined(scope, "aside");

        act("finish", id, Map.of("status", 204, "contentType", "application/json", "body", ""));

        KeyState.Finished finished = (KeyState.Finished) console.now(id).state();
        assertThat(finished.response().status()).isEqualTo(204);
        assertThat(finished.response().headers()).isEmpty();
    }

    @Test
    void discardMakesTheKeyAbsent() {
        KeyId id = console.quarantined(scope, "aside");

        assertThat(act("discard", id, Map.of()).statusCode()).isEqualTo(200);

        assertRefused(ask("key", Map.of("scope", scope, "value", "aside")), 404, "not-found");
    }

    @Test
    void whatAWorkerTookMeanwhileIsLeftAlone() {
        KeyId id = console.quarantined(scope, "aside");
        Map<?, ?> shown = shown(id);
        act("retry", id, Map.of());
        console.keys.lock(id);

        assertRefused(act("discard", id, shown, Map.of()), 409, "stale-key");
        assertRefused(act("discard", id, shown(id), Map.of()), 409, "locked");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void anActionIsConfirmedByTheKeysBeginning() {
        KeyId id = console.quarantined(scope, "aside-1");
        KeyId shorter = console.quarantined(scope, "ab");

        for (String typed : List.of("", "aside", "aside-1", "ASIDE-")) {
            assertRefused(act("retry", id, Map.of("typed", typed)), 400, "invalid-request");
        }
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
        assertThat(act("retry", shorter, Map.of()).statusCode()).isEqualTo(200);
    }

    @Test
    void whoMayNotActIsRefused() {
        KeyId id = console.quarantined(scope, "aside");
        Map<?, ?> shown = shown(id);
        console.signIn("eve", "auditor");

        for (String action : List.of("retry", "finish", "discard")) {
            assertRefused(
                    act(action, id, shown, Map.of("status", 200, "contentType", "text/plain", "body", "")),
                    403,
                    "may-not-act");
        }
        assertThat(session().get("mayAct")).isEqualTo(false);
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aNameThatIsLongerThanWhatIsRecordedIsCut() {
        KeyId id = console.quarantined(scope, "aside");
        console.signIn("x".repeat(98) + "\uD83D\uDE00" + "y".repeat(100), "operator");

        assertThat(act("retry", id, Map.of()).statusCode()).isEqualTo(200);

        assertThat(console.now(id).lastError()).startsWith("retry by " + "x".repeat(98) + "…");
    }

    // Refusing

    @ParameterizedTest
    @ValueSource(strings = {"", "console.js", "api/session"})
    void whoIsNotSignedInSeesNothing(String path) {
        for (String nobody : new String[] {null, "", " "}) {
            console.signIn(nobody, "operator");
            assertRefused(get(path), 403, "no-user");
        }
    }

    @Test
    void whoIsNotSignedInDoesNothing() {
        KeyId id = console.quarantined(scope, "aside");
        Map<?, ?> shown = shown(id);
        String token = token();
        console.signIn(null, "operator");

        HttpResponse<String> response = post(
                "api/retry",
                Map.of(
                        "scope",
                        scope,
                        "value",
                        "aside",
                        "typed",
                        "aside",
                        "creationId",
                        Objects.requireNonNull(shown.get("creationId")),
                        "updatedAt",
                        Objects.requireNonNull(shown.get("updatedAt"))),
                page(token));

        assertRefused(response, 403, "no-user");
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aRequestOfAnotherSiteIsRefused() {
        String token = token();
        String host = console.url().getAuthority();

        for (Map<String, String> headers : List.of(
                Map.of("Sec-Fetch-Site", "cross-site", "Origin", "http://" + host),
                Map.of("Sec-Fetch-Site", "same-site"),
                Map.of("Sec-Fetch-Site", "none"),
                Map.of("Origin", "https://evil.example"),
                Map.of("Origin", "http://" + host + ".evil.example"),
                Map.of("Origin", "http://127.0.0.1"),
                Map.of("Origin", host),
                Map.of("Origin", "null"),
                Map.<String, String>of())) {
            HttpResponse<String> response = post("api/backlog", Map.of(), request -> {
                request.header("Content-Type", "application/json").header("Idempotency-Console", token);
                headers.forEach(request::header);
            });
            assertThat(response.statusCode()).as(headers.toString()).isEqualTo(403);
            assertThat(error(response)).isEqualTo("other-origin");
        }
    }

    @Test
    void anOwnOriginIsEnoughWhereTheBrowserSaysNoMore() {
        String token = token();

        HttpResponse<String> response = post(
                "api/backlog",
                Map.of(),
                request -> request.header("Content-Type", "application/json")
                        .header("Idempotency-Console", token)
                        .header("Origin", "http://" + console.url().getAuthority()));

        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }

    @Test
    void aTokenIsOfOneBrowserAndOneUser() {
        String token = token();

        assertThat(post("api/backlog", Map.of(), page(token)).statusCode()).isEqualTo(200);
        assertRefused(post("api/backlog", Map.of(), page("")), 403, "other-session");
        assertRefused(post("api/backlog", Map.of(), page("x" + token)), 403, "other-session");
        console.signIn("bob", "operator");
        assertRefused(post("api/backlog", Map.of(), page(token)), 403, "other-session");
        console.signIn("ada", "operator");
        cookies.getCookieStore().removeAll();
        assertRefused(post("api/backlog", Map.of(), page(token)), 403, "other-session");
        assertThat(session().get("token")).isNotEqualTo(token);
    }

    @Test
    void noScriptAndNoOtherSiteGetsTheCookie() {
        HttpResponse<String> response = get("api/session");

        assertThat(response.headers().firstValue("Set-Cookie").orElseThrow())
                .contains("HttpOnly", "SameSite=Strict")
                // A proxy may call the path another name, and the browser knows the one that it asked.
                .doesNotContain("Path", "Secure");
        assertThat(cookies.getCookieStore().getCookies())
                .singleElement()
                .extracting(HttpCookie::getName)
                .isEqualTo("idempotency-console");
        assertThat(get("api/session").headers().firstValue("Set-Cookie")).isEmpty();
    }

    /** The browser goes there without the cookie, and would forget the one that the console's page has. */
    @ParameterizedTest
    @ValueSource(strings = {"cross-site", "same-site", "none"})
    void anotherSitesPageGivesTheBrowserNoOtherCookie(String site) {
        HttpResponse<String> response = send("api/session", request -> request.header("Sec-Fetch-Site", site));

        assertRefused(response, 403, "other-origin");
        assertThat(response.headers().firstValue("Set-Cookie")).isEmpty();
    }

    @Test
    void aRuleThatFailsShowsNothingAndLeavesThePageProtected() {
        String token = token();
        console.loseRoles();

        for (HttpResponse<String> response : List.of(get("api/session"), post("api/backlog", Map.of(), page(token)))) {
            assertRefused(response, 500, "internal-error");
            assertThat(response.body()).doesNotContain("secret-4711");
            assertThat(response.headers().firstValue("X-Frame-Options")).hasValue("DENY");
            assertThat(response.headers().firstValue("Content-Security-Policy")).isPresent();
        }
    }

    @Test
    void aCookieThatTheConsoleDidNotMakeIsReplaced() {
        HttpCookie chosen = new HttpCookie("idempotency-console", "chosen");
        chosen.setPath("/shop/operator/keys/");
        cookies.getCookieStore().add(URI.create("http://127.0.0.1/"), chosen);

        assertThat(get("api/session").headers().firstValue("Set-Cookie")).isPresent();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "console.js", "console.css", "icon.svg", "api/session", "nothing"})
    void everyAnswerForbidsFramesForeignScriptsAndStorage(String path) {
        Map<String, List<String>> headers = get(path).headers().map();

        assertThat(headers.get("Content-Security-Policy"))
                .singleElement()
                .asString()
                .contains("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'")
                .doesNotContain("unsafe");
        assertThat(headers)
                .containsEntry("X-Frame-Options", List.of("DENY"))
                .containsEntry("X-Content-Type-Options", List.of("nosniff"))
                .containsEntry("Referrer-Policy", List.of("no-referrer"))
                .containsEntry("Cross-Origin-Opener-Policy", List.of("same-origin"))
                .containsEntry("Cross-Origin-Resource-Policy", List.of("same-origin"))
                .containsEntry("Cache-Control", List.of("no-store"));
    }

    @Test
    void thePageIsThereAndItsFoldersAddressLeadsToIt() {
        assertThat(get("").body()).contains("<h1>Idempotency keys</h1>").doesNotContain("<script>");
        assertThat(get("console.js").headers().firstValue("Content-Type")).hasValue("text/javascript;charset=utf-8");
        HttpResponse<String> folder = get("../keys");
        assertThat(folder.statusCode()).isEqualTo(302);
        assertThat(console.url()
                        .resolve("../keys")
                        .resolve(folder.headers().firstValue("Location").orElseThrow()))
                .isEqualTo(console.url());
    }

    @Test
    void whatIsNotThereIsNotFoundAndOtherMethodsAreRefused() {
        assertRefused(get("page/index.html"), 404, "no-such-page");
        assertRefused(get("api/backlog"), 404, "no-such-page");
        assertRefused(ask("burn", Map.of()), 404, "no-such-page");
        assertRefused(send("", request -> request.DELETE()), 405, "method-not-allowed");
        assertRefused(
                send("", request -> request.method("TRACE", HttpRequest.BodyPublishers.noBody())),
                405,
                "method-not-allowed");
        assertThat(send("", request -> request.method("HEAD", HttpRequest.BodyPublishers.noBody()))
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void parametersInTheUrlAreRefused() {
        String token = token();

        HttpResponse<String> response = post("api/key?value=secret", Map.of(), page(token));

        assertRefused(response, 400, "invalid-request");
        assertThat((String) json(response).get("message")).contains("logs");
    }

    @Test
    void rubbishIsRefusedWithWhatIsAllowed() {
        String token = token();
        KeyId id = console.quarantined(scope, "aside");

        for (String body : List.of("", "null", "[]", "{", "\"text\"", "{\"scope\":1}", "{\"a\":".repeat(200))) {
            HttpResponse<String> response = send("api/key", request -> {
                request.POST(HttpRequest.BodyPublishers.ofString(body));
                page(token).accept(request);
            });
            assertThat(response.statusCode()).as(body).isEqualTo(400);
        }
        assertRefused(ask("key", Map.of("scope", "ä", "value", "x")), 400, "invalid-key");
        assertRefused(ask("key", Map.of("scope", "")), 400, "invalid-request");
        assertRefused(ask("keys", Map.of("state", "finished")), 400, "invalid-request");
        assertRefused(ask("keys", Map.of("state", "quarantined", "after", "x")), 400, "invalid-request");
        for (String since : List.of("later", "+1000000000-12-31T23:59:59Z", "-1000000000-01-01T00:00:00Z")) {
            assertRefused(
                    ask(
                            "keys",
                            Map.of("state", "unfinished", "after", Map.of("scope", "", "value", "x", "since", since))),
                    400,
                    "invalid-request");
        }
        for (Map<String, ?> tooLong : List.of(
                Map.of("state", "x".repeat(100_000)),
                Map.of(
                        "state",
                        "unfinished",
                        "after",
                        Map.of("scope", "", "value", "x", "since", "x".repeat(100_000))))) {
            HttpResponse<String> response = ask("keys", tooLong);
            assertRefused(response, 400, "invalid-request");
            assertThat(response.body()).hasSizeLessThan(300);
        }
        assertRefused(act("retry", id, Map.of("creationId", "1")), 400, "invalid-request");
        assertRefused(act("retry", id, Map.of("updatedAt", "yesterday")), 400, "invalid-request");
        assertRefused(act("finish", id, Map.of("status", 99, "body", "")), 400, "invalid-request");
        assertRefused(act("finish", id, Map.of("status", 1e30, "body", "")), 400, "invalid-request");
        assertRefused(
                act("finish", id, Map.of("status", 200, "contentType", "a\nb", "body", "x")), 400, "invalid-request");
        assertRefused(
                act("finish", id, Map.of("status", 200, "contentType", " ", "body", "x")), 400, "invalid-request");
        for (Map<String, String> tooLong : List.of(
                Map.of("contentType", "text/plain", "body", "x".repeat(1_100_000)),
                Map.of("contentType", "x".repeat(20_000), "body", "x"))) {
            Map<String, Object> response = new HashMap<>(tooLong);
            response.put("status", 200);
            assertRefused(act("finish", id, response), 400, "response-too-large");
        }
        assertThat(console.now(id).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aFormAndABodyOfMegabytesAreRefused() {
        String token = token();

        HttpResponse<String> form = post("api/backlog", Map.of(), request -> {
            page(token).accept(request);
            request.setHeader("Content-Type", "text/plain");
        });
        HttpResponse<String> tooLong = post("api/backlog", Map.of("x", "x".repeat(2 * 1024 * 1024)), page(token));

        assertRefused(form, 415, "no-json");
        assertRefused(tooLong, 413, "too-long");
    }

    @Test
    void aBodyThatDoesNotArriveWholeIsRefusedWithTheHeadersOfEveryAnswer() throws Exception {
        String token = token();
        String cookie = cookies.getCookieStore().getCookies().get(0).toString();

        String cutOff;
        try (Socket socket =
                new Socket(InetAddress.getLoopbackAddress(), console.url().getPort())) {
            socket.setSoTimeout(120_000);
            socket.getOutputStream()
                    .write(("POST /shop/operator/keys/api/backlog HTTP/1.1\r\nHost: localhost\r\n"
                                    + "Content-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n"
                                    + "Idempotency-Console: " + token + "\r\nCookie: " + cookie + "\r\n"
                                    + "Content-Length: 100\r\n\r\n{\"a\":")
                            .getBytes(StandardCharsets.ISO_8859_1));
            socket.shutdownOutput();
            cutOff = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }

        assertThat(cutOff).startsWith("HTTP/1.1 400 ").contains("X-Frame-Options: DENY", "\"invalid-request\"");
    }

    @Test
    void thePageIsToldWhatElseToSend() {
        assertThat(session().get("headers")).isEqualTo(Map.of("X-Framework", "token-of-ada"));
        assertThat(session().get("user")).isEqualTo("ada");
        assertThat(session().get("showsValues")).isEqualTo(true);
    }

    @Test
    @SuppressWarnings("NullAway") // That is what is tested.
    void whatIsMissingIsNamed() {
        assertThatNullPointerException()
                .isThrownBy(() -> ConsoleServlet.builder(null))
                .withMessageContaining("'keys'");
        assertThatNullPointerException()
                .isThrownBy(() -> ConsoleServlet.builder(console.keys).mayAct(null))
                .withMessageContaining("'rule'");
    }
}
