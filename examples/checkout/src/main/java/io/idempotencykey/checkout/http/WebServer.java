package io.idempotencykey.checkout.http;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Response;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;
import org.eclipse.jetty.http.HttpException;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An HTTP server on the loopback interface. It has routes, bounds the length of bodies, and answers every error with a
 * {@link Problem}, also the errors that Jetty finds. Routes answer with the library's {@link Response}.
 */
public final class WebServer implements AutoCloseable {
    /** Maximum length of a request's body in bytes. */
    static final int MAX_BODY = 1024 * 1024;

    /** Maximum length of a body that is read to its end and dropped, so that its sender can read the answer. */
    private static final int MAX_DROPPED = 16 * MAX_BODY;

    private static final int MAX_THREADS = 200;
    private static final long STOP_MILLISECONDS = 60_000;
    private static final long IDLE_AT_STOP_MILLISECONDS = 100;
    private static final Logger LOG = LoggerFactory.getLogger(WebServer.class);

    private final Server server;
    private final ServerConnector connector;
    private final List<Route> routes;

    /** One method of one path. One segment of the path may be variable: {@code {…}}. */
    public record Route(String method, String path, Action action) {
        /** The variable segment, or an empty string if there is none; nothing if the path doesn't match. */
        private Optional<String> match(String requested) {
            String[] expected = path.split("/", -1);
            String[] actual = requested.split("/", -1);
            boolean same = expected.length == actual.length;
            String variable = "";
            for (int i = 0; same && i < expected.length; i++) {
                if (expected[i].startsWith("{")) {
                    variable = actual[i];
                } else {
                    same = expected[i].equals(actual[i]);
                }
            }
            return same ? Optional.of(variable) : Optional.empty();
        }

        private boolean allows(String requested) {
            return method.equals(requested) || (method.equals("GET") && requested.equals("HEAD"));
        }
    }

    /** Answers a request; {@code segment} is the path's variable segment, decoded. */
    @FunctionalInterface
    public interface Action {
        Response answer(Exchange exchange, String segment) throws IOException;
    }

    /** The parts of a request that an action may read. */
    public static final class Exchange {
        private final Request request;

        private Exchange(Request request) {
            this.request = request;
        }

        /** Reads a header; a request that has it twice is refused. */
        public Optional<String> header(String name) {
            List<String> values = request.getHeaders().getValuesList(name);
            if (values.size() > 1) {
                throw refused(400, "The header " + name + " was sent more than once.");
            }
            return values.stream().findFirst();
        }

        public byte[] body() throws IOException {
            if (request.getHeaders().contains(HttpHeader.EXPECT) && request.getLength() > MAX_BODY) {
                throw tooLarge();
            }
            try (InputStream in = Content.Source.asInputStream(request)) {
                byte[] body = in.readNBytes(MAX_BODY);
                if (in.read() < 0) {
                    return body;
                }
                long dropped = 0;
                for (int n = 0; n >= 0 && dropped < MAX_DROPPED; n = in.read(body)) {
                    dropped += n;
                }
                throw tooLarge();
            }
        }
    }

    private static Problem.Refusal tooLarge() {
        return refused(413, "A body has at most " + MAX_BODY + " bytes.");
    }

    /** Starts a server; with port 0, on a free port. */
    public WebServer(int port, List<Route> routes) throws IOException {
        this.routes = List.copyOf(routes);
        QueuedThreadPool threads = new QueuedThreadPool(MAX_THREADS);
        threads.setName("http");
        server = new Server(threads);
        HttpConfiguration http = new HttpConfiguration();
        http.setSendServerVersion(false);
        // Nothing needs to be refused as ambiguous, since routes match the path as it was sent.
        http.setUriCompliance(UriCompliance.UNSAFE);
        connector = new ServerConnector(server, new HttpConnectionFactory(http));
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        connector.setAcceptQueueSize(1024);
        connector.setShutdownIdleTimeout(IDLE_AT_STOP_MILLISECONDS);
        server.addConnector(connector);
        server.setHandler(new GracefulHandler(new Handler.Abstract() {
            @Override
            public boolean handle(Request request, org.eclipse.jetty.server.Response response, Callback callback) {
                Response answer = answer(request);
                // A stop closes connections that are idle for a moment, and on a busy machine a write takes longer.
                EndPoint client =
                        request.getConnectionMetaData().getConnection().getEndPoint();
                client.setIdleTimeout(STOP_MILLISECONDS);
                send(answer, response, Callback.from(callback, () -> client.setIdleTimeout(idleTimeout())));
                return true;
            }
        }));
        server.setErrorHandler(WebServer::error);
        server.setStopTimeout(STOP_MILLISECONDS);
        try {
            server.start();
        } catch (Exception e) {
            close();
            throw e instanceof IOException known ? known : new IOException("the server can't be started: " + e, e);
        }
    }

    private long idleTimeout() {
        return connector.isShutdown() ? IDLE_AT_STOP_MILLISECONDS : connector.getIdleTimeout();
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + connector.getLocalPort());
    }

    /** Waits until the server is stopped. */
    public void join() throws InterruptedException {
        server.join();
    }

    /** Refuses new requests, and waits at most a minute for those that run. */
    @Override
    public void close() {
        try {
            server.stop();
        } catch (Exception e) {
            LOG.warn("the server was not stopped cleanly", e);
        }
    }

    private Response answer(Request request) {
        try {
            return route(request);
        } catch (Problem.Refusal e) {
            return e.problem().response();
        } catch (IdempotencyException e) {
            return Problem.of(e);
        } catch (Exception e) {
            if (e instanceof HttpException known) {
                return problem(known.getCode(), "The request can't be understood.")
                        .response();
            }
            if (e instanceof IOException && !server.isRunning()) {
                // An idle connection is ended soon then, also in the middle of a body.
                Response stopping = problem(
                                503, "The server is being stopped. Send the request again with the same key.")
                        .response();
                return Problem.retryAfter(stopping, Duration.ofSeconds(1));
            }
            if (e instanceof IOException) {
                return problem(400, "The request ended before its body did.").response();
            }
            LOG.error("a request failed", e);
            return problem(
                            500,
                            "The server failed. Send the request again with the same key to learn what became of it.")
                    .response();
        }
    }

    private Response route(Request request) throws IOException {
        String path = request.getHttpURI().getPath();
        TreeSet<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            Optional<String> segment = path == null ? Optional.empty() : route.match(path);
            if (segment.isPresent()) {
                if (route.allows(request.getMethod())) {
                    return route.action().answer(new Exchange(request), decoded(segment.get()));
                }
                allowed.add(route.method());
            }
        }
        if (allowed.isEmpty()) {
            throw refused(404, "There is no such resource.");
        }
        if (allowed.contains("GET")) {
            allowed.add("HEAD");
        }
        return problem(405, "The resource has other methods.")
                .response()
                .withHeader("Allow", String.join(", ", allowed));
    }

    private static String decoded(String segment) {
        try {
            return URLDecoder.decode(segment.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw refused(400, "The path has a percent sign that isn't followed by two hexadecimal digits.");
        }
    }

    /** Answers what Jetty refuses by itself, such as malformed requests and headers that are too long. */
    private static boolean error(Request request, org.eclipse.jetty.server.Response response, Callback callback) {
        Object status = request.getAttribute(ErrorHandler.ERROR_STATUS);
        int code = status instanceof Integer known && HttpStatus.isClientError(known) ? known : response.getStatus();
        send(problem(code < 400 ? 500 : code, "The request was refused.").response(), response, callback);
        return true;
    }

    private static void send(Response answer, org.eclipse.jetty.server.Response response, Callback callback) {
        response.setStatus(answer.status());
        answer.headers().forEach((name, values) -> response.getHeaders().put(name, values));
        response.write(true, ByteBuffer.wrap(answer.body()), callback);
    }

    private static Problem problem(int status, String detail) {
        String title = HttpStatus.getMessage(status);
        return new Problem(status, title.toLowerCase(Locale.ROOT).replaceAll("[^a-z]+", "-"), title, detail);
    }

    private static Problem.Refusal refused(int status, String detail) {
        return problem(status, detail).refusal();
    }
}
