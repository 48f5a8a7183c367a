package io.idempotencykey.checkout.program;

import io.idempotencykey.Response;
import io.idempotencykey.checkout.Reviews;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.service.StageContext;

/** The shop's reviews with a hook before a review is written, after that, and after its commit. */
final class HookedReviews<T> extends Reviews<T> {
    private final StageHook hook;

    HookedReviews(ShopData<T> shop, StageHook hook) {
        super(shop);
        this.hook = hook;
    }

    @Override
    protected Response add(StageContext<T> stage) {
        hook.at(StageHook.REVIEW_BEGUN, stage.key());
        Response response = super.add(stage);
        hook.at(StageHook.REVIEW_WRITTEN, stage.key());
        return response;
    }

    /** Runs the hook when a review is committed and its client has no answer yet. */
    static KeyListener afterCommit(StageHook hook) {
        return event -> {
            if (event instanceof KeyEvent.StageCommitted committed
                    && committed.key().operation().equals(OPERATION)) {
                hook.at(StageHook.REVIEW_COMMITTED, committed.key());
            }
        };
    }
}
