package io.idempotencykey.console;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.Parameters;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What the page asks for, and what it gets. */
final class Desk {
    /** How many of a key's first characters confirm an action. */
    static final int TYPED = 6;

    /** How many keys a page has. */
    static final int PAGE = 50;

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

    Map<String, Object> backlog() {
        Backlog backlog = actions.backlog();
        Map<String, Object> counts = new LinkedHashMap<>();
        counts.put("at", backlog.at().toString());
        counts.put("waiting", backlog.waiting());
        counts.put("quarantined", backlog.quarantined());
        backlog.waitingSince().ifPresent(since -> counts.put("waitingSince", since.toString()));
        return counts;
    }

    /** A page of keys of all scopes, or of the one that is named, after the one that {@code after} names. */
    Map<String, Object> list(Parameters asked, boolean withValues) {
        @Nullable String scope = asked.has("scope") ? asked.text("scope") : null;
        @Nullable Parameters after = asked.has("after") ? asked.object("after") : null;
        String state = asked.text("state");
        Page page = switch (state) {
            case "quarantined" -> quarantined(scope, after);
            case "unfinished" -> unfinished(scope, after);
            default ->
                throw new IllegalArgumentException("'state' is '" + state + "'; allowed: quarantined, unfinished");
        };
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put(
                "keys",
                page.keys().stream().map(key -> summary(key, withValues)).toList());
        if (page.next() != null) {
            answer.put(
                    "next",
                    Map.of("scope", page.next().scope(), "value", page.next().value()));
        }
        answer.put("cutScopes", page.cutScopes());
        return answer;
    }

    /**
     * A page of keys.
     *
     * @param next the key after which there is more; {@code null} if there isn't
     * @param cutScopes scopes of which the page has the longest waiting keys only
     */
    private record Page(List<IdempotencyKey> keys, @Nullable KeyId next, List<String> cutScopes) {
        /** One key more than a page has was asked for. */
        static Page of(List<IdempotencyKey> oneMore) {
            boolean isLast = oneMore.size() <= PAGE;
            List<IdempotencyKey> keys = isLast ? oneMore : oneMore.subList(0, PAGE);
            return new Page(keys, isLast ? null : keys.get(PAGE - 1).id(), List.of());
        }
    }

    private Page quarantined(@Nullable String scope, @Nullable Parameters after) {
        if (scope != null) {
            return Page.of(actions.listQuarantinedIn(scope, after == null ? null : after.text("value"), PAGE + 1));
        }
        return Page.of(actions.listQuarantined(after == null ? null : id(after), PAGE + 1));
    }

    /** Scopes come whole, or cut, because a next page can only begin with another one. */
    private Page unfinished(@Nullable String scope, @Nullable Parameters after) {
        List<IdempotencyKey> listed = new ArrayList<>();
        List<String> cut = new ArrayList<>();
        List<IdempotencyKey> next = scope != null
                ? actions.listUnfinishedIn(scope, PAGE + 1)
                : actions.listUnfinished(after == null ? null : after.text("scope"), PAGE + 1);
        while (!next.isEmpty() && (listed.isEmpty() || listed.size() + next.size() <= PAGE)) {
            listed.addAll(next.subList(0, Math.min(PAGE, next.size())));
            String last = next.get(0).id().scope();
            if (next.size() > PAGE) {
                cut.add(last);
            }
            next = scope != null ? List.of() : actions.listUnfinished(last, PAGE + 1);
        }
        return new Page(
                listed, next.isEmpty() ? null : listed.get(listed.size() - 1).id(), cut);
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
    private static Map<String, Object> cut(Map<String, Object> described) {
        Map<String, Object> cut = new LinkedHashMap<>();
        described.forEach((name, value) -> cut.put(name, cut(value)));
        return cut;
    }

    private static Object cut(Object value) {
        if (value instanceof String text) {
            return cut(text, SHOWN);
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> cut = new LinkedHashMap<>();
            map.forEach((name, member) -> cut.put((String) name, cut(member)));
            return cut;
        }
        return value;
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
