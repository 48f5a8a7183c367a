package io.idempotencykey.console;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Parameters;
import io.idempotencykey.Request;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.Principal;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Serves the operators' console: a page that shows which keys wait, since when and why, and lets those who may bring
 * them to an end.
 *
 * <pre>{@code
 * ConsoleServlet console = ConsoleServlet.builder(keys)
 *         .mayAct(request -> request.isUserInRole("operator"))
 *         .build();
 * }</pre>
 *
 * <p>Map it to a path of its own, such as {@code /operator/keys/*}, behind the application's authentication: whoever
 * has no user ({@link HttpServletRequest#getUserPrincipal()}) is refused everything. Unless told otherwise it only
 * reads, and shows no parameters, headers, bodies and messages of exceptions.
 *
 * <p>Everything about keys is in the bodies of requests and answers, so that no URL has it. Requests from other sites
 * are refused, by the browser's {@code Sec-Fetch-Site} or {@code Origin} and by a token that belongs to the browser and
 * the user; the token needs no session on the server, so that any instance takes it. Safe for many threads.
 */
public final class ConsoleServlet extends HttpServlet {
    private static final long serialVersionUID = 1L;

    /** No longer than what a request's parameters may have. */
    private static final int MAX_BODY = 2 * 1024 * 1024;

    private static final String JSON = "application/json";

    /** Nothing is loaded from elsewhere, no script stands in the page, and nobody frames it. */
    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
            + " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
            + " require-trusted-types-for 'script'; trusted-types 'none'";

    /** The page's files, by the path under the servlet's own. */
    private static final Map<String, PageFile> FILES = Map.of(
            "/", PageFile.of("index.html", "text/html"),
            "/console.css", PageFile.of("console.css", "text/css"),
            "/console.js", PageFile.of("console.js", "text/javascript"),
            "/icon.svg", PageFile.of("icon.svg", "image/svg+xml"));

    private static final Function<HttpServletRequest, @Nullable Principal> PRINCIPAL =
            ofApplication(HttpServletRequest::getUserPrincipal);

    private final transient Desk desk;
    private final transient Predicate<HttpServletRequest> mayAct;
    private final transient Predicate<HttpServletRequest> maySeeValues;
    private final transient Function<HttpServletRequest, Map<String, String>> sentAlong;

    private ConsoleServlet(Builder builder) {
        desk = new Desk(builder.keys, builder.history);
        mayAct = ofApplication(builder.mayAct::test)::apply;
        maySeeValues = ofApplication(builder.maySeeValues::test)::apply;
        sentAlong = ofApplication(builder.sentAlong);
    }

    /** What the application's own code throws is no fault of the request, and isn't shown to who sent it. */
    private static <V extends @Nullable Object> Function<HttpServletRequest, V> ofApplication(
            Function<HttpServletRequest, V> code) {
        return request -> {
            try {
                return code.apply(request);
            } catch (RuntimeException e) {
                throw new IllegalStateException("what the console was given by the application failed", e);
            }
        };
    }

    /** A file of the page. */
    private record PageFile(String type, String text) {
        static PageFile of(String name, String mediaType) {
            try (InputStream in = ConsoleServlet.class.getResourceAsStream("page/" + name)) {
                byte[] text = Objects.requireNonNull(in, name).readAllBytes();
                return new PageFile(mediaType + ";charset=utf-8", new String(text, StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /**
     * A console on a service's keys.
     *
     * @param keys the service; its listeners are told what operators do
     * @return a builder of a console that only reads
     */
    public static Builder builder(IdempotencyKeyService<?> keys) {
        return new Builder(required(keys, "keys"));
    }

    /** What a console may do and show; not safe for many threads. */
    public static final class Builder {
        private final IdempotencyKeyService<?> keys;
        private Predicate<HttpServletRequest> mayAct = request -> false;
        private Predicate<HttpServletRequest> maySeeValues = request -> false;
        private Function<HttpServletRequest, Map<String, String>> sentAlong = request -> Map.of();
        private @Nullable KeyHistory history;

        private Builder(IdempotencyKeyService<?> keys) {
            this.keys = keys;
        }

        /**
         * Lets some users retry, finish and discard; nobody does by default.
         *
         * @param rule says whether the request's user may; called for every request, on its thread
         * @return this builder
         */
        public Builder mayAct(Predicate<HttpServletRequest> rule) {
            mayAct = required(rule, "rule");
            return this;
        }

        /**
         * Shows some users the requests' parameters, the responses' headers and bodies, and the messages of exceptions;
         * nobody sees them by default.
         *
         * @param rule says whether the request's user may; called for every request, on its thread
         * @return this builder
         */
        public Builder maySeeValues(Predicate<HttpServletRequest> rule) {
            maySeeValues = required(rule, "rule");
            return this;
        }

        /**
         * Shows what happened to a key, as this instance saw it.
         *
         * @param events a listener of the service
         * @return this builder
         */
        public Builder history(KeyHistory events) {
            history = required(events, "events");
            return this;
        }

        /**
         * Lets the page send headers of the application's along, such as the token by which its framework knows
         * requests of its own pages.
         *
         * @param headers gives them by name, for the page's first request; the user can read them
         * @return this builder
         */
        public Builder sendsAlong(Function<HttpServletRequest, Map<String, String>> headers) {
            sentAlong = required(headers, "headers");
            return this;
        }

        /**
         * Makes the servlet.
         *
         * @return to be mapped to a path that ends with {@code /*}
         */
        public ConsoleServlet build() {
            return new ConsoleServlet(this);
        }
    }

    /** A request that is refused before anything is read or done. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final int status;
        private final String kind;

        Refused(int status, String kind, String message) {
            super(message);
            this.status = status;
            this.kind = kind;
        }
    }

    /**
     * Answers {@code GET} with the page, and {@code POST} with what the page asks for.
     *
     * @param request under the servlet's path
     * @param response gets the answer, be it a refusal
     * @throws IOException if the client is gone
     */
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setHeader("Cache-Control", "no-store");
        response.setHeader("Content-Security-Policy", POLICY);
        response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
        response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
        response.setHeader("Referrer-Policy", "no-referrer");
        response.setHeader("X-Content-Type-Options", "nosniff");
        response.setHeader("X-Frame-Options", "DENY");
        try {
            answer(request, response);
        } catch (Refused e) {
            problem(response, e.status, e.kind, e);
        } catch (IdempotencyException.ResponseTooLarge e) {
            // Here it is an operator who sent it.
            problem(response, HttpServletResponse.SC_BAD_REQUEST, e.kind(), e);
        } catch (IdempotencyException e) {
            problem(response, e.httpStatus(), e.kind(), e);
        } catch (IllegalArgumentException e) {
            problem(response, HttpServletResponse.SC_BAD_REQUEST, "invalid-request", e);
        } catch (RuntimeException e) {
            // A container's own page for it would come without the headers above.
            log("the console couldn't answer", e);
            problem(
                    response,
                    HttpServletResponse.SC_INTERNAL_SERVER_ERROR,
                    "internal-error",
                    new IllegalStateException("the console couldn't answer; the application's log says why"));
        }
    }

    private void answer(HttpServletRequest request, HttpServletResponse response) throws IOException {
        String user = user(request);
        String path = Objects.requireNonNullElse(request.getPathInfo(), "");
        switch (request.getMethod()) {
            case "GET", "HEAD" -> read(request, response, user, path);
            case "POST" -> json(response, HttpServletResponse.SC_OK, posted(request, user, path));
            default -> {
                response.setHeader("Allow", "GET, HEAD, POST");
                throw new Refused(405, "method-not-allowed", "the console knows GET, HEAD and POST");
            }
        }
    }

    private static String user(HttpServletRequest request) {
        Principal user = PRINCIPAL.apply(request);
        if (user == null || user.getName() == null || user.getName().isBlank()) {
            throw new Refused(
                    HttpServletResponse.SC_FORBIDDEN,
                    "no-user",
                    "nobody is signed in; the console is for users whom the application has authenticated, so put its"
                            + " path behind the application's authentication");
        }
        return user.getName();
    }

    private void read(HttpServletRequest request, HttpServletResponse response, String user, String path)
            throws IOException {
        if (path.isEmpty()) {
            // The page's own links are relative to it.
            String own = request.getServletPath();
            response.setHeader("Location", own.substring(own.lastIndexOf('/') + 1) + "/");
            response.setStatus(HttpServletResponse.SC_FOUND);
        } else if (path.equals("/api/session")) {
            json(response, HttpServletResponse.SC_OK, session(request, response, user));
        } else {
            PageFile file = FILES.get(path);
            if (file == null) {
                throw notFound(path);
            }
            send(response, HttpServletResponse.SC_OK, file.type(), file.text());
        }
    }

    private static Refused notFound(String path) {
        return new Refused(
                HttpServletResponse.SC_NOT_FOUND,
                "no-such-page",
                "the console has no page '" + Desk.quoted(path) + "'");
    }

    private Map<String, Object> session(HttpServletRequest request, HttpServletResponse response, String user) {
        Map<String, Object> session = new LinkedHashMap<>();
        session.put("user", user);
        session.put("mayAct", mayAct.test(request));
        session.put("showsValues", maySeeValues.test(request));
        session.put("hasHistory", desk.hasHistory());
        session.put("confirmedBy", Desk.TYPED);
        session.put("token", SameSite.token(request, response, user));
        session.put("headers", sentAlong.apply(request));
        return session;
    }

    private Map<String, Object> posted(HttpServletRequest request, String user, String path) throws IOException {
        if (request.getQueryString() != null) {
            throw new IllegalArgumentException("the URL has parameters; they belong in the body, since logs have URLs");
        }
        SameSite.check(request, user);
        Parameters asked = body(request);
        boolean withValues = maySeeValues.test(request);
        return switch (path) {
            case "/api/backlog" -> desk.backlog();
            case "/api/keys" -> desk.list(asked, withValues);
            case "/api/key" -> desk.show(asked, withValues);
            case "/api/retry", "/api/finish", "/api/discard" -> {
                if (!mayAct.test(request)) {
                    throw new Refused(
                            HttpServletResponse.SC_FORBIDDEN, "may-not-act", "'" + user + "' may look, but not act");
                }
                yield desk.act(path.substring("/api/".length()), asked, user, withValues);
            }
            default -> throw notFound(path);
        };
    }

    private static Parameters body(HttpServletRequest request) throws IOException {
        String type = Objects.requireNonNullElse(request.getContentType(), "");
        if (!type.equals(JSON) && !type.startsWith(JSON + ";")) {
            throw new Refused(415, "no-json", "the body's type is '" + Desk.quoted(type) + "'; it has to be " + JSON);
        }
        byte[] body;
        try {
            body = request.getInputStream().readNBytes(MAX_BODY + 1);
        } catch (IOException e) {
            throw new Refused(HttpServletResponse.SC_BAD_REQUEST, "invalid-request", "the body couldn't be read whole");
        }
        if (body.length > MAX_BODY) {
            throw new Refused(413, "too-long", "the body is longer than " + MAX_BODY + " bytes");
        }
        if (Request.jsonValue(new String(body, StandardCharsets.UTF_8)) instanceof Map<?, ?> members) {
            @SuppressWarnings("unchecked") // The names of what was read as JSON are strings.
            Map<String, ?> named = (Map<String, ?>) members;
            return message(named).typed();
        }
        throw new IllegalArgumentException("the body is no JSON object");
    }

    /** What core reads and writes as JSON: a request's parameters. */
    private static Request message(Map<String, ?> members) {
        return Request.of("POST", "/console", members);
    }

    private static void problem(HttpServletResponse response, int status, String kind, RuntimeException why)
            throws IOException {
        json(response, status, Map.of("error", kind, "message", String.valueOf(why.getMessage())));
    }

    private static void json(HttpServletResponse response, int status, Map<String, ?> members) throws IOException {
        send(response, status, JSON, message(members).parametersJson());
    }

    private static void send(HttpServletResponse response, int status, String type, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        response.setStatus(status);
        response.setContentType(type);
        response.setContentLength(body.length);
        response.getOutputStream().write(body);
    }

    static <V> V required(@Nullable V value, String argument) {
        return Objects.requireNonNull(value, "argument '" + argument + "' is null; it is required");
    }
}
