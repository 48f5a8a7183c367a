package io.idempotencykey.spring.web;

import static io.idempotencykey.spring.web.Client.json;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.JdbcTemplate;

/** What the actuator shows of keys and lets an operator do, and what reaches its metrics and observations. */
class ActuatorTest {
    private static final String PATH = "/actuator/idempotency";

    private static Started application;
    private static IdempotencyKeyService<?> keys;

    private final String scope = "shop-" + UUID.randomUUID();

    @Configuration(proxyBeanMethods = false)
    static class Operators {
        final List<String> observed = new CopyOnWriteArrayList<>();

        @Bean
        ObservationHandler<Observation.Context> observations() {
            return new ObservationHandler<>() {
                @Override
                public void onStop(Observation.Context context) {
                    observed.add(context.getName() + context.getLowCardinalityKeyValues());
                }

                @Override
                public boolean supportsContext(Observation.Context context) {
                    return true;
                }
            };
        }
    }

    private static Started start(String database, String... properties) {
        return OperatedShop.start(database, List.of(Operators.class), properties);
    }

    @BeforeAll
    static void begin() {
        application = start(
                "actuator",
                "management.endpoints.web.exposure.include=health,idempotency,metrics",
                "management.endpoint.idempotency.access=unrestricted");
        keys = application.bean(IdempotencyKeyService.class);
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    private KeyId quarantined(String value) {
        return OperatedShop.quarantined(keys, new KeyId(scope, value));
    }

    private static HttpResponse<String> get(Started at, Map<String, String> parameters) {
        return at.client()
                .get(PATH + "?"
                        + parameters.entrySet().stream()
                                .map(each -> each.getKey() + "="
                                        + URLEncoder.encode(each.getValue(), StandardCharsets.UTF_8))
                                .collect(Collectors.joining("&")));
    }

    private static HttpResponse<String> get(Map<String, String> parameters) {
        return get(application, parameters);
    }

    private static HttpResponse<String> act(@Nullable String user, String json) {
        return application.client().post(PATH, json, request -> {
            request.header("Content-Type", "application/json");
            OperatedShop.by(user).accept(request);
        });
    }

    /** Acts on a key as it is now. */
    private HttpResponse<String> act(@Nullable String user, String action, String value, String further) {
        return act(user, action, value, json(get(Map.of("scope", scope, "value", value))), further);
    }

    /** Acts on a key as it was shown. */
    private HttpResponse<String> act(
            @Nullable String user, String action, String value, Map<?, ?> shown, String further) {
        String creation = String.valueOf(shown.get("creationId"));
        return act(
                user,
                "{\"action\": \"" + action + "\", \"scope\": \"" + scope + "\", \"value\": \"" + value
                        + "\", \"creationId\": \"" + (creation.equals("null") ? UUID.randomUUID() : creation)
                        + "\", \"updatedAt\": \""
                        + Objects.requireNonNullElse(shown.get("updatedAt"), "2026-01-01T00:00:00Z") + "\"" + further
                        + "}");
    }

    private static List<String> values(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return ((List<?>) Objects.requireNonNull(json(response).get("keys")))
                .stream().map(key -> (String) ((Map<?, ?>) key).get("value")).toList();
    }

    @Test
    void keysAreListedByStateAndScope() {
        quarantined("a");
        quarantined("b");
        quarantined("c");
        keys.create(scope, "open", Request.of("POST", "/charges", Map.of()));

        assertThat(values(get(Map.of("scope", scope)))).containsExactly("a", "b", "c");
        assertThat(values(get(Map.of("scope", scope, "state", "quarantined", "limit", "2"))))
                .containsExactly("a", "b");
        Map<String, String> two = Map.of("scope", scope, "limit", "2");
        assertThat(values(get(after(two, get(two))))).containsExactly("c");
        assertThat(values(get(Map.of("scope", scope, "state", "unfinished")))).containsExactly("open");
        assertThat(values(get(Map.of("scope", scope + "0", "state", "unfinished"))))
                .isEmpty();
    }

    @Test
    void withoutAScopeKeysOfAllScopesAreListed() {
        keys.create(scope, "1", Request.of("POST", "/charges", Map.of()));
        keys.create(scope + "~", "2", Request.of("POST", "/charges", Map.of()));
        quarantined("3");

        assertThat(values(get(Map.of("state", "unfinished")))).contains("1", "2");
        assertThat(values(get(Map.of("state", "unfinished", "limit", "1")))).hasSize(1);
        quarantined("4");
        Map<String, String> all = Map.of("limit", "1000");
        assertThat(values(get(all))).containsSubsequence("3", "4");
        HttpResponse<String> third = get(Map.of("scope", scope, "limit", "1"));
        assertThat(values(get(after(Map.of("afterScope", scope, "limit", "1000"), third))))
                .contains("4")
                .doesNotContain("3");
        assertThat(values(get(after(Map.of("afterScope", scope), get(Map.of("scope", scope))))))
                .doesNotContain("3", "4");
    }

    @Test
    void unfinishedKeysComePageAfterPageTheLongestWaitingFirst() {
        for (String each : List.of("a1", "a2", "a3", "b1")) {
            keys.create(scope + each.charAt(0), each, Request.of("POST", "/charges", Map.of()));
        }
        Map<String, String> state = Map.of("state", "unfinished", "limit", "2", "scope", scope + "a");

        HttpResponse<String> first = get(state);
        HttpResponse<String> second = get(after(state, first));
        Map<String, String> ofAll = Map.of("state", "unfinished", "limit", "1000", "afterScope", scope + "a");

        assertThat(values(first)).containsExactly("a1", "a2");
        assertThat(values(second)).containsExactly("a3");
        assertThat(values(get(after(ofAll, first))))
                .containsSubsequence("a3", "b1")
                .doesNotContain("a1", "a2");
    }

    /** The page after this one. */
    private static Map<String, String> after(Map<String, String> asked, HttpResponse<String> page) {
        List<?> listed = (List<?>) Objects.requireNonNull(Client.json(page).get("keys"));
        Map<?, ?> lastKey = (Map<?, ?>) Objects.requireNonNull(listed.get(listed.size() - 1));
        Map<String, String> next = new HashMap<>(asked);
        next.put("afterValue", (String) Objects.requireNonNull(lastKey.get("value")));
        Object since = lastKey.containsKey("quarantinedSince")
                ? lastKey.get("quarantinedSince")
                : lastKey.get("resumableFrom");
        next.put("afterSince", (String) Objects.requireNonNull(since));
        return next;
    }

    @Test
    void aListSaysHowMuchWaits() {
        quarantined("a");

        Map<?, ?> backlog = (Map<?, ?>) json(get(Map.of())).get("backlog");

        assertThat(((Number) Objects.requireNonNull(
                                Objects.requireNonNull(backlog).get("quarantined")))
                        .longValue())
                .isEqualTo(new OperatorActions(keys).backlog().quarantined())
                .isPositive();
        assertThat(backlog.containsKey("waiting")).isTrue();
        assertThat((String) backlog.get("longestWait")).startsWith("PT");
    }

    @Test
    void oneKeyIsShownWithoutTheValuesOfItsRequest() {
        quarantined("a");

        HttpResponse<String> shown = get(Map.of("scope", scope, "value", "a"));

        assertThat(shown.statusCode()).isEqualTo(200);
        assertThat(json(shown).get("state")).isEqualTo("quarantined");
        assertThat(json(shown).get("recoveryPoint")).isEqualTo("charged");
        assertThat(json(shown).get("lastError")).isEqualTo(IllegalStateException.class.getName());
        assertThat(shown.body())
                .contains("quarantinedSince", "/charges")
                .doesNotContain("4711")
                .doesNotContain("revision");
    }

    @Test
    void aKeyThatIsntThereIsNotFound() {
        HttpResponse<String> response = get(Map.of("scope", scope, "value", "none"));

        assertThat(response.statusCode()).isEqualTo(404);
        assertThat(json(response).get("error")).isEqualTo("not-found");
    }

    @Test
    void scopesAndValuesMayHaveEveryCharacterThatKeysHave() {
        KeyId odd = OperatedShop.quarantined(
                keys, new KeyId(scope + "/?&=%25#\"+;,", "../a b".replace(' ', '_') + "\\<&>%2F?"));

        assertThat(json(get(Map.of("scope", odd.scope(), "value", odd.value()))).get("value"))
                .isEqualTo(odd.value());
    }

    @Test
    void retryLetsTheRequestGoOn() {
        KeyId id = quarantined("a");

        HttpResponse<String> response = act("alice", "retry", "a", "");

        assertThat(json(response).get("state")).as(response.body()).isEqualTo("open");
        assertThat(keys.retrieve(id).lastError()).startsWith("retry by alice");
    }

    @Test
    void finishAnswersTheRequest() {
        KeyId id = quarantined("a");

        HttpResponse<String> response =
                act(null, "finish", "a", ", \"by\": \"bob\", \"status\": 201, \"body\": \"{\\\"id\\\":1}\"");

        assertThat(json(response).get("state")).as(response.body()).isEqualTo("finished");
        assertThat(keys.retrieve(id).lastError()).startsWith("finish by bob");
        assertThat(keys.retrieve(id).state().toString()).contains("Response[201, 8 bytes]");
    }

    @Test
    void discardGivesTheRequestUp() {
        quarantined("a");

        assertThat(act("alice", "discard", "a", "").statusCode()).isEqualTo(200);

        assertThat(get(Map.of("scope", scope, "value", "a")).statusCode()).isEqualTo(404);
    }

    @Test
    void whatWasDecidedOnOneRequestIsNotDoneToAnother() {
        KeyId id = quarantined("a");
        Map<?, ?> shown = json(get(Map.of("scope", scope, "value", "a")));
        assertThat(act("bob", "discard", "a", "").statusCode()).isEqualTo(200);
        keys.create(scope, "a", Request.of("POST", "/charges", Map.of()));

        HttpResponse<String> response = act("alice", "finish", "a", shown, ", \"status\": 200");

        assertThat(response.statusCode()).isEqualTo(409);
        assertThat(json(response).get("error")).isEqualTo("stale-key");
        assertThat((String) json(response).get("message")).contains("created anew");
        assertThat(keys.retrieve(id).state().name()).isEqualTo("open");
    }

    @Test
    void whatWasDecidedOnARequestIsNotDoneOnceItHasGoneOn() {
        KeyId id = quarantined("a");
        Map<?, ?> shown = json(get(Map.of("scope", scope, "value", "a")));
        assertThat(act("bob", "retry", "a", "").statusCode()).isEqualTo(200);

        HttpResponse<String> response = act("alice", "discard", "a", shown, "");

        assertThat(response.statusCode()).isEqualTo(409);
        assertThat((String) json(response).get("message")).contains("open at 'charged'");
        assertThat(keys.retrieve(id).state().name()).isEqualTo("open");
    }

    @Test
    void whoActsSaysWhatWasLookedAt() {
        quarantined("a");
        String action = "{\"action\": \"retry\", \"scope\": \"" + scope + "\", \"value\": \"a\"";

        HttpResponse<String> unsaid = act("alice", action + "}");
        HttpResponse<String> unreadable =
                act("alice", action + ", \"creationId\": \"1\", \"updatedAt\": \"yesterday\"}");

        assertThat(unsaid.statusCode()).isEqualTo(400);
        assertThat((String) json(unsaid).get("message")).contains("'creationId' or 'updatedAt' is missing");
        assertThat(unreadable.statusCode()).isEqualTo(400);
        assertThat((String) json(unreadable).get("message")).contains("as the key was shown");
    }

    @Test
    void whoActsIsTheAuthenticatedUserOrSaysSo() {
        KeyId id = quarantined("a");

        assertThat(act(null, "retry", "a", "").statusCode()).isEqualTo(400);
        assertThat(act("alice", "retry", "a", ", \"by\": \"bob\"").statusCode()).isEqualTo(400);
        assertThat(act(null, "retry", "a", ", \"by\": \"line\\nbreak\"").statusCode())
                .isEqualTo(400);
        assertThat(keys.retrieve(id).state().name()).isEqualTo("quarantined");
    }

    @Test
    void whatCantBeDoneIsSaidAndChangesNothing() {
        quarantined("a");
        keys.lock(keys.create(scope, "held", Request.of("POST", "/charges", Map.of()))
                .id());

        assertThat(act("alice", "retry", "none", "").statusCode()).isEqualTo(404);
        assertThat(act("alice", "retry", "held", "").statusCode()).isEqualTo(409);
        assertThat(json(act("alice", "retry", "held", "")).get("error")).isEqualTo("locked");
        assertThat(act("alice", "finish", "a", "").statusCode()).isEqualTo(400);
        assertThat(act("alice", "finish", "a", ", \"status\": 99").statusCode()).isEqualTo(400);
        assertThat(act("alice", "finish", "a", ", \"status\": 204, \"body\": \"x\"")
                        .statusCode())
                .isEqualTo(400);
        assertThat(act("alice", "burn", "a", "").statusCode()).isEqualTo(400);
        assertThat(act("alice", "{\"action\": \"retry\"}").statusCode()).isEqualTo(400);
        assertThat(act("alice", "retry", "", "").statusCode()).isEqualTo(400);
        assertThat(get(Map.of("limit", "0")).statusCode()).isEqualTo(400);
        assertThat(get(Map.of("limit", "many")).statusCode()).isEqualTo(400);
        assertThat(get(Map.of("state", "finished")).statusCode()).isEqualTo(400);
        assertThat(get(Map.of("scope", "ä")).statusCode()).isEqualTo(400);
        assertThat(keys.retrieve(new KeyId(scope, "a")).state().name()).isEqualTo("quarantined");
    }

    @Test
    void whatIsRefusedSaysWhy() {
        quarantined("a");

        for (Map.Entry<String, String> each : Map.of(
                        "\"status\": 200, \"body\": \"x\", \"by\": \"alice\"", "of the action 'finish'",
                        "\"by\": \" \"", "'by' is missing",
                        "\"by\": \"line\\nbreak\"", "argument 'by'")
                .entrySet()) {
            HttpResponse<String> refused = act(null, "retry", "a", ", " + each.getKey());
            assertThat(refused.statusCode()).isEqualTo(400);
            assertThat(json(refused).get("error")).isEqualTo("invalid-request");
            assertThat((String) json(refused).get("message")).contains(each.getValue());
        }
        assertThat(act("alice", "finish", "a", ", \"status\": 200, \"contentType\": \"text/plain\"")
                        .body())
                .contains("'body' is missing");
        HttpResponse<String> tooLong =
                act("alice", "finish", "a", ", \"status\": 200, \"body\": \"" + "x".repeat(1_100_000) + "\"");
        assertThat(tooLong.statusCode()).isEqualTo(400);
        assertThat(json(tooLong).get("error")).isEqualTo("response-too-large");
        assertThat((String) json(get(Map.of("limit", "-1"))).get("message")).contains("limit");
        assertThat(keys.retrieve(new KeyId(scope, "a")).state().name()).isEqualTo("quarantined");
    }

    @Test
    void aPageThatIsntThereIsRefusedAndNotTheFirstOneAgain() {
        assertThat(get(Map.of("state", "unfinished", "scope", scope, "afterValue", "a"))
                        .statusCode())
                .isEqualTo(400);
        assertThat(get(Map.of("state", "unfinished", "afterScope", scope, "afterValue", "a"))
                        .statusCode())
                .isEqualTo(400);
        assertThat(get(Map.of("state", "unfinished", "afterScope", scope)).statusCode())
                .isEqualTo(400);
        assertThat(get(Map.of("afterScope", scope, "afterValue", "a")).statusCode())
                .isEqualTo(400);
        assertThat(get(Map.of("scope", scope, "afterSince", "2026-01-01T00:00:00Z"))
                        .statusCode())
                .isEqualTo(400);
        assertThat(get(Map.of("scope", scope, "afterScope", "a")).statusCode()).isEqualTo(400);
        assertThat(get(Map.of("afterScope", scope)).statusCode()).isEqualTo(400);
    }

    @Test
    void anAuthenticatedNameMayBeLongerThanWhatIsRecorded() {
        KeyId id = quarantined("a");

        assertThat(act("CN=" + "x".repeat(200), "retry", "a", "").statusCode()).isEqualTo(200);

        assertThat(keys.retrieve(id).lastError()).startsWith("retry by CN=" + "x".repeat(96) + "…");
    }

    @Test
    void withoutBeingAskedForTheEndpointIsntThereAndOnlyReads() {
        try (Started unasked = start("unasked")) {
            assertThat(get(unasked, Map.of()).statusCode()).isEqualTo(404);
        }
        try (Started reading = start("reading", "management.endpoints.web.exposure.include=idempotency")) {
            assertThat(get(reading, Map.of()).statusCode()).isEqualTo(200);
            HttpResponse<String> write = reading.client()
                    .post(
                            PATH,
                            "{\"action\": \"discard\", \"value\": \"a\", \"by\": \"alice\"}",
                            request -> request.header("Content-Type", "application/json"));
            assertThat(write.statusCode()).isEqualTo(405);
        }
    }

    @Test
    void valuesAreShownIfThatIsConfigured() {
        try (Started showing = start(
                "showing",
                "management.endpoints.web.exposure.include=idempotency",
                "management.endpoint.idempotency.show-values=always")) {
            IdempotencyKeyService<?> its = showing.bean(IdempotencyKeyService.class);
            OperatedShop.quarantined(its, new KeyId("", "a"));
            its.once(
                    "answer",
                    new KeyId("", "b"),
                    Request.of("POST", "/", Map.of()),
                    stage -> Response.of(200, "text/plain", "an answer"));

            assertThat(get(showing, Map.of("value", "a")).body()).contains("secret-4711", "the provider says no");
            assertThat(get(showing, Map.of("value", "b")).body()).contains("an answer", "text/plain");
        }
    }

    @Test
    void healthIsUpWithAQuarantineAndDownWithoutTheTable() {
        try (Started ill = start(
                "ill",
                "management.endpoints.web.exposure.include=health",
                "management.endpoint.health.show-details=always")) {
            IdempotencyKeyService<?> its = ill.bean(IdempotencyKeyService.class);
            OperatedShop.quarantined(its, new KeyId("", "a"));

            HttpResponse<String> up = ill.client().get("/actuator/health/idempotency");
            ill.bean(JdbcTemplate.class).execute("drop table idempotency_key");
            HttpResponse<String> down = ill.client().get("/actuator/health/idempotency");

            assertThat(up.statusCode()).isEqualTo(200);
            assertThat(up.body()).contains("\"status\":\"UP\"", "\"quarantined\":1");
            assertThat(down.statusCode()).isEqualTo(503);
            assertThat(down.body()).contains("\"status\":\"DOWN\"");
        }
    }

    @Test
    void withoutActuatorAndMicrometerTheApplicationIsAsItWas() {
        new ApplicationContextRunner()
                .withClassLoader(new FilteredClassLoader(
                        "io.micrometer", "org.springframework.boot.actuate", "org.springframework.boot.health"))
                .withConfiguration(Applications.starter())
                .withPropertyValues("idempotency.store=in-memory", "idempotency.background.enabled=false")
                .run(started -> assertThat(started)
                        .hasNotFailed()
                        .hasSingleBean(IdempotencyKeyService.class)
                        .doesNotHaveBean("idempotencyKeyMetrics")
                        .doesNotHaveBean("idempotencyEndpoint")
                        .doesNotHaveBean("idempotencyHealthIndicator"));
    }

    @Test
    void severalRegistriesOfWhichNoneIsThePrimaryKeepNoApplicationFromStarting() {
        new ApplicationContextRunner()
                .withConfiguration(Applications.starter())
                .withPropertyValues("idempotency.store=in-memory", "idempotency.background.enabled=false")
                .withBean("one", MeterRegistry.class, SimpleMeterRegistry::new)
                .withBean("two", MeterRegistry.class, SimpleMeterRegistry::new)
                .withBean("three", ObservationRegistry.class, ObservationRegistry::create)
                .withBean("four", ObservationRegistry.class, ObservationRegistry::create)
                .run(started -> assertThat(started)
                        .hasNotFailed()
                        .doesNotHaveBean("idempotencyKeyMetrics")
                        .doesNotHaveBean("idempotencyStageObservations"));
    }

    @Test
    void requestsStagesAndTheBacklogReachTheMetricsAndTheObservations() {
        application.client().post("/purchases", scope, "{\"item\": \"tea\", \"quantity\": 1}");
        application.client().post("/purchases", scope, "{\"item\": \"tea\", \"quantity\": 1}");

        assertThat(application
                        .client()
                        .get("/actuator/metrics/idempotency.requests?tag=operation:purchase")
                        .body())
                .contains("executed", "replayed");
        assertThat(application
                        .client()
                        .get("/actuator/metrics/idempotency.stages")
                        .body())
                .contains("committed");
        assertThat(application
                        .client()
                        .get("/actuator/metrics/idempotency.quarantine")
                        .body())
                .contains("\"VALUE\"");
        assertThat(application.bean(Operators.class).observed)
                .anyMatch(each -> each.startsWith("idempotency.stage") && each.contains("purchase"));
    }
}
