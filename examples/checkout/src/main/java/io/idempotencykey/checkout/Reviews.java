package io.idempotencykey.checkout;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageContext;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * Adds a review: a request of one stage, which is one transaction. It takes the key first, and stores it last, together
 * with the review and the answer.
 *
 * <p>Nothing of the request is seen before that. If it fails, or its process dies, neither a review nor a key is left,
 * and the client's next attempt begins anew. A {@link Problem.Refusal} is a final answer, which is stored and replayed.
 *
 * @param <T> the store's transaction handle
 */
public class Reviews<T> {
    /** The operation's name. */
    public static final String OPERATION = "add-review";

    private final ShopData<T> shop;

    public Reviews(ShopData<T> shop) {
        this.shop = shop;
    }

    /** Declares the operation. */
    public Operation<T> operation(IdempotencyKeyService<T> keys) {
        return keys.operation(OPERATION)
                .respond(RecoveryPoint.STARTED, this::add)
                .answering(Problem.Refusal.class, refusal -> refusal.problem().response())
                .build();
    }

    /** Adds the review and answers the request. */
    protected Response add(StageContext<T> stage) {
        Request request = stage.request();
        String sku = AddReview.sku(request);
        if (!Catalogue.has(sku)) {
            throw new Problem(404, "unknown-sku", "Unknown SKU", Catalogue.unknown(sku)).refusal();
        }
        AddReview asked = AddReview.of(request);
        // An attempt that isn't committed leaves nothing, so each may choose an id of its own.
        String id = UUID.randomUUID().toString();
        Review review = new Review(id, stage.key().id().scope(), sku, asked.stars(), asked.text());
        shop.add(stage.transaction(), review);
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("review", review.id());
        body.put("sku", review.sku());
        body.put("stars", review.stars());
        body.put("text", review.text());
        return Response.of(201, Json.CONTENT_TYPE, Json.write(body));
    }
}
