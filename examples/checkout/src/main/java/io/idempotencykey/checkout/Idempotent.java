package io.idempotencykey.checkout;

import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Makes the key and the request that the library needs from HTTP, and an HTTP response from what the library returns.
 * The {@link io.idempotencykey.checkout.http.WebServer} turns the library's exceptions into responses.
 */
final class Idempotent {
    private static final String KEY = "Idempotency-Key";

    private Idempotent() {}

    /** Runs an operation for an HTTP request, whose body {@code read} makes a request from. */
    static <T> Response run(
            IdempotencyKeyService<T> keys,
            Operation<T> operation,
            Exchange exchange,
            Function<@Nullable Object, Request> read)
            throws IOException {
        byte[] body = exchange.body();
        String header = exchange.header(KEY).orElse(null);
        // Each shop has its own keys, carts and reviews.
        KeyId id = KeyId.fromHeader(exchange.header(CheckoutRoute.SHOP).orElse(""), header);
        Execution execution = keys.run(operation, id, read.apply(json(body)));
        Response response = execution.response().withHeader(KEY, String.valueOf(header));
        return execution.replayed() ? response.withHeader("Idempotency-Replayed", "true") : response;
    }

    private static @Nullable Object json(byte[] body) {
        try {
            return Json.read(body);
        } catch (Json.Malformed e) {
            throw new Problem(400, "malformed-json", "Malformed JSON", String.valueOf(e.getMessage())).refusal();
        }
    }
}
