package io.idempotencykey.checkout;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.checkout.http.Json;
import io.idempotencykey.checkout.http.Problem;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.StageOutcome;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Completes a cart in three stages, each of which is committed once: the operation that this example is about.
 *
 * <p>A stage reads what it needs from the stored request and from the shop's data, never from a field, so that any
 * process can go on where another one stopped. A {@link Problem.Refusal} is a final answer, which is stored and
 * replayed, since the client can't mend it by sending the same request again. Any other exception rolls the stage back,
 * and the next attempt runs it again.
 *
 * @param <T> the store's transaction handle
 */
public class Checkout<T> {
    /** The cart is reserved, and its payment is due. */
    public static final RecoveryPoint TAX_LINES_CREATED = RecoveryPoint.named("tax_lines_created");

    /** The payment is recorded, and the order is due. */
    public static final RecoveryPoint PAYMENT_AUTHORIZED = RecoveryPoint.named("payment_authorized");

    /** The recovery points at which a stage begins. */
    public static final List<RecoveryPoint> STAGES =
            List.of(RecoveryPoint.STARTED, TAX_LINES_CREATED, PAYMENT_AUTHORIZED);

    private final ShopData<T> shop;
    private final Payments payments;

    public Checkout(ShopData<T> shop, Payments payments) {
        this.shop = shop;
        this.payments = payments;
    }

    /** Declares the operation; {@code attempts} failed attempts of one stage quarantine a request. */
    public Operation<T> operation(IdempotencyKeyService<T> keys, int attempts) {
        return keys.operation("complete-cart")
                .maxAttempts(attempts)
                .stage(RecoveryPoint.STARTED, this::reserveCart)
                .branch(TAX_LINES_CREATED, this::charge, this::recordPayment)
                .respond(PAYMENT_AUTHORIZED, this::placeOrder)
                .answering(Problem.Refusal.class, refusal -> refusal.problem().response())
                .build();
    }

    /** Reserves the cart, so that two keys for one cart are never both charged. */
    protected void reserveCart(StageContext<T> stage) {
        List<TaxLine> taxLines = new ArrayList<>();
        for (CompleteCart.Item item : CompleteCart.of(stage.request()).items()) {
            if (!Catalogue.has(item.sku())) {
                throw refusal(422, "unknown-sku", "Unknown SKU", Catalogue.unknown(item.sku()));
            }
            if (!item.hasLegalQuantity()) {
                throw refusal(
                        422, "illegal-quantity", "Illegal quantity", "A quantity is a whole number of 1 to 1000.");
            }
            taxLines.add(Catalogue.taxLine(item.sku(), item.quantity().intValueExact()));
        }
        CartId cart = cart(stage.key());
        if (shop.find(stage.transaction(), cart).isPresent()) {
            String detail = "The cart is reserved or completed by a request with another key.";
            throw refusal(409, "cart-taken", "Cart taken", detail);
        }
        shop.save(stage.transaction(), new Reservation(cart, holder(stage.key()), taxLines, Optional.empty()));
    }

    /**
     * Charges the customer outside any transaction. Each attempt sends the same derived key, so that the provider
     * charges once. Empty if the provider declines.
     */
    private Optional<String> charge(IdempotencyKey key) {
        // A worker that slept past its lease may find the cart free or another key's, and must charge nobody then.
        Reservation reservation = held(shop.find(cart(key)), key);
        return payments.charge(key.derivedKey("charge"), reservation.cart().name(), reservation.total());
    }

    /** Records the payment, or frees the cart if the payment was declined. */
    protected StageOutcome recordPayment(StageContext<T> stage, Optional<String> payment) {
        Reservation reservation = reservation(stage);
        if (payment.isEmpty()) {
            // The customer may try again with another key: a smaller order, another card. The answer is returned here,
            // not thrown, since the cart's release is to be committed along with it.
            shop.release(stage.transaction(), reservation.cart());
            String detail = "The payment provider declined a charge of " + reservation.total() + ".";
            return StageOutcome.respond(new Problem(402, "payment-declined", "Payment declined", detail).response());
        }
        shop.save(stage.transaction(), reservation.paidWith(payment.get()));
        return StageOutcome.advanceTo(PAYMENT_AUTHORIZED);
    }

    /** Places the order and answers the request. */
    protected Response placeOrder(StageContext<T> stage) {
        Reservation reservation = reservation(stage);
        Order order = new Order(
                stage.key().derivedKey("order"),
                reservation.cart(),
                CompleteCart.of(stage.request()).email(),
                reservation.total(),
                reservation.payment().orElseThrow());
        shop.add(stage.transaction(), order);
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("order", order.id());
        body.put("cart", order.cart().name());
        body.put("total", order.total());
        body.put("payment", order.payment());
        return Response.of(201, Json.CONTENT_TYPE, Json.write(body));
    }

    private Reservation reservation(StageContext<T> stage) {
        return held(shop.find(stage.transaction(), cart(stage.key())), stage.key());
    }

    /** From its second stage on, a request has the cart; if it hasn't, another worker has ended the request. */
    private static Reservation held(Optional<Reservation> found, IdempotencyKey key) {
        return found.filter(reservation -> reservation.heldBy().equals(holder(key)))
                .orElseThrow(() -> new IdempotencyException.StaleKey(key.id(), null));
    }

    private static CartId cart(IdempotencyKey key) {
        return new CartId(key.id().scope(), CompleteCart.cart(key.request()));
    }

    /** The key's creation, not its value: a key that expired and was created anew holds nothing of its predecessor. */
    private static String holder(IdempotencyKey key) {
        return key.creationId().toString();
    }

    private static Problem.Refusal refusal(int status, String type, String title, String detail) {
        return new Problem(status, type, title, detail).refusal();
    }
}
