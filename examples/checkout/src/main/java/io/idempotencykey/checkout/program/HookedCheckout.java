package io.idempotencykey.checkout.program;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.Checkout;
import io.idempotencykey.checkout.Payments;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.StageOutcome;
import java.util.Optional;

/** The shop's checkout with a hook between the writes of each stage and their commit. */
final class HookedCheckout<T> extends Checkout<T> {
    private final StageHook hook;

    HookedCheckout(ShopData<T> shop, Payments payments, StageHook hook) {
        super(shop, payments);
        this.hook = hook;
    }

    @Override
    protected void reserveCart(StageContext<T> stage) {
        super.reserveCart(stage);
        hook.at(stage.key().recoveryPoint().name(), stage.key());
    }

    @Override
    protected StageOutcome recordPayment(StageContext<T> stage, Optional<String> payment) {
        StageOutcome outcome = super.recordPayment(stage, payment);
        hook.at(stage.key().recoveryPoint().name(), stage.key());
        return outcome;
    }

    @Override
    protected Response placeOrder(StageContext<T> stage) {
        Response response = super.placeOrder(stage);
        hook.at(stage.key().recoveryPoint().name(), stage.key());
        return response;
    }
}
