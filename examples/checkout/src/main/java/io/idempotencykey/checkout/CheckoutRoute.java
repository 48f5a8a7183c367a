package io.idempotencykey.checkout;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;
import java.time.Duration;

/**
 * {@code POST /carts/{cart}/complete}.
 *
 * @param <T> the store's transaction handle
 */
public final class CheckoutRoute<T> {
    /** The header that names a shop. */
    public static final String SHOP = "X-Shop";

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
        try {
            return Idempotent.run(keys, completeCart, exchange, body -> CompleteCart.request(cart, body));
        } catch (Payments.Unavailable e) {
            return unavailable(e);
        }
    }

    /** Nothing is stored: the key has been released, and the client's next attempt goes on where this one stopped. */
    public static Response unavailable(Payments.Unavailable e) {
        Problem problem = new Problem(
                503, "payments-unavailable", "Payments unavailable", e.getMessage() + "; send the request again later");
        return Problem.retryAfter(problem.response(), Duration.ofSeconds(1));
    }
}
