package io.idempotencykey.checkout;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.WorkStage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Completes a cart in three stages, of which each commits once: the operation that this example is about.
 *
 * <p>A stage reads what it needs from the stored request and from the shop's data, never from a field: so any process
 * can take over where another one stopped. What the client can't mend by sending the same request again is a response,
 * which is stored and replayed; what may be gone at the next attempt is an exception.
 */
final class Checkout<T> {
    static final RecoveryPoint TAX_LINES_CREATED = RecoveryPoint.named("tax_lines_created");
    static final RecoveryPoint PAYMENT_AUTHORIZED = RecoveryPoint.named("payment_authorized");

    /** Where a stage of the operation begins. */
    static final List<RecoveryPoint> STAGES = List.of(RecoveryPoint.STARTED, TAX_LINES_CREATED, PAYMENT_AUTHORIZED);

    private final ShopData<T> shop;
    private final Payments payments;
    private final StageHook hook;

    Checkout(ShopData<T> shop, Payments payments, StageHook hook) {
        this.shop = shop;
        this.payments = payments;
        this.hook = hook;
    }

    Operation<T> operation(IdempotencyKeyService<T> keys, int attempts) {
        return keys.operation("complete-cart")
                .maxAttempts(attempts)
                .branch(RecoveryPoint.STARTED, hooked(this::reserveCartAndCreateTaxLines))
                .branch(TAX_LINES_CREATED, this::charge, hooked(this::recordPayment))
                .branch(PAYMENT_AUTHORIZED, hooked(this::placeOrder))
                .build();
    }

    /** The reservation is what keeps two keys for one cart from both being charged. */
    private StageOutcome reserveCartAndCreateTaxLines(StageContext<T> stage) {
        CompleteCart request = CompleteCart.of(stage.request());
        List<TaxLine> taxLines = new ArrayList<>();
        for (CompleteCart.Item item : request.items()) {
            if (!Catalogue.has(item.sku())) {
                return refuse(422, "unknown-sku", "Unknown SKU", Catalogue.unknown(item.sku()));
            }
            if (!item.hasLegalQuantity()) {
                return refuse(
                        422, "illegal-quantity", "Illegal quantity", "A quantity is a whole number of 1 to 1000.");
            }
            taxLines.add(Catalogue.taxLine(item.sku(), item.quantity().intValueExact()));
        }
        CartId cart = cart(stage.key());
        if (shop.find(stage.transaction(), cart).isPresent()) {
            return refuse(
                    409,
                    "cart-taken",
                    "Cart taken",
                    "The cart is reserved or completed by a request with another key.");
        }
        shop.save(stage.transaction(), new Reservation(cart, holder(stage.key()), taxLines, Optional.empty()));
        return StageOutcome.advanceTo(TAX_LINES_CREATED);
    }

    /** Made outside any transaction; a later attempt sends the same key, so that the provider charges once. */
    private Optional<String> charge(IdempotencyKey key) {
        // Whoever slept past the lease may find the cart free by now, or another key's: nobody is to be charged for
        // that.
        Reservation reservation = held(shop.find(cart(key)), key);
        return payments.charge(key.derivedKey("charge"), reservation.cart().name(), reservation.total());
    }

    private StageOutcome recordPayment(StageContext<T> stage, Optional<String> payment) {
        Reservation reservation = reservation(stage);
        if (payment.isEmpty()) {
            // The customer may try again with another key: a smaller order, another card.
            shop.release(stage.transaction(), reservation.cart());
            return refuse(
                    402,
                    "payment-declined",
                    "Payment declined",
                    "The payment provider declined a charge of " + reservation.total() + ".");
        }
        shop.save(stage.transaction(), reservation.paidWith(payment.get()));
        return StageOutcome.advanceTo(PAYMENT_AUTHORIZED);
    }

    private StageOutcome placeOrder(StageContext<T> stage) {
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
        return StageOutcome.respond(Response.of(201, Json.CONTENT_TYPE, Json.write(body)));
    }

    private Reservation reservation(StageContext<T> stage) {
        return held(shop.find(stage.transaction(), cart(stage.key())), stage.key());
    }

    private static Reservation held(Optional<Reservation> found, IdempotencyKey key) {
        return found.filter(reservation -> reservation.heldBy().equals(holder(key)))
                // From its second stage on a request has the cart, until another worker ends it.
                .orElseThrow(() -> new IdempotencyException.StaleKey(key.id(), null));
    }

    private static CartId cart(IdempotencyKey key) {
        return new CartId(key.id().scope(), CompleteCart.cart(key.request()));
    }

    /** Not the key's value, since a key that expired and was created anew is another one. */
    private static String holder(IdempotencyKey key) {
        return key.creationId().toString();
    }

    private static StageOutcome refuse(int status, String type, String title, String detail) {
        return StageOutcome.respond(new Problem(status, type, title, detail).response());
    }

    private WorkStage<T> hooked(WorkStage<T> work) {
        return stage -> {
            StageOutcome outcome = work.work(stage);
            hook.beforeCommit(stage.key());
            return outcome;
        };
    }

    private <I> WorkStage.WithInput<T, I> hooked(WorkStage.WithInput<T, I> work) {
        return (stage, input) ->
                hooked((WorkStage<T>) same -> work.work(same, input)).work(stage);
    }
}
