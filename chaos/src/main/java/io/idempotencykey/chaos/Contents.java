package io.idempotencykey.chaos;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a store and the payment provider have in the end, read without the library. */
record Contents(
        List<Key> keys,
        List<Reservation> reservations,
        List<Order> orders,
        List<Review> reviews,
        List<Charge> charges) {

    /** A key; status and body are its response's, and 0 and empty before it has one. */
    record Key(String value, String creation, String state, Instant createdAt, int status, String body) {
        boolean isFinished() {
            return state.equals("finished");
        }

        /** Whether a worker, the completer included, is still to go on with it. */
        boolean isInProgress() {
            return state.equals("open") || state.equals("locked");
        }
    }

    record Reservation(String cart, String heldBy, @Nullable String payment) {}

    record Order(String id, String cart, long total, String payment) {}

    record Review(String id, String text) {}

    /** {@code key} is the one that the provider charged once for. */
    record Charge(String id, String key, String cart, long amount) {}
}
