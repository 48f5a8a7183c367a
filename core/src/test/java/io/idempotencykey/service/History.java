package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** What happened in one run, in order, as the store and the clients saw it. */
final class History {
    /** What the simulation calls the beginning. */
    static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    /** Who does something. */
    enum Role {
        CLIENT,
        COMPLETER,
        REAPER,
        OPERATOR
    }

    /** A request: what its client wants, under which key. */
    record Order(KeyId id, String cart, Request request) {
        /** The application answers a request for this one by an exception. */
        static final String REFUSED = "refused";

        /** The application can't do anything with this one, and throws each time. */
        static final String BROKEN = "broken";

        static Order of(KeyId id, String cart) {
            return new Order(id, cart, Request.of("POST", "/orders", Map.of("cart", cart)));
        }

        static boolean isRefused(Request request) {
            return REFUSED.equals(cart(request));
        }

        static boolean isBroken(Request request) {
            return BROKEN.equals(cart(request));
        }

        static String cart(Request request) {
            return String.valueOf(request.parameters().get("cart"));
        }

        /** The answer to a request; nothing is answered twice with the same words. */
        static String answer(KeyId id, Request request, String by) {
            return id.scope() + " " + id.value() + " " + cart(request) + " " + by;
        }

        boolean isAnsweredBy(String body) {
            return body.startsWith(id.scope() + " " + id.value() + " " + cart + " ");
        }

        @Override
        public String toString() {
            return id.scope() + "/" + id.value() + " for cart " + cart;
        }
    }

    /** What a stage wrote beside its key: which call wrote it, for which creation of the key. */
    record Effect(KeyId id, UUID creation, Step step, int call) {
        @Override
        public String toString() {
            return step + " of " + id.scope() + "/" + id.value() + " (creation " + brief(creation) + ") by call "
                    + call;
        }
    }

    /** The effects that an order has, in order. */
    enum Step {
        PAYMENT,
        INVOICE,
        ORDER
    }

    /** One thing that happened. */
    sealed interface Event {}

    /** Anything that only a reader wants to know. */
    record Told(String who, String what) implements Event {
        @Override
        public String toString() {
            return who + ": " + what;
        }
    }

    record Called(String who, int call, Order order, String server) implements Event {
        @Override
        public String toString() {
            return who + ": call " + call + " at " + server + ", " + order;
        }
    }

    record Began(String who, Effect effect) implements Event {
        @Override
        public String toString() {
            return who + ": begins the work of " + effect;
        }
    }

    record Threw(String who, Effect effect) implements Event {
        @Override
        public String toString() {
            return who + ": the application throws in " + effect;
        }
    }

    /** A commit's effects; the write of the key follows. {@code latest} is what the foremost clock said. */
    record Committed(String who, List<Effect> effects, Instant latest) implements Event {
        @Override
        public String toString() {
            return who + ": commits " + effects;
        }
    }

    /** A key's change. */
    record Wrote(String who, Role role, @Nullable StoredKey before, StoredKey after, Instant latest) implements Event {
        @Override
        public String toString() {
            return who + ": writes " + text(before) + " -> " + text(after);
        }
    }

    record Deleted(String who, StoredKey before, Instant latest) implements Event {
        @Override
        public String toString() {
            return who + ": deletes " + text(before);
        }
    }

    /** A client has its answer; {@code earliest} is what the last clock said when it asked. */
    record Answered(String who, int call, Order order, UUID creation, String body, boolean replayed, Instant earliest)
            implements Event {
        @Override
        public String toString() {
            return who + ": call " + call + " is answered '" + body + "'" + (replayed ? " again" : "") + " (creation "
                    + brief(creation) + ")";
        }
    }

    /** A client is told of an error; the denied effects are those that, as the error says, were not written. */
    record Refused(String who, int call, Order order, Throwable failure, List<Effect> denied) implements Event {
        @Override
        public String toString() {
            return who + ": call " + call + " gets " + failure.getClass().getSimpleName()
                    + (denied.isEmpty() ? "" : ", so not written: " + denied);
        }
    }

    /** The completer is told of an error, as a client would be. */
    record NotCompleted(String who, UUID creation, Throwable failure, List<Effect> denied) implements Event {
        @Override
        public String toString() {
            return who + ": gets " + failure.getClass().getSimpleName() + " for creation " + brief(creation)
                    + (denied.isEmpty() ? "" : ", so not written: " + denied);
        }
    }

    /** Somebody met an error that nobody should. */
    record Failed(String who, Throwable failure) implements Event {
        @Override
        public String toString() {
            return who + ": meets " + failure;
        }
    }

    /** An operator's action on a key as he looked at it, and the creation that it changed. */
    record Operated(String who, String action, IdempotencyKey listed, UUID changed) implements Event {
        @Override
        public String toString() {
            return who + ": " + action + " on creation " + brief(listed.creationId()) + " at " + listed.recoveryPoint()
                    + " changed " + brief(changed);
        }
    }

    /** Faults have ceased and the completer has run: what is stored. */
    record Ended(List<StoredKey> keys) implements Event {
        @Override
        public String toString() {
            return "in the end: " + keys.stream().map(History::text).toList();
        }
    }

    private final List<Event> events = new ArrayList<>(64);
    private final Set<Effect> denied = new HashSet<>();

    void add(Event event) {
        events.add(event);
        if (event instanceof Refused refused) {
            denied.addAll(refused.denied());
        } else if (event instanceof NotCompleted failed) {
            denied.addAll(failed.denied());
        }
    }

    /** The same for all histories after which the same effects must not be found. */
    long deniedState() {
        return denied.hashCode();
    }

    List<Event> events() {
        return events;
    }

    /** A line for each event, for a person to read. */
    String lines() {
        StringBuilder lines = new StringBuilder();
        for (Event event : events) {
            lines.append("  ").append(event).append('\n');
        }
        return lines.toString();
    }

    private static String text(@Nullable StoredKey stored) {
        if (stored == null) {
            return "nothing";
        }
        KeyState state = stored.key().state();
        String text = stored.id().scope() + "/" + stored.id().value() + " " + state.name() + " at "
                + stored.key().recoveryPoint() + " (creation "
                + brief(stored.key().creationId()) + ", revision "
                + brief(stored.revision()) + ", attempt " + stored.key().attempts();
        if (state instanceof KeyState.Finished finished) {
            text += ", '" + body(finished) + "', expires at " + sinceStart(finished.expiresAt());
        } else if (state instanceof KeyState.Locked locked) {
            text += ", lease ends at " + sinceStart(locked.leaseEnds());
        }
        return text + ")";
    }

    static String body(KeyState.Finished finished) {
        return new String(finished.response().body(), StandardCharsets.UTF_8);
    }

    private static Duration sinceStart(Instant instant) {
        return Duration.between(START, instant);
    }

    private static String brief(Revision revision) {
        return brief(revision.value());
    }

    private static String brief(UUID id) {
        return id.toString().substring(0, 4);
    }
}
