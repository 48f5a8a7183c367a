package io.idempotencykey.chaos;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/** What a store and the payment provider have in the end, read without the library. */
record Contents(
        List<Key> keys,
        List<Reservation> reservations,
        List<Order> orders,
        List<Review> reviews,
        List<Charge> charges) {

    /**
     * A key; status, headers and body are its response's, and 0 and empty before it has one. Each byte of the body is a
     * character.
     */
    record Key(
            String value, String creation, String state, int status, Map<String, List<String>> headers, String body) {
        /** Reads headers as they are stored. */
        static Map<String, List<String>> headers(@Nullable String json) {
            return json == null ? Map.of() : JsonMapper.shared().readValue(json, new TypeReference<>() {});
        }

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
