package io.idempotencykey.console;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.Parameters;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** What the page asks for, and what it gets. */
final class Desk {
    /** How many of a key's first characters confirm an action. */
    static final int TYPED = 6;

    /** How many keys a page has. */
    static final int PAGE = 50;

    /** How many keys of each kind are counted operation by operation. */
    static final int COUNTED = 10_000;

    /** The most characters that are shown of parameters, a header or a body. */
    static final int SHOWN = 100_000;

    /** What is recorded of a user's name; that of a certificate may be longer. */
    private static final int LONGEST_NAME = 100;

    private static final int LONGEST_QUOTE = 100;

    private final IdempotencyKeyService<?> keys;
    private final OperatorActions actions;
    private final @Nullable KeyHistory history;

    Desk(IdempotencyKeyService<?> keys, @Nullable KeyHistory history) {
        this.keys = keys;
        this.actions = new OperatorActions(keys);
        this.history = history;
    }

    boolean hasHistory() {
        return history != null;
    }

    /** How much waits, and whose it is, of as many keys as can be looked at every few seconds. */
    Map<String, Object> backlog() {
        List<Backlog.OfOperation> operations = actions.backlogByOperation(COUNTED);
        Map<String, Object> counts = counts(
                sum(operations, Backlog.OfOperation::waiting),
                first(operations, Backlog.OfOperation::waitingSince),
                sum(operations, Backlog.OfOperation::quarantined),
                first(operations, Backlog.OfOperation::quarantinedSince));
        counts.put("at", actions.time().toString());
        counts.put("most", COUNTED);
        counts.put("operations", operations.stream().map(Desk::counts).toList());
        return counts;
    }

    private static long sum(List<Backlog.OfOperation> operations, ToLongFunction<Backlog.OfOperation> number) {
        return operations.stream().mapToLong(number).sum();
    }

    private static Optional<Instant> first(
            List<Backlog.OfOperation> operations, Function<Backlog.OfOperation, Optional<Instant>> since) {
        return operations.stream().map(since).flatMap(Optional::stream).min(Comparator.naturalOrder());
    }

    private static Map<String, Object> counts(Backlog.OfOperation each) {
        Map<String, Object> counts =
                counts(each.waiting(), each.waitingSince(), each.quarantined(), each.quarantinedSince());
        counts.put("operation", each.operation());
        return counts;
    }

    private static Map<String, Object> counts(
            long waiting, Optional<Instant> waitingSince, long quarantined, Optional<Instant> quarantinedSince) {
        Map<String, Object> counts = new LinkedHashMap<>();
        counts.put("waiting", waiting);
        waitingSince.ifPresent(since -> counts.put("waitingSince", since.toString()));
        counts.put("quarantined", quarantined);
        quarantinedSince.ifPresent(since -> counts.put("quarantinedSince", since.toString()));
        return counts;
    }

    /** A page of keys of all scopes, or of the one that is named, after the one that {@code after} names. */
    Map<String, Object> list(Parameters asked, boolean withValues) {
        @Nullable String scope = asked.has("scope") ? asked.text("scope") : null;
        @Nullable Parameters after = asked.has("after") ? asked.object("after") : null;
        boolean isQuarantine = isQuarantine(asked.text("state"));
        @Nullable KeyId id = after == null ? null : id(after);
        @Nullable Instant since = after == null ? null : instant(after.text("since"));
        List<IdempotencyKey> oneMore = isQuarantine
                ? actions.listQuarantined(scope, id, since, PAGE + 1)
                : actions.listUnfinished(scope, id, since, PAGE + 1);
        List<IdempotencyKey> page = oneMore.subList(0, Math.min(PAGE, oneMore.size()));
        List<Map<String, Object>> shown =
                page.stream().map(key -> summary(key, withValues)).toList();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("keys", shown);
        if (oneMore.size() > PAGE || (!page.isEmpty() && isMoreAfter(page.get(page.size() - 1), isQuarantine, scope))) {
            answer.put("next", place(shown.get(shown.size() - 1)));
        }
        return answer;
    }

    private static boolean isQuarantine(String state) {
        return switch (state) {
            case "quarantined" -> true;
            case "unfinished" -> false;
            default ->
                throw new IllegalArgumentException(
                        "'state' is '" + quoted(state) + "'; allowed: quarantined, unfinished");
        };
    }

    private static Instant instant(String since) {
        try {
            return Instant.parse(since);
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException(
                    "'since' is '" + quoted(since) + "'; it has to be an instant, as it was shown", e);
        }
    }

    /** A page may be short because keys couldn't be read, so its length alone doesn't tell. */
    private boolean isMoreAfter(IdempotencyKey last, boolean isQuarantine, @Nullable String scope) {
        return !(isQuarantine ? actions.listQuarantined(scope, last, 1) : actions.listUnfinished(scope, last, 1))
                .isEmpty();
    }

    /** Where a listed key stands, for the page after it. */
    private static Map<String, Object> place(Map<String, Object> listed) {
        Map<String, String> names = Map.of(
                "scope", "scope",
                "value", "value",
                "resumableFrom", "since",
                "leaseEnds", "since",
                "quarantinedSince", "since");
        Map<String, Object> place = new LinkedHashMap<>();
        listed.forEach((name, shown) -> {
            String itsName = names.get(name);
            if (itsName != null) {
                place.put(itsName, shown);
            }
        });
        return place;
    }

    private static Map<String, Object> summary(IdempotencyKey key, boolean withValues) {
        Map<String, Object> summary = OperatorActions.describe(key, withValues);
        summary.remove("request");
        return summary;
    }

    /** All that is shown of one key. */
    Map<String, Object> show(Parameters asked, boolean withValues) {
        return shown(keys.retrieve(id(asked)), withValues);
    }

    private Map<String, Object> shown(IdempotencyKey key, boolean withValues) {
        Map<String, Object> shown = cut(OperatorActions.describe(key, withValues));
        if (history != null) {
            shown.put("history", history.of(key.id(), key.creationId()));
        }
        return shown;
    }

    /** Texts of megabytes help nobody, and would make the answer too long. */
    private static Map<String, Object> cut(Map<?, ?> described) {
        Map<String, Object> cut = new LinkedHashMap<>();
        described.forEach((name, value) -> cut.put((String) name, cut(value)));
        return cut;
    }

    private static Object cut(Object value) {
        if (value instanceof String text) {
            return cut(text, SHOWN);
        }
        return value instanceof Map<?, ?> map ? cut(map) : value;
    }

    /** Not through the middle of a character. */
    private static String cut(String text, int most) {
        if (text.length() <= most) {
            return text;
        }
        int end = most - 1;
        return text.substring(0, Character.isHighSurrogate(text.charAt(end - 1)) ? end - 1 : end) + "…";
    }

    /** As much of what somebody sent as a message repeats. */
    static String quoted(String sent) {
        return cut(sent, LONGEST_QUOTE);
    }

    /** Acts on a key as it was shown, if it is confirmed by the key's first characters. */
    Map<String, Object> act(String action, Parameters asked, String user, boolean withValues) {
        KeyId id = id(asked);
        String first = id.value().substring(0, Math.min(TYPED, id.value().length()));
        if (!asked.text("typed").equals(first)) {
            throw new IllegalArgumentException(
                    "'typed' has to be the key's first " + first.length() + " characters, to confirm the action");
        }
        String by = cut(user, LONGEST_NAME);
        IdempotencyKey seen = actions.retrieveUnchanged(id, asked.text("creationId"), asked.text("updatedAt"));
        return shown(
                switch (action) {
                    case "retry" -> actions.retry(seen, by);
                    case "finish" -> actions.finish(seen, response(asked), by);
                    case "discard" -> actions.discard(seen, by);
                    default -> throw new IllegalArgumentException("there is no action '" + action + "'");
                },
                withValues);
    }

    private static Response response(Parameters asked) {
        long status = asked.integer("status");
        if (status < 200 || status > 599) {
            throw new IllegalArgumentException("'status' is " + status + "; allowed: 200 to 599");
        }
        String body = asked.text("body");
        return body.isEmpty()
                ? Response.of((int) status, new byte[0])
                : Response.of((int) status, asked.text("contentType"), body);
    }

    private static KeyId id(Parameters asked) {
        return new KeyId(asked.text("scope"), asked.text("value"));
    }
}
