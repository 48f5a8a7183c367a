package io.idempotencykey.checkout;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The payment provider, as the shop sees it. */
@FunctionalInterface
public interface Payments {
    /**
     * Charges once per idempotency key, however often it is called with it.
     *
     * @param amount in cents
     * @return the charge's id; empty if the provider declines
     * @throws Unavailable if the provider gives no answer, or none that can be understood. It may have charged or not;
     *     another call with the same idempotency key settles it.
     */
    Optional<String> charge(String idempotencyKey, String cart, long amount);

    /** The provider gave no answer that can be used. */
    final class Unavailable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        public Unavailable(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }
}
