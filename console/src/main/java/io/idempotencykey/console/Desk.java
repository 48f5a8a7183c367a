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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
        Backlog backlog = actions.backlog();
        Map<String, Object> counts = counts(backlog.waiting(), backlog.waitingSince(), backlog.quarantined());
        counts.put("at", backlog.at().toString());
        counts.put(
                "operations",
                actions.backlogByOperation(COUNTED).stream()
                        .map(each -> {
                            Map<String, Object> its = counts(each.waiting(), each.waitingSince(), each.quarantined());
                            its.put("operation", each.operation());
                            return its;
                        })
                        .toList());
        counts.put("isPart", Math.max(backlog.waiting(), backlog.quarantined()) > COUNTED);
        return counts;
    }

    private static Map<String, Object> counts(long waiting, Optional<Instant> waitingSince, long quarantined) {
        Map<String, Object> counts = new LinkedHashMap<>();
        counts.put("waiting", waiting);
        waitingSince.ifPresent(since -> counts.put("waitingSince", since.toString()));
        counts.put("quarantined", quarantined);
        return counts;
    }

    /** A page of keys of all scopes, or of the one that is named, after the one that {@code after} names. */
    Map<String, Object> list(Parameters asked, boolean withValues) {
        @Nullable String scope = asked.has("scope") ? asked.text("scope") : null;
        @Nullable Parameters after = asked.has("after") ? asked.object("after") : null;
        boolean isQuarantine = isQuarantine(asked.text("state"));
        List<IdempotencyKey> oneMore = isQuarantine ? quarantined(scope, after) : unfinished(scope, after);
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
                throw new IllegalArgumentException("'state' is '" + state + "'; allowed: quarantined, unfinished");
        };
    }

    private List<IdempotencyKey> quarantined(@Nullable String scope, @Nullable Parameters after) {
        if (scope != null) {
            return actions.listQuarantinedIn(scope, after == null ? null : after.text("value"), PAGE + 1);
        }
        return actions.listQuarantined(after == null ? null : id(after), PAGE + 1);
    }

    private List<IdempotencyKey> unfinished(@Nullable String scope, @Nullable Parameters after) {
        @Nullable Instant due = after == null ? null : instant(after.text("due"));
        if (scope != null) {
            return actions.listUnfinishedIn(scope, after == null ? null : after.text("value"), due, PAGE + 1);
        }
        return actions.listUnfinished(after == null ? null : id(after), due, PAGE + 1);
    }

    private static Instant instant(String due) {
        try {
            return Instant.parse(due);
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException("'due' is '" + due + "'; it has to be an instant, as it was shown", e);
        }
    }

    /** A page may be short because keys couldn't be read, so its length alone doesn't tell. */
    private boolean isMoreAfter(IdempotencyKey last, boolean isQuarantine, @Nullable String scope) {
        List<IdempotencyKey> next =
                isQuarantine ? actions.listQuarantined(last.id(), 1) : actions.listUnfinished(last, 1);
        return next.stream().anyMatch(key -> scope == null || key.id().scope().equals(scope));
    }

    /** Where a listed key stands, for the page after it. */
    private static Map<String, Object> place(Map<String, Object> listed) {
        Map<String, String> names =
                Map.of("scope", "scope", "value", "value", "resumableFrom", "due", "leaseEnds", "due");
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
