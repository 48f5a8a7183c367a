package io.idempotencykey.spring.web;

import static io.idempotencykey.spring.web.Client.json;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.console.KeyHistory;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpServletResponse;
import org.springframework.security.authentication.AnonymousAuthenticationToken;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.web.csrf.CsrfFilter;
import org.springframework.security.web.csrf.CsrfToken;
import org.springframework.security.web.csrf.DefaultCsrfToken;
import org.springframework.security.web.csrf.HttpSessionCsrfTokenRepository;
import org.springframework.security.web.servletapi.SecurityContextHolderAwareRequestWrapper;

/** Who gets the operators' console of an application, and what for. */
class ConsoleTest {
    private static final String PATH = "/operator/keys";
    private static final String WITH_CONSOLE = "idempotency.console.path=" + PATH;

    private static Started application;

    private final KeyId id = new KeyId("shop-" + UUID.randomUUID(), "aside-1");

    /** Refuses what doesn't have its token, as Spring Security does by itself. */
    static class Protected {
        @Bean
        Filter protection() {
            return new CsrfFilter(new HttpSessionCsrfTokenRepository());
        }
    }

    /** The page in a user's browser. */
    private record Page(Client client, Consumer<HttpRequest.Builder> user, Map<?, ?> session, String cookies) {
        static Page open(Started at, String user, String... roles) {
            Consumer<HttpRequest.Builder> by = OperatedShop.by(user, roles);
            HttpResponse<String> session = at.client().get(PATH + "/api/session", by);
            assertThat(session.statusCode()).as(session.body()).isEqualTo(200);
            return new Page(
                    at.client(),
                    by,
                    json(session),
                    session.headers().allValues("Set-Cookie").stream()
                            .map(cookie -> cookie.substring(0, cookie.indexOf(';')))
                            .collect(Collectors.joining("; ")));
        }

        Map<?, ?> sentAlong() {
            return (Map<?, ?>) Objects.requireNonNull(session.get("headers"));
        }

        HttpResponse<String> ask(String what, Map<String, ?> asked) {
            return ask(what, asked, sentAlong());
        }

        HttpResponse<String> ask(String what, Map<String, ?> asked, Map<?, ?> sentAlong) {
            String body = Request.of("POST", "/", asked).parametersJson();
            return client.post(PATH + "/api/" + what, body, request -> {
                user.accept(request);
                request.header("Content-Type", "application/json")
                        .header("Sec-Fetch-Site", "same-origin")
                        .header("Idempotency-Console", (String) Objects.requireNonNull(session.get("token")))
                        .header("Cookie", cookies);
                sentAlong.forEach((name, value) -> request.header((String) name, (String) value));
            });
        }

        HttpResponse<String> show(KeyId id) {
            return ask("key", Map.of("scope", id.scope(), "value", id.value()));
        }

        HttpResponse<String> retry(KeyId id) {
            Map<?, ?> shown = json(show(id));
            return ask(
                    "retry",
                    Map.of(
                            "scope",
                            id.scope(),
                            "value",
                            id.value(),
                            "creationId",
                            Objects.requireNonNull(shown.get("creationId")),
                            "updatedAt",
                            Objects.requireNonNull(shown.get("updatedAt")),
                            "typed",
                            id.value().substring(0, 6)));
        }
    }

    private static Started start(String database, String... properties) {
        return OperatedShop.start(database, List.of(), properties);
    }

    @BeforeAll
    static void begin() {
        application = start(
                "console",
                WITH_CONSOLE,
                "idempotency.console.act-roles=operator,chief",
                "idempotency.console.value-roles=auditor");
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    private void quarantine(Started at) {
        IdempotencyKeyService<?> keys = at.bean(IdempotencyKeyService.class);
        OperatedShop.quarantined(keys, id);
    }

    private IdempotencyKey now(Started at) {
        return at.bean(IdempotencyKeyService.class).retrieve(id);
    }

    private static void assertRefused(HttpResponse<String> response, String kind) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(403);
        assertThat(json(response).get("error")).isEqualTo(kind);
    }

    @Test
    void withoutAPathThereIsNoConsole() {
        try (Started unasked = start("console-unasked", "idempotency.console.act-roles=**")) {
            assertThat(unasked.client()
                            .get(PATH + "/", OperatedShop.by("ada", "operator"))
                            .statusCode())
                    .isEqualTo(404);
            assertThat(unasked.context().containsBean("idempotencyConsole")).isFalse();
            assertThat(unasked.context().getBeanNamesForType(KeyHistory.class)).isEmpty();
        }
    }

    @Test
    void thePageIsAtItsPath() {
        HttpResponse<String> page = application.client().get(PATH + "/", OperatedShop.by("ada"));
        HttpResponse<String> script = application.client().get(PATH + "/console.js", OperatedShop.by("ada"));

        assertThat(page.statusCode()).isEqualTo(200);
        assertThat(page.headers().firstValue("Content-Type").orElseThrow()).startsWith("text/html");
        assertThat(page.body()).contains("console.js");
        assertThat(script.statusCode()).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "/", "/console.js", "/api/session"})
    void whoIsNotSignedInIsRefused(String path) {
        assertRefused(application.client().get(PATH + path), "no-user");
    }

    @Test
    void whoHasNoneOfTheRolesMayLookButNotAct() {
        quarantine(application);
        Page page = Page.open(application, "eve", "auditor");

        HttpResponse<String> list = page.ask("keys", Map.of("state", "quarantined", "scope", id.scope()));

        assertThat(list.statusCode()).as(list.body()).isEqualTo(200);
        assertThat(list.body()).contains(id.value());
        assertThat(page.session().get("mayAct")).isEqualTo(false);
        assertRefused(page.retry(id), "may-not-act");
        assertThat(now(application).state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"operator", "chief"})
    void whoHasOneOfTheRolesActs(String role) {
        quarantine(application);
        Page page = Page.open(application, "ada", role);

        HttpResponse<String> response = page.retry(id);

        assertThat(page.session().get("mayAct")).isEqualTo(true);
        assertThat(json(response).get("state")).as(response.body()).isEqualTo("open");
        assertThat(now(application).lastError()).startsWith("retry by ada");
    }

    @Test
    void valuesAreShownToThoseWithARoleForThemOnly() {
        quarantine(application);

        assertThat(Page.open(application, "eve", "auditor").show(id).body())
                .contains("secret-4711", "the provider says no");
        assertThat(Page.open(application, "ada", "operator", "chief").show(id).body())
                .contains(id.value())
                .doesNotContain("secret-4711")
                .doesNotContain("the provider says no");
    }

    @Test
    void everyAuthenticatedUserMayWhatIsForAllOfThem() {
        try (Started free = start(
                "console-free",
                WITH_CONSOLE,
                "idempotency.console.act-roles=**",
                "idempotency.console.value-roles=**")) {
            quarantine(free);
            Page page = Page.open(free, "bob");

            assertThat(page.show(id).body()).contains("secret-4711");
            assertThat(page.retry(id).statusCode()).isEqualTo(200);
            assertRefused(free.client().get(PATH + "/api/session", OperatedShop.by(null)), "no-user");
        }
    }

    @Test
    void withoutRolesAndHistoryNobodyActsOrSeesValuesAndNothingIsKept() {
        try (Started reading = start("console-reading", WITH_CONSOLE, "idempotency.console.history=0")) {
            quarantine(reading);
            Page page = Page.open(reading, "ada", "operator", "auditor", "**");

            assertThat(page.session().get("hasHistory")).isEqualTo(false);
            assertThat(page.show(id).body())
                    .contains(id.value())
                    .doesNotContain("secret-4711")
                    .doesNotContain("\"history\"");
            assertRefused(page.retry(id), "may-not-act");
            assertThat(reading.context().getBeanNamesForType(KeyHistory.class)).isEmpty();
        }
    }

    @Test
    void whatHappenedToAKeyIsShown() {
        quarantine(application);
        Page page = Page.open(application, "ada");

        List<?> history = (List<?>) Objects.requireNonNull(json(page.show(id)).get("history"));

        assertThat(page.session().get("hasHistory")).isEqualTo(true);
        assertThat(history.stream()
                        .map(event -> (String) ((Map<?, ?>) event).get("what"))
                        .toList())
                .contains("created", "quarantined");
    }

    @Test
    void whereSpringSecurityProtectsTheApplicationThePageSendsItsToken() {
        try (Started secured = OperatedShop.start(
                "console-secured", List.of(Protected.class), WITH_CONSOLE, "idempotency.console.act-roles=operator")) {
            quarantine(secured);
            Page page = Page.open(secured, "ada", "operator");

            HttpResponse<String> without = page.ask("backlog", Map.of(), Map.of());
            HttpResponse<String> wrong = page.ask("backlog", Map.of(), Map.of("X-CSRF-TOKEN", "of-another-session"));

            // The refusals aren't the console's own.
            for (HttpResponse<String> refused : List.of(without, wrong)) {
                assertThat(refused.statusCode()).isEqualTo(403);
                assertThat(refused.headers().firstValue("Content-Security-Policy"))
                        .isEmpty();
            }
            assertThat(page.sentAlong().containsKey("X-CSRF-TOKEN")).isTrue();
            assertThat(page.ask("backlog", Map.of()).statusCode()).isEqualTo(200);
            assertThat(page.retry(id).statusCode()).isEqualTo(200);
        }
    }

    @Test
    void whereNothingProtectsTheApplicationThePageSendsNothingAlong() {
        assertThat(Page.open(application, "ada").sentAlong()).isEmpty();
    }

    private static WebApplicationContextRunner withProperties(String... properties) {
        return new WebApplicationContextRunner()
                .withConfiguration(Applications.starter())
                .withPropertyValues("idempotency.store=in-memory", "idempotency.background.enabled=false")
                .withPropertyValues(properties);
    }

    private static MockHttpServletRequest session() {
        MockHttpServletRequest request = new MockHttpServletRequest("GET", PATH + "/api/session");
        request.setPathInfo("/api/session");
        return request;
    }

    /** What the console answers in an application without some classes. */
    private static Map<?, ?> answered(HttpServletRequest request, String... packages) {
        MockHttpServletResponse response = new MockHttpServletResponse();
        withProperties(WITH_CONSOLE, "idempotency.console.act-roles=operator")
                .withClassLoader(new FilteredClassLoader(packages))
                .run(started -> Objects.requireNonNull(
                                started.getBean("idempotencyConsole", ServletRegistrationBean.class)
                                        .getServlet())
                        .service(request, response));
        return json(new String(response.getContentAsByteArray(), StandardCharsets.UTF_8));
    }

    private static String sentAlongWithout(String... packages) {
        MockHttpServletRequest request = session();
        request.setUserPrincipal(() -> "ada");
        request.setAttribute(CsrfToken.class.getName(), new DefaultCsrfToken("X-CSRF-TOKEN", "_csrf", "known"));
        return String.valueOf(answered(request, packages).get("headers"));
    }

    @Test
    void withoutSpringSecurityAndSpringMvcThereIsAConsoleToo() {
        assertThat(sentAlongWithout("org.springframework.web.servlet")).isEqualTo("{X-CSRF-TOKEN=known}");
        assertThat(sentAlongWithout("org.springframework.web.servlet", "org.springframework.security"))
                .isEqualTo("{}");
    }

    /** What the console answers to a user of whom Spring Security tells. */
    private static Map<?, ?> answeredTo(Authentication user) {
        SecurityContextHolder.getContext().setAuthentication(user);
        try {
            return answered(
                    new SecurityContextHolderAwareRequestWrapper(session(), "ROLE_"),
                    "org.springframework.web.servlet");
        } finally {
            SecurityContextHolder.clearContext();
        }
    }

    @Test
    void usersAndTheirRolesAreThoseOfSpringSecurity() {
        List<GrantedAuthority> operator = AuthorityUtils.createAuthorityList("ROLE_operator");
        List<GrantedAuthority> auditor = AuthorityUtils.createAuthorityList("ROLE_auditor");

        assertThat(answeredTo(UsernamePasswordAuthenticationToken.authenticated("ada", "", operator))
                        .get("mayAct"))
                .isEqualTo(true);
        assertThat(answeredTo(UsernamePasswordAuthenticationToken.authenticated("eve", "", auditor))
                        .get("mayAct"))
                .isEqualTo(false);
        assertThat(answeredTo(new AnonymousAuthenticationToken("key", "anonymousUser", operator))
                        .get("error"))
                .isEqualTo("no-user");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "/", "operator", "operator/keys", "/operator/", "/operator/*", "/*", "//operator", "/{id}"})
    void aPathThatNoServletCanHaveIsRefused(String path) {
        withProperties("idempotency.console.path=" + path)
                .run(started -> assertThat(started)
                        .getFailure()
                        .rootCause()
                        .hasMessageStartingWith("The property 'idempotency.console.path' is '" + path + "'"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "1000001"})
    void aHistoryOutOfBoundsIsRefused(String events) {
        withProperties(WITH_CONSOLE, "idempotency.console.history=" + events)
                .run(started -> assertThat(started)
                        .getFailure()
                        .hasStackTraceContaining("The property 'idempotency.console.history' is out of bounds"));
    }
}
