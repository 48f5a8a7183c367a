package io.idempotencykey.checkout.program;

import io.idempotencykey.checkout.http.Json;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A shop on a free port, with a client. */
final class RunningShop implements AutoCloseable {
    static final String ONE_MUG = "{\"email\":\"ada@example.org\",\"items\":[{\"sku\":\"mug\",\"quantity\":1}]}";

    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Application application;

    RunningShop(StageHook hook, String... options) throws IOException {
        List<String> all = new ArrayList<>(List.of("--port", "0"));
        all.addAll(List.of(options));
        application = new Application(Options.parse(all, Application.OPTIONS), hook);
    }

    /** Starts a shop on an empty store of the kind. */
    static RunningShop on(String store, StageHook hook) throws IOException {
        return new RunningShop(
                hook, store.equals("mongo") ? MongoDatabases.newDatabase() : new String[] {"--store", store});
    }

    /** Completes abandoned requests in the background, as the program does. */
    void runInBackground() {
        application.runInBackground();
    }

    URI url() {
        return application.url();
    }

    HttpResponse<String> complete(String cart, String key, String body) {
        return send(cart, key, body).join();
    }

    CompletableFuture<HttpResponse<String>> send(String cart, String key, String body) {
        return send(post(cart, body).header("Idempotency-Key", key));
    }

    /** Sends a request; if no answer comes in time, that is a failure. */
    CompletableFuture<HttpResponse<String>> send(HttpRequest.Builder request) {
        return client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString())
                .orTimeout(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
    }

    HttpRequest.Builder post(String cart, String body) {
        return postTo("/carts/" + cart + "/complete", body);
    }

    private HttpRequest.Builder postTo(String path, String body) {
        return HttpRequest.newBuilder(url().resolve(path)).POST(HttpRequest.BodyPublishers.ofString(body));
    }

    HttpResponse<String> review(String sku, String key, String body) {
        return sendReview(sku, key, body).join();
    }

    CompletableFuture<HttpResponse<String>> sendReview(String sku, String key, String body) {
        return send(postTo("/articles/" + sku + "/reviews", body).header("Idempotency-Key", key));
    }

    HttpResponse<String> get(String path) {
        return send(HttpRequest.newBuilder(url().resolve(path))).join();
    }

    /** Counts the cart's orders or payments in the list at the path. */
    long count(String path, String cart) {
        return count(path, "cart", cart);
    }

    /** Counts the reviews with the text. */
    long countReviews(String text) {
        return count("/reviews", "text", text);
    }

    private long count(String path, String member, String value) {
        try {
            Object list = Json.read(get(path).body().getBytes(StandardCharsets.UTF_8));
            return ((List<?>) Objects.requireNonNull(list))
                    .stream()
                            .filter(element -> value.equals(((Map<?, ?>) element).get(member)))
                            .count();
        } catch (Json.Malformed e) {
            throw new AssertionError(e);
        }
    }

    /** Sends bytes as they are, and returns all that comes back. */
    String raw(byte[] request) throws IOException {
        try (Socket socket = new Socket(url().getHost(), url().getPort())) {
            socket.setSoTimeout(Math.toIntExact(Patience.LONGEST.toMillis()));
            socket.getOutputStream().write(request);
            socket.shutdownOutput();
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Override
    public void close() {
        application.close();
    }
}
