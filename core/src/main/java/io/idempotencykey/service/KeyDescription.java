package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What an operator is shown of a key, as JSON. */
record KeyDescription(boolean showsValues) {
    /** What operators did, as it is recorded before an error. */
    private static final Pattern ACTIONS = Pattern.compile("(?:(?:retry|finish|discard) by .{1,100}?; before: )+");

    Map<String, Object> of(IdempotencyKey key) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("scope", key.id().scope());
        shown.put("value", key.id().value());
        shown.put("operation", key.operation());
        shown.put("state", key.state().name());
        shown.put("recoveryPoint", key.recoveryPoint().name());
        shown.put("attempts", key.attempts());
        shown.put("failedAttempts", key.failedAttempts());
        shown.put("lastError", showsValues ? key.lastError() : withoutMessage(key.lastError()));
        shown.put("creationId", key.creationId().toString());
        shown.put("createdAt", key.createdAt().toString());
        shown.put("updatedAt", key.updatedAt().toString());
        shown.putAll(key.state().accept(new OfState()));
        shown.put("request", of(key.request()));
        return shown;
    }

    /** An exception's message may quote what the client sent; its class, and before that who acted, may be shown. */
    private static String withoutMessage(String error) {
        Matcher actions = ACTIONS.matcher(error);
        int colon = error.indexOf(": ", actions.lookingAt() ? actions.end() : 0);
        return colon < 0 ? error : error.substring(0, colon);
    }

    private Map<String, Object> of(Request request) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("method", request.method());
        shown.put("path", request.path());
        shown.put("complete", request.isComplete());
        if (showsValues) {
            shown.put("parameters", request.parametersJson());
        }
        return shown;
    }

    private Map<String, Object> of(Response response) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("status", response.status());
        shown.put("bodyLength", response.bodyLength());
        if (showsValues) {
            shown.put("headers", response.headers());
            shown.put("body", new String(response.body(), StandardCharsets.UTF_8));
        }
        return shown;
    }

    /** What is particular to a state. */
    private final class OfState implements KeyState.Visitor<Map<String, Object>> {
        @Override
        public Map<String, Object> open(KeyState.Open open) {
            return Map.of("resumableFrom", open.resumableFrom().toString());
        }

        @Override
        public Map<String, Object> locked(KeyState.Locked locked) {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("lockedAt", locked.lockedAt().toString());
            shown.put("leaseEnds", locked.leaseEnds().toString());
            return shown;
        }

        @Override
        public Map<String, Object> failed(KeyState.Failed failed) {
            return Map.of("expiresAt", failed.expiresAt().toString());
        }

        @Override
        public Map<String, Object> finished(KeyState.Finished finished) {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("finishedAt", finished.finishedAt().toString());
            shown.put("expiresAt", finished.expiresAt().toString());
            shown.put("response", KeyDescription.this.of(finished.response()));
            return shown;
        }

        @Override
        public Map<String, Object> quarantined(KeyState.Quarantined quarantined) {
            Map<String, Object> shown = new LinkedHashMap<>();
            shown.put("quarantinedSince", quarantined.since().toString());
            shown.put("reason", quarantined.reason());
            return shown;
        }
    }
}
