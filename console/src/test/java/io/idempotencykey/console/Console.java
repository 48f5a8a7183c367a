package io.idempotencykey.console;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.net.URI;
import java.security.Principal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.jspecify.annotations.Nullable;

/** The console on a free port, over keys in memory, for whoever the test says is signed in. */
final class Console implements AutoCloseable {
    static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");
    static final Request CHARGE = Request.of("POST", "/charges", Map.of("card", "secret-4711"));

    final InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(ArrayList::new);
    final KeyHistory history = new KeyHistory(1_000);
    final IdempotencyKeyService<List<String>> keys =
            IdempotencyKeyService.builder(store).listener(history).build();
    final List<String> requestedUrls = new CopyOnWriteArrayList<>();
    private final Server server = new Server();
    private final ServerConnector connector = new ServerConnector(server);
    private volatile @Nullable String user = "ada";
    private volatile int statusInTheWay;
    private volatile CountDownLatch answersGo = new CountDownLatch(0);
    private volatile boolean areRolesUnknown;
    private volatile Set<String> roles = Set.of("operator", "auditor");

    private Console() {}

    static Console start() {
        Console console = new Console();
        console.connector.setHost("127.0.0.1");
        console.server.addConnector(console.connector);
        ServletContextHandler context = new ServletContextHandler("/shop");
        context.addFilter(new FilterHolder(console.authentication()), "/*", EnumSet.of(DispatcherType.REQUEST));
        context.addServlet(new ServletHolder(console.servlet()), "/operator/keys/*");
        console.server.setHandler(context);
        try {
            console.server.start();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        return console;
    }

    private ConsoleServlet servlet() {
        ConsoleServlet.Builder console = ConsoleServlet.builder(keys)
                .mayAct(request -> request.isUserInRole("operator"))
                .maySeeValues(request -> request.isUserInRole("auditor"))
                .history(history);
        return console.sendsAlong(request -> Map.of("X-Framework", "token-of-" + request.getRemoteUser()))
                .build();
    }

    private Filter authentication() {
        return (request, response, chain) -> {
            HttpServletRequest asked = (HttpServletRequest) request;
            if (statusInTheWay > 0 && asked.getMethod().equals("POST")) {
                HttpServletResponse answer = (HttpServletResponse) response;
                answer.setStatus(statusInTheWay);
                answer.setContentType("application/json");
                answer.getWriter().write("{\"status\":" + statusInTheWay + ",\"error\":\"by a gateway\"}");
                return;
            }
            awaitGo(asked.getMethod());
            requestedUrls.add(
                    asked.getRequestURL() + (asked.getQueryString() == null ? "" : "?" + asked.getQueryString()));
            chain.doFilter(
                    new HttpServletRequestWrapper(asked) {
                        @Override
                        public @Nullable Principal getUserPrincipal() {
                            String name = user;
                            return name == null ? null : () -> name;
                        }

                        @Override
                        public @Nullable String getRemoteUser() {
                            return user;
                        }

                        @Override
                        public boolean isUserInRole(String role) {
                            if (areRolesUnknown) {
                                throw new IllegalArgumentException("the directory of secret-4711 is down");
                            }
                            return roles.contains(role);
                        }
                    },
                    response);
        };
    }

    private void awaitGo(String method) {
        try {
            if (method.equals("POST") && !answersGo.await(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("the test lets no answer go");
            }
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Holds back the answers to what the page asks, until they are let go. */
    void holdAnswers() {
        answersGo = new CountDownLatch(1);
    }

    void letAnswersGo() {
        answersGo.countDown();
    }

    void signIn(@Nullable String name, String... itsRoles) {
        user = name;
        areRolesUnknown = false;
        roles = Set.of(itsRoles);
    }

    /** The application's rules fail from now on. */
    void loseRoles() {
        areRolesUnknown = true;
    }

    /** A framework or a gateway answers what the page asks, until the status is 0. */
    void standInTheWay(int status) {
        statusInTheWay = status;
    }

    URI url() {
        return URI.create("http://127.0.0.1:" + connector.getLocalPort() + "/shop/operator/keys/");
    }

    /** A key whose second stage has failed once too often. */
    KeyId quarantined(String scope, String value) {
        return quarantined(scope, value, "the provider says no");
    }

    KeyId quarantined(String scope, String value, String message) {
        KeyId id = new KeyId(scope, value);
        Operation<List<String>> failing = keys.operation("charge")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> {
                    throw new IllegalStateException(message);
                })
                .maxAttempts(1)
                .build();
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> keys.run(failing, id, CHARGE));
        return id;
    }

    /** A key whose second stage has failed, and which the completer takes again after half a day or more. */
    KeyId resting(String scope, String value) {
        KeyId id = new KeyId(scope, value);
        Operation<List<String>> failing = keys.operation("charge")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> {
                    throw new IllegalStateException("the provider says no");
                })
                .backoff(Duration.ofDays(1), Duration.ofDays(1))
                .build();
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> keys.run(failing, id, CHARGE));
        return id;
    }

    KeyId open(String scope, String value) {
        return keys.create(scope, value, CHARGE).id();
    }

    KeyId finished(String scope, String value) {
        KeyId id = new KeyId(scope, value);
        keys.once(
                "charge",
                id,
                CHARGE,
                stage -> Response.of(201, "application/json", "{\"receipt\": 4712}")
                        .withHeader("X-Receipt", "4713"));
        return id;
    }

    IdempotencyKey now(KeyId id) {
        return keys.retrieve(id);
    }

    @Override
    public void close() {
        try {
            server.stop();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
