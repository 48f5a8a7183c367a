package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests to an application whose controller is annotated, and which is otherwise as it was. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class HttpContract {
    /** So that replays are read from it; in memory they are what the service knows. */
    static final String ASKS_THE_STORE = "idempotency.replay-cache-size=0";

    private final Started application;
    private final Client client;
    private final Shop.Controller controller;
    private final Shop.Purchases purchases;

    private String key = "";
    private int callsBefore;

    HttpContract(String... properties) {
        this.application = Started.of(Shop.class, properties);
        this.client = application.client();
        this.controller = application.bean(Shop.Controller.class);
        this.purchases = application.bean(Shop.Purchases.class);
    }

    @AfterAll
    void stop() {
        application.close();
    }

    @BeforeEach
    void begin() {
        key = UUID.randomUUID().toString();
        controller.before.set(() -> {});
        controller.after.set(() -> {});
        callsBefore = controller.calls.get();
    }

    private int calls() {
        return controller.calls.get() - callsBefore;
    }

    private static String json(String item) {
        return "{\"item\": \"" + item + "\", \"quantity\": 1}";
    }

    private static String header(HttpResponse<?> response, String name) {
        return response.headers().firstValue(name).orElse("");
    }

    private static void assertProblem(HttpResponse<String> response, int status, String kind) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(header(response, "Content-Type")).startsWith("application/problem+json");
        assertThat(response.body()).contains("\"urn:idempotencykey:problem:" + kind + "\"");
    }

    @Test
    void aRetryGetsTheFirstResponseByteForByte() {
        String item = "item of " + key;

        HttpResponse<String> first = client.post("/purchases", key, json(item));
        HttpResponse<String> retry = client.post("/purchases", key, json(item));

        assertThat(first.statusCode()).isEqualTo(201);
        assertThat(first.body()).contains(item);
        assertThat(header(first, "Idempotency-Replayed")).isEmpty();
        assertThat(retry.statusCode()).isEqualTo(201);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(header(retry, "Location"))
                .isEqualTo(header(first, "Location"))
                .startsWith("/purchases/");
        assertThat(header(retry, "Content-Type")).isEqualTo(header(first, "Content-Type"));
        assertThat(calls()).isEqualTo(1);
        assertThat(purchases.findByItem(item)).hasSize(1);
    }

    @Test
    void cookiesAndHeadersThatArentListedComeOnceOnly() {
        HttpResponse<String> first = client.post("/purchases", key, json("cookie"));
        HttpResponse<String> retry = client.post("/purchases", key, json("cookie"));

        assertThat(header(first, "Set-Cookie")).isEqualTo("session=secret");
        assertThat(header(first, "X-Trace")).isEqualTo("1");
        assertThat(header(retry, "Set-Cookie")).isEmpty();
        assertThat(header(retry, "X-Trace")).isEmpty();
    }

    @Test
    void theSameJsonInAnotherSpellingIsTheSameRequest() {
        HttpResponse<String> first = client.post("/purchases", key, "{\"item\":\"a\",\"quantity\":1}");
        HttpResponse<String> retry = client.post("/purchases", key, "{ \"quantity\" : 1.0, \"item\" : \"\\u0061\" }");

        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(calls()).isEqualTo(1);
    }

    @Test
    void theSameKeyInQuotesIsTheSameKey() {
        HttpResponse<String> first = client.post("/purchases", key, json("quoted"));
        HttpResponse<String> retry = client.post("/purchases", "\"" + key + "\"", json("quoted"));

        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(calls()).isEqualTo(1);
    }

    @Test
    void anotherRequestUnderTheKeyIsRefused() {
        client.post("/purchases", key, json("one"));

        assertProblem(client.post("/purchases", key, json("another")), 422, "mismatch");
        assertProblem(client.post("/purchases?quantity=2", key, json("one")), 422, "mismatch");
        assertProblem(client.post("/shops/1/purchases", key, json("one")), 422, "mismatch");
        assertThat(calls()).isEqualTo(1);
    }

    @Test
    void aRequestWithoutAKeyIsRefused() {
        HttpResponse<String> response = client.post(
                "/purchases", json("keyless"), request -> request.header("Content-Type", "application/json"));

        assertProblem(response, 400, "invalid-key");
        assertThat(calls()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a b", "\"a", "a\"b\"", "\"a\" \"b\"", "\"\""})
    void anIllegalKeyIsRefused(String illegal) {
        assertProblem(client.post("/purchases", illegal, json("illegal")), 400, "invalid-key");
        assertThat(calls()).isZero();
    }

    @Test
    void twoKeysAreRefused() {
        HttpResponse<String> response = client.post(
                "/purchases",
                json("twice"),
                request -> request.header("Content-Type", "application/json")
                        .header("Idempotency-Key", key)
                        .header("Idempotency-Key", key));

        assertProblem(response, 400, "invalid-key");
        assertThat(calls()).isZero();
    }

    @Test
    void anOptionalKeyMayBeMissing() {
        HttpResponse<String> without = client.post(
                "/optional", json("optional"), request -> request.header("Content-Type", "application/json"));
        HttpResponse<String> first = client.post("/optional", key, json("optional"));
        HttpResponse<String> retry = client.post("/optional", key, json("optional"));

        assertThat(without.statusCode()).isEqualTo(200);
        assertThat(retry.body()).isEqualTo(first.body()).isNotEqualTo(without.body());
        assertThat(calls()).isEqualTo(2);
    }

    @Test
    void aRequestInFlightIsRefusedAtOnceAndSaysWhenToComeBack() throws Exception {
        CountDownLatch runs = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        controller.before.set(() -> {
            runs.countDown();
            await(goOn);
        });
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Future<HttpResponse<String>> first = executor.submit(() -> client.post("/purchases", key, json("slow")));
            await(runs);
            HttpResponse<String> second = client.post("/purchases", key, json("slow"));
            goOn.countDown();

            assertProblem(second, 409, "locked");
            assertThat(Integer.parseInt(header(second, "Retry-After"))).isPositive();
            assertThat(first.get(1, TimeUnit.MINUTES).statusCode()).isEqualTo(201);
        } finally {
            goOn.countDown();
            executor.shutdownNow();
        }
        assertThat(calls()).isEqualTo(1);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void whatTheAdviceMakesA404OfIsTheAnswerAndItsWritesAreRolledBack() {
        HttpResponse<String> first = client.post("/purchases", key, json("unknown"));
        HttpResponse<String> retry = client.post("/purchases", key, json("unknown"));

        assertThat(first.statusCode()).isEqualTo(404);
        assertThat(first.body()).contains("no such item");
        assertThat(retry.statusCode()).isEqualTo(404);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(header(retry, "Content-Type")).isEqualTo(header(first, "Content-Type"));
        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(calls()).isEqualTo(1);
        assertThat(purchases.findByItem("unknown")).isEmpty();
    }

    /** Spring translates what its own commit meets; here it is the library that writes the rows before the commit. */
    @Test
    void aConstraintThatIsViolatedAtTheEndIsTheExceptionThatTheAdviceKnows() {
        client.post("/vouchers/" + key, key, "");

        HttpResponse<String> refused = client.post("/vouchers/" + key, key + "2", "");
        HttpResponse<String> retry = client.post("/vouchers/" + key, key + "2", "");

        assertThat(refused.statusCode()).as(refused.body()).isEqualTo(422);
        assertThat(refused.body()).contains("spent before");
        assertThat(retry.body()).isEqualTo(refused.body());
        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(calls()).isEqualTo(2);
    }

    @Test
    void aStatusExceptionsBodyIsStoredToo() {
        HttpResponse<String> first = client.post("/purchases", key, json("status"));
        HttpResponse<String> retry = client.post("/purchases", key, json("status"));

        assertThat(first.statusCode()).as(first.body()).isEqualTo(410);
        assertThat(first.body())
                .contains("\"status\":410")
                .contains("/purchases")
                .contains("timestamp");
        assertThat(retry.statusCode()).isEqualTo(410);
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(calls()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"sold out", "broken"})
    void whatTheAdviceMakesA409Or500OfIsRolledBackAndReleased(String item) {
        HttpResponse<String> first = client.post("/purchases", key, json(item));
        HttpResponse<String> retry = client.post("/purchases", key, json(item));

        assertThat(first.statusCode()).isEqualTo(item.equals("broken") ? 500 : 409);
        assertThat(first.body()).contains("\"error\"");
        assertThat(retry.body()).isEqualTo(first.body());
        assertThat(header(retry, "Idempotency-Replayed")).isEmpty();
        assertThat(calls()).isEqualTo(2);
        assertThat(purchases.findByItem(item)).isEmpty();
    }

    @Test
    void anEndpointSaysWhichExceptionsAreAnswers() {
        client.post("/answers", key, json("sold out"));
        HttpResponse<String> retry = client.post("/answers", key, json("sold out"));
        String other = key + "2";
        client.post("/answers", other, json("unknown"));
        HttpResponse<String> again = client.post("/answers", other, json("unknown"));

        assertThat(header(retry, "Idempotency-Replayed")).isEqualTo("true");
        assertThat(retry.statusCode()).isEqualTo(409);
        assertThat(header(again, "Idempotency-Replayed")).isEmpty();
        assertThat(again.statusCode()).isEqualTo(404);
        assertThat(calls()).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 400, 404, 422})
    void aReturnedFinalStatusIsStored(int status) {
        HttpResponse<String> first = client.post("/returned/" + status, key, "");
        HttpResponse<String> retry = client.post("/returned/" + status, key, "");

        assertThat(retry.statusCode()).isEqualTo(first.statusCode()).isEqualTo(status);
        assertThat(retry.body()).isEqualTo(first.body()).isEqualTo("status " + status);
        assertThat(calls()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {408, 409, 425, 429, 500, 503})
    void aReturnedStatusThatIsntFinalIsRolledBackAndReleased(int status) {
        long rows = purchases.count();

        HttpResponse<String> first = client.post("/returned/" + status, key, "");
        HttpResponse<String> retry = client.post("/returned/" + status, key, "");

        assertThat(retry.statusCode()).isEqualTo(first.statusCode()).isEqualTo(status);
        assertThat(first.body()).isEqualTo("status " + status);
        assertThat(calls()).isEqualTo(2);
        assertThat(purchases.count()).isEqualTo(rows);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"item\": \"\"}", "{\"item\": ", "[1]", ""})
    void whatIsntValidIsNoAnswerAndTheKeyIsFree(String invalid) {
        HttpResponse<String> first = client.post("/purchases", key, invalid);
        HttpResponse<String> corrected = client.post("/purchases", key, json("corrected"));

        assertThat(first.statusCode()).isEqualTo(400);
        assertThat(corrected.statusCode()).isEqualTo(201);
        assertThat(calls()).isEqualTo(1);
    }

    @Test
    void aFormIsReadAndCompared() {
        HttpResponse<String> first = form("item=tea");
        HttpResponse<String> retry = form("item=tea");

        assertThat(first.body()).isEqualTo("sold tea");
        assertThat(retry.body()).isEqualTo(first.body());
        assertProblem(form("item=coffee"), 422, "mismatch");
        assertThat(calls()).isEqualTo(1);
    }

    private HttpResponse<String> form(String body) {
        return client.post(
                "/form",
                body,
                request -> request.header("Idempotency-Key", key)
                        .header("Content-Type", "application/x-www-form-urlencoded"));
    }

    @Test
    void aTextIsReadAndCompared() {
        HttpResponse<String> first = text("/text?quantity=1", "tea");
        HttpResponse<String> retry = text("/text?quantity=1", "tea");

        assertThat(first.body()).isEqualTo("sold tea");
        assertThat(retry.body()).isEqualTo(first.body());
        assertProblem(text("/text?quantity=1", "coffee"), 422, "mismatch");
        assertProblem(text("/text?quantity=2", "tea"), 422, "mismatch");
        assertThat(calls()).isEqualTo(1);
    }

    private HttpResponse<String> text(String path, String body) {
        return client.post(
                path, body, request -> request.header("Idempotency-Key", key).header("Content-Type", "text/plain"));
    }

    @Test
    void aMultipartRequestIsRefused() {
        HttpResponse<String> response = client.post(
                "/text",
                "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--\r\n",
                request -> request.header("Idempotency-Key", key)
                        .header("Content-Type", "multipart/form-data; boundary=b"));

        assertThat(response.statusCode()).isEqualTo(415);
        assertThat(calls()).isZero();
    }

    @Test
    void aBodyThatIsTooLongIsRefused() {
        HttpResponse<String> response =
                text("/text", "x".repeat(IdempotentHandlerAdapter.DEFAULT_MAX_REQUEST_BYTES + 1));

        assertThat(response.statusCode()).isEqualTo(413);
        assertThat(calls()).isZero();
    }

    @Test
    void aResponseThatIsTooLongIsAnErrorAndNothingIsKept() {
        HttpResponse<String> stored = client.post("/large/1000000", key + "1", "");
        HttpResponse<String> refused = client.post("/large/1100000", key + "2", "");
        HttpResponse<String> unbuffered = client.post("/large/9000000", key + "3", "");

        assertThat(stored.body()).hasSize(1_000_000);
        assertProblem(refused, 500, "response-too-large");
        assertThat(unbuffered.statusCode()).isEqualTo(500);
        assertThat(purchases.findByItem("large")).hasSize(1);
    }

    @Test
    void aMethodWithoutTheAnnotationIsAsItWas() {
        client.post("/plain", key, json("plain"));
        HttpResponse<String> second = client.post("/plain", key, json("plain"));

        assertThat(second.statusCode()).isEqualTo(200);
        assertThat(calls()).isEqualTo(2);
    }

    @Test
    void manyCopiesOfARequestRunOnceAndGetTheSameBytesOrAreToldToComeBack() throws Exception {
        int copies = 12;
        CyclicBarrier together = new CyclicBarrier(copies);
        ExecutorService executor = Executors.newFixedThreadPool(copies);
        List<HttpResponse<String>> responses = new ArrayList<>();
        String item = "race of " + key;
        try {
            List<Future<HttpResponse<String>>> sent = new ArrayList<>();
            for (int i = 0; i < copies; i++) {
                sent.add(executor.submit(() -> {
                    together.await(1, TimeUnit.MINUTES);
                    return client.post("/purchases", key, json(item));
                }));
            }
            for (Future<HttpResponse<String>> each : sent) {
                responses.add(each.get(2, TimeUnit.MINUTES));
            }
        } finally {
            executor.shutdownNow();
        }
        HttpResponse<String> last = client.post("/purchases", key, json(item));

        assertThat(responses)
                .allSatisfy(response -> assertThat(response.statusCode()).isIn(201, 409));
        assertThat(responses.stream()
                        .filter(response -> response.statusCode() == 201)
                        .map(HttpResponse::body)
                        .distinct())
                .containsExactly(last.body());
        assertThat(purchases.findByItem(item)).hasSize(1);
    }

    /** The first try fails as a database's conflict does, after the body has been read and a row written. */
    @Test
    void aConflictRunsTheMethodAgainWithTheSameBody() {
        AtomicBoolean isFirst = new AtomicBoolean(true);
        controller.after.set(() -> {
            if (isFirst.getAndSet(false)) {
                throw new IllegalStateException("conflict", new SQLException("could not serialize", "40001"));
            }
        });
        String item = "conflict of " + key;

        HttpResponse<String> response = client.post("/purchases", key, json(item));

        assertThat(response.statusCode()).as(response.body()).isEqualTo(conflictsAreRunAgain() ? 201 : 500);
        assertThat(calls()).isEqualTo(conflictsAreRunAgain() ? 2 : 1);
        assertThat(purchases.findByItem(item)).hasSize(conflictsAreRunAgain() ? 1 : 0);
    }

    /** Whether the store knows errors of the application's database. */
    boolean conflictsAreRunAgain() {
        return true;
    }
}
