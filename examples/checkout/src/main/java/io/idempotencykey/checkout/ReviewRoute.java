package io.idempotencykey.checkout;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.WebServer.Exchange;
import io.idempotencykey.checkout.http.WebServer.Route;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.io.IOException;

/**
 * {@code POST /articles/{sku}/reviews}.
 *
 * @param <T> the store's transaction handle
 */
public final class ReviewRoute<T> {
    private final IdempotencyKeyService<T> keys;
    private final Operation<T> addReview;

    public ReviewRoute(IdempotencyKeyService<T> keys, Operation<T> addReview) {
        this.keys = keys;
        this.addReview = addReview;
    }

    public Route route() {
        return new Route("POST", "/articles/{sku}/reviews", this::add);
    }

    private Response add(Exchange exchange, String sku) throws IOException {
        return Idempotent.run(keys, addReview, exchange, body -> AddReview.request(sku, body));
    }
}
