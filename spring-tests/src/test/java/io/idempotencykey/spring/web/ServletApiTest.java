package io.idempotencykey.spring.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.util.ClassUtils;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.PutMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.bind.annotation.RestControllerAdvice;

/** Handler methods that use servlets' own requests and responses, in an application that takes every exception. */
class ServletApiTest {
    private static Started application;

    private final String key = UUID.randomUUID().toString();

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    @RestController
    @RestControllerAdvice
    static class Servlets {
        @PostMapping("/redirect")
        @Idempotent("redirect")
        void redirect(HttpServletResponse response) throws ReflectiveOperationException {
            call("sendRedirect", response, "/elsewhere", 303, false);
        }

        private final HttpServletRequest injectedRequest;
        private final HttpServletResponse injectedResponse;

        Servlets(HttpServletRequest injectedRequest, HttpServletResponse injectedResponse) {
            this.injectedRequest = injectedRequest;
            this.injectedResponse = injectedResponse;
        }

        @PostMapping("/injected")
        @Idempotent("injected")
        void injected() throws IOException {
            injectedResponse.setStatus(202);
            injectedResponse.setContentType("text/plain");
            injectedResponse
                    .getWriter()
                    .print("got "
                            + new String(injectedRequest.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
        }

        @PostMapping("/injected-error")
        @Idempotent("injected-error")
        void injectedError() throws IOException {
            injectedResponse.sendError(410, "gone");
        }

        @PostMapping("/umlaut")
        @Idempotent("umlaut")
        void umlaut(HttpServletResponse response) {
            response.setHeader("Content-Disposition", "attachment; filename=\u00e4");
        }

        @PostMapping("/headers")
        @Idempotent("headers")
        void headers(HttpServletResponse response) {
            response.setHeader("Cache-Control", "private");
            response.addHeader("Vary", "Accept");
            response.setStatus(response.containsHeader("Vary") ? 204 : 500);
        }

        @PostMapping("/no-content")
        @Idempotent("no-content")
        ResponseEntity<String> noContent() {
            return ResponseEntity.status(204).body("which no client gets");
        }

        /** As security's and CORS's do. */
        @Bean
        Filter settingHeaders() {
            return (request, response, chain) -> {
                ((HttpServletResponse) response).setHeader("Cache-Control", "no-store");
                ((HttpServletResponse) response).addHeader("Vary", "Origin");
                chain.doFilter(request, response);
            };
        }

        @PostMapping("/charset")
        @Idempotent("charset")
        void charset(HttpServletResponse response) throws Exception {
            response.setContentType("text/plain");
            call("setCharacterEncoding", response, StandardCharsets.UTF_8);
            response.getWriter().print("\u20ac");
        }

        @PostMapping(value = "/form", consumes = MediaType.APPLICATION_FORM_URLENCODED_VALUE)
        @Idempotent("form")
        String form(HttpServletRequest request, @RequestParam("item") String item) {
            return item + " " + String.join(",", request.getParameterValues("q"));
        }

        @PutMapping(value = "/form", consumes = MediaType.APPLICATION_FORM_URLENCODED_VALUE)
        @Idempotent("put-form")
        String put(@RequestParam("item") String item) {
            return item;
        }

        @ExceptionHandler
        ResponseEntity<String> every(Exception exception) {
            int status = exception instanceof IllegalStateException ? 400 : 500;
            return ResponseEntity.status(status).body("every exception comes here");
        }
    }

    /** Servlet 6.1's methods, which Spring Boot 3 doesn't have. */
    private static final @Nullable Method REDIRECT = ClassUtils.getMethodIfAvailable(
            HttpServletResponse.class, "sendRedirect", String.class, int.class, boolean.class);

    private static final @Nullable Method CHARSET =
            ClassUtils.getMethodIfAvailable(HttpServletResponse.class, "setCharacterEncoding", Charset.class);

    private static void call(String name, HttpServletResponse response, Object... arguments)
            throws ReflectiveOperationException {
        Objects.requireNonNull(name.equals("sendRedirect") ? REDIRECT : CHARSET).invoke(response, arguments);
    }

    @BeforeAll
    static void start() {
        application = Started.of(
                Servlets.class,
                "spring.datasource.url=jdbc:h2:mem:servlets;DB_CLOSE_DELAY=-1",
                "idempotency.http.header=X-Request-Key",
                "idempotency.http.max-request-size=100B");
    }

    @AfterAll
    static void stop() {
        application.close();
    }

    private HttpResponse<String> post(String path, String type, String body) {
        return application
                .client()
                .post(
                        path,
                        body,
                        request -> request.header("X-Request-Key", key).header("Content-Type", type));
    }

    private HttpResponse<String> form(String body) {
        return post("/form?q=1&q=%C3%A4&item", MediaType.APPLICATION_FORM_URLENCODED_VALUE, body);
    }

    private static void assertProblem(HttpResponse<String> response, int status, String kind) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(response.body()).contains("\"urn:idempotencykey:problem:" + kind + "\"");
    }

    @Test
    void aRedirectWithAStatusOfItsOwnIsStored() {
        assumeTrue(REDIRECT != null);
        HttpResponse<String> first = post("/redirect", "text/plain", "");
        HttpResponse<String> retry = post("/redirect", "text/plain", "");

        assertThat(first.statusCode()).isEqualTo(303);
        assertThat(retry.statusCode()).isEqualTo(303);
        assertThat(retry.headers().firstValue("Location"))
                .hasValue("/elsewhere")
                .isEqualTo(first.headers().firstValue("Location"));
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).hasValue("true");
    }

    @Test
    void whatIsInjectedIsTheRunsOwn() {
        HttpResponse<String> first = post("/injected", "text/plain", "body");
        HttpResponse<String> retry = post("/injected", "text/plain", "body");

        for (HttpResponse<String> response : List.of(first, retry)) {
            assertThat(response.statusCode()).isEqualTo(202);
            assertThat(response.body()).isEqualTo("got body");
        }
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).hasValue("true");
    }

    @Test
    void anErrorThroughWhatIsInjectedIsStored() {
        HttpResponse<String> first = post("/injected-error", "text/plain", "");
        HttpResponse<String> retry = post("/injected-error", "text/plain", "");

        assertThat(first.statusCode()).isEqualTo(410);
        assertThat(retry.statusCode()).isEqualTo(410);
        assertThat(retry.body()).isEqualTo(first.body()).contains("410");
    }

    /** Though the application's handler of every exception gives it a status. */
    @Test
    void whatCantBeStoredIsNoAnswer() {
        HttpResponse<String> first = post("/umlaut", "text/plain", "");
        HttpResponse<String> retry = post("/umlaut", "text/plain", "");

        assertThat(first.statusCode()).isEqualTo(400);
        assertThat(retry.statusCode()).isEqualTo(400);
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).isEmpty();
    }

    @Test
    void headersOfFiltersAreReplacedAndAddedToAsBefore() {
        HttpResponse<String> first = post("/headers", "text/plain", "");
        HttpResponse<String> retry = post("/headers", "text/plain", "");

        assertThat(first.statusCode()).isEqualTo(204);
        for (HttpResponse<String> response : List.of(first, retry)) {
            assertThat(response.headers().allValues("Cache-Control")).containsExactly("private");
            assertThat(response.headers().allValues("Vary")).containsExactly("Origin", "Accept");
        }
    }

    @Test
    void aBodyThatTheStatusDoesntAllowIsLeftOut() {
        HttpResponse<String> first = post("/no-content", "text/plain", "");
        HttpResponse<String> retry = post("/no-content", "text/plain", "");

        assertThat(first.statusCode()).isEqualTo(204);
        assertThat(retry.statusCode()).isEqualTo(204);
        assertThat(retry.headers().firstValue("Idempotency-Replayed")).hasValue("true");
    }

    @Test
    void anEncodingThatIsNoStringIsTheBodys() {
        assumeTrue(CHARSET != null);
        HttpResponse<String> first = post("/charset", "text/plain", "");
        HttpResponse<String> retry = post("/charset", "text/plain", "");

        assertThat(first.body()).isEqualTo("\u20ac");
        assertThat(retry.body()).isEqualTo("\u20ac");
    }

    @Test
    void aFormBesideAQueryIsReadAndCompared() {
        HttpResponse<String> first = form("item=a+b%26&q=%E2%82%AC");
        HttpResponse<String> retry = form("item=a+b%26&q=%E2%82%AC");
        HttpResponse<String> other = form("item=other&q=%E2%82%AC");

        assertThat(first.body()).isEqualTo(",a b& 1,\u00e4,\u20ac");
        assertThat(retry.body()).isEqualTo(first.body());
        assertProblem(other, 422, "mismatch");
    }

    @Test
    void aFormThatAFilterReadsIsReadAndCompared() {
        HttpResponse<String> first = put("item=one");
        HttpResponse<String> retry = put("item=one");
        HttpResponse<String> other = put("item=other");

        assertThat(first.body()).isEqualTo("one");
        assertThat(retry.body()).isEqualTo("one");
        assertProblem(other, 422, "mismatch");
    }

    private HttpResponse<String> put(String body) {
        return application
                .client()
                .post(
                        "/form",
                        body,
                        request -> request.header("X-Request-Key", key)
                                .header("Content-Type", MediaType.APPLICATION_FORM_URLENCODED_VALUE)
                                .PUT(HttpRequest.BodyPublishers.ofString(body)));
    }

    @Test
    void aHandlerOfEveryExceptionDoesntGetWhatTheLibraryRefuses() {
        assertProblem(post("/charset", "text/plain", "x".repeat(101)), 413, "request-too-large");
        assertProblem(post("/charset", "multipart/form-data; boundary=b", "--b--"), 415, "multipart");
    }

    @Test
    void aMissingKeyIsAskedForByItsHeadersName() {
        HttpResponse<String> response = application.client().post("/charset", "", request -> {});

        assertProblem(response, 400, "invalid-key");
        assertThat(response.body()).contains("X-Request-Key").doesNotContain("Idempotency-Key");
    }
}
