package io.idempotencykey.spring.boot;

import org.jspecify.annotations.Nullable;

/** The application can't start, because its set-up gives no guarantee. */
final class StoreSetupException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    /** What to change. */
    private final String action;

    StoreSetupException(String message, String action, @Nullable Throwable cause) {
        super(message, cause);
        this.action = action;
    }

    String action() {
        return action;
    }
}
