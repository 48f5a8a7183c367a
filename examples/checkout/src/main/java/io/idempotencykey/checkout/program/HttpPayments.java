package io.idempotencykey.checkout.program;

import io.idempotencykey.checkout.Payments;
import io.idempotencykey.checkout.http.Json;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** Calls the payment provider over HTTP. */
final class HttpPayments implements Payments {
    /** Maximum time for a charge, which is less than the lease of the stage that waits for it. */
    static final Duration PATIENCE = Duration.ofSeconds(5);

    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(2))
            .build();
    private final URI charges;
    private final Duration patience;

    HttpPayments(URI provider, Duration patience) {
        this.patience = patience;
        this.charges = URI.create(provider.toString().replaceAll("/+$", "") + "/charges");
    }

    @Override
    public Optional<String> charge(String idempotencyKey, String cart, long amount) {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("cart", cart);
        body.put("amount", amount);
        HttpResponse<byte[]> response = send(HttpRequest.newBuilder(charges)
                .header("Idempotency-Key", '"' + idempotencyKey + '"')
                .header("Content-Type", Json.CONTENT_TYPE)
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(body))));
        if (response.statusCode() == 402) {
            return Optional.empty();
        }
        if ((response.statusCode() == 200 || response.statusCode() == 201)
                && read(response) instanceof Map<?, ?> charge
                && charge.get("id") instanceof String id
                && id.matches("[!-~]{1,255}")) {
            return Optional.of(id);
        }
        throw notUnderstood(response);
    }

    /** All charges, each with at least {@code id}, {@code cart} and {@code amount}. */
    List<Map<String, @Nullable Object>> charges() {
        HttpResponse<byte[]> response = send(HttpRequest.newBuilder(charges).GET());
        if (response.statusCode() != 200 || !(read(response) instanceof List<?> list)) {
            throw notUnderstood(response);
        }
        List<Map<String, @Nullable Object>> all = new ArrayList<>();
        for (Object charge : list) {
            if (!(charge instanceof Map<?, ?> members) || !members.containsKey("cart")) {
                throw notUnderstood(response);
            }
            all.add(Json.members(members));
        }
        return all;
    }

    private HttpResponse<byte[]> send(HttpRequest.Builder request) {
        // The wait for the whole response is bounded here, since the client's own time-out covers only the headers.
        CompletableFuture<HttpResponse<byte[]>> response =
                client.sendAsync(request.timeout(patience).build(), HttpResponse.BodyHandlers.ofByteArray());
        try {
            return response.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new Unavailable("the payment provider can't be reached", e.getCause());
        } catch (TimeoutException e) {
            response.cancel(true);
            throw new Unavailable("the payment provider doesn't answer", e);
        } catch (InterruptedException e) {
            response.cancel(true);
            Thread.currentThread().interrupt();
            throw new Unavailable("interrupted while waiting for the payment provider", e);
        }
    }

    private static @Nullable Object read(HttpResponse<byte[]> response) {
        try {
            return Json.read(response.body());
        } catch (Json.Malformed e) {
            throw new Unavailable("the payment provider's answer isn't JSON", new IOException(e));
        }
    }

    private static Unavailable notUnderstood(HttpResponse<byte[]> response) {
        return new Unavailable(
                "the payment provider's answer with status " + response.statusCode() + " isn't understood", null);
    }
}
