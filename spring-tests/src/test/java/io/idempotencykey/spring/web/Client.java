package io.idempotencykey.spring.web;

import io.idempotencykey.Request;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/** A client of an application on this machine. */
record Client(int port) {
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** Sends a JSON body with a key. */
    HttpResponse<String> post(String path, String key, String json) {
        return post(
                path,
                json,
                request -> request.header("Idempotency-Key", key).header("Content-Type", "application/json"));
    }

    HttpResponse<String> post(String path, String body, Consumer<HttpRequest.Builder> headers) {
        HttpRequest.Builder request = request(path).POST(HttpRequest.BodyPublishers.ofString(body));
        headers.accept(request);
        return sent(request);
    }

    HttpResponse<String> get(String path) {
        return get(path, request -> {});
    }

    HttpResponse<String> get(String path, Consumer<HttpRequest.Builder> headers) {
        HttpRequest.Builder request = request(path);
        headers.accept(request);
        return sent(request);
    }

    /** The members of a JSON object. */
    static Map<?, ?> json(HttpResponse<String> response) {
        return json(response.body());
    }

    static Map<?, ?> json(String text) {
        return (Map<?, ?>) Objects.requireNonNull(Request.jsonValue(text));
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .timeout(Duration.ofMinutes(2));
    }

    private static HttpResponse<String> sent(HttpRequest.Builder request) {
        try {
            return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
