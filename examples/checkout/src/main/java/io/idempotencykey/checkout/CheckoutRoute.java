package io.idempotencykey.checkout;

import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * {@code POST /carts/{cart}/complete}: makes the key and the request that the library needs from HTTP, and an HTTP
 * response from what the library returns. The {@link io.idempotencykey.checkout.http.WebServer} turns the library's
 * exceptions into responses.
 *
 * @param <T> the store's transaction handle
 */
public final class CheckoutRoute<T> {
    /** The header that names a shop. */
    public static final String SHOP = "X-Shop";

    private static final String KEY = "Idempotency-Key";

    private final IdempotencyKeyService<T> keys;
    private final Operation<T> completeCart;

    public CheckoutRoute(IdempotencyKeyService<T> keys, Operation<T> completeCart) {
        this.keys = keys;
        this.completeCart = completeCart;
    }

    public Route route() {
        return new Route("POST", "/carts/{cart}/complete", this::complete);
    }

    private Response complete(Exchange exchange, String cart) throws IOException {
        byte[] body = exchange.body();
        String header = exchange.header(KEY).orElse(null);
        // Each shop has its own keys and carts.
        KeyId id = KeyId.fromHeader(exchange.header(SHOP).orElse(""), header);
        Request request = CompleteCart.request(cart, read(body));
        Execution execution;
        try {
            execution = keys.run(completeCart, id, request);
        } catch (Payments.Unavailable e) {
            return unavailable(e);
        }
        Response response = execution.response().withHeader(KEY, String.valueOf(header));
        return execution.replayed() ? response.withHeader("Idempotency-Replayed", "true") : response;
    }

    /** Nothing is stored: the key has been released, and the client's next attempt goes on where this one stopped. */
    public static Response unavailable(Payments.Unavailable e) {
        Problem problem = new Problem(
                503, "payments-unavailable", "Payments unavailable", e.getMessage() + "; send the request again later");
        return Problem.retryAfter(problem.response(), Duration.ofSeconds(1));
    }

    private static @Nullable Object read(byte[] body) {
        try {
            return Json.read(body);
        } catch (Json.Malformed e) {
            throw new Problem(400, "malformed-json", "Malformed JSON", String.valueOf(e.getMessage())).refusal();
        }
    }
}
