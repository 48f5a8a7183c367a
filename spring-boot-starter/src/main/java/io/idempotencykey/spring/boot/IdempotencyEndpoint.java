package io.idempotencykey.spring.boot;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import java.security.Principal;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.boot.actuate.endpoint.Access;
import org.springframework.boot.actuate.endpoint.SecurityContext;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.WriteOperation;
import org.springframework.boot.actuate.endpoint.web.WebEndpointResponse;
import org.springframework.boot.actuate.endpoint.web.annotation.WebEndpoint;
import org.springframework.lang.Nullable;

/**
 * Lets an operator see the keys that wait for somebody, and bring them to an end.
 *
 * <p>Optional parameters have Spring's annotation, because Spring Boot 3 knows no other.
 */
@WebEndpoint(id = "idempotency", defaultAccess = Access.READ_ONLY)
class IdempotencyEndpoint {
    private static final int DEFAULT_LIMIT = 100;
    private static final int LONGEST_NAME = 100;

    /** Which keys are listed. */
    enum State {
        QUARANTINED,
        UNFINISHED
    }

    /** What an operator can do with a key. */
    enum Action {
        RETRY,
        FINISH,
        DISCARD
    }

    private final IdempotencyKeyService<?> keys;
    private final OperatorActions actions;
    private final IdempotencyEndpointProperties properties;

    IdempotencyEndpoint(IdempotencyKeyService<?> keys, IdempotencyEndpointProperties properties) {
        this.keys = keys;
        this.actions = new OperatorActions(keys);
        this.properties = properties;
    }

    /** One key, if a value is given; else the backlog and keys of a state, in all scopes or in one. */
    @ReadOperation
    public WebEndpointResponse<Map<String, Object>> read(
            SecurityContext security,
            @Nullable State state,
            @Nullable String scope,
            @Nullable String value,
            @Nullable String afterScope,
            @Nullable String afterValue,
            @Nullable Instant afterSince,
            @Nullable Integer limit) {
        boolean withValues = properties.showValues().isShown(security, properties.roles());
        return answered(() -> {
            if (value != null) {
                return OperatorActions.describe(
                        keys.retrieve(new KeyId(scope == null ? "" : scope, value)), withValues);
            }
            int most = limit == null ? DEFAULT_LIMIT : limit;
            checkPage(scope, afterScope, afterValue, afterSince);
            String scopeOfAfter = scope == null ? afterScope : scope;
            KeyId after = afterValue == null ? null : new KeyId(scopeOfAfter == null ? "" : scopeOfAfter, afterValue);
            List<IdempotencyKey> listed = state == State.UNFINISHED
                    ? actions.listUnfinished(scope, after, afterSince, most)
                    : actions.listQuarantined(scope, after, afterSince, most);
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("backlog", of(actions.backlog()));
            answer.put(
                    "keys",
                    listed.stream()
                            .map(key -> OperatorActions.describe(key, withValues))
                            .toList());
            return answer;
        });
    }

    private static Map<String, Object> of(Backlog backlog) {
        Map<String, Object> counts = new LinkedHashMap<>();
        counts.put("waiting", backlog.waiting());
        counts.put("longestWait", backlog.longestWait().toString());
        counts.put("quarantined", backlog.quarantined());
        return counts;
    }

    /** What is not acted upon is refused: whoever asks for a further page would get the first one again and again. */
    private static void checkPage(
            @Nullable String scope,
            @Nullable String afterScope,
            @Nullable String afterValue,
            @Nullable Instant afterSince) {
        if (scope != null && afterScope != null) {
            throw refused("'afterScope' is of lists of all scopes, and 'scope' names one; leave one of them out");
        }
        if (scope == null && afterScope != null && afterValue == null) {
            throw refused("'afterValue' is missing; 'afterScope' and 'afterValue' name the last key of a page");
        }
        if ((afterValue != null) != (afterSince != null)) {
            throw refused("'afterValue' and 'afterSince' belong together: 'afterSince' is the 'quarantinedSince',"
                    + " 'resumableFrom' or 'leaseEnds' of the key that 'afterValue' names");
        }
    }

    /**
     * Acts on a key, as it was shown, in the name of the authenticated user, or of whoever {@code by} names if there is
     * none.
     */
    @WriteOperation
    public WebEndpointResponse<Map<String, Object>> act(
            SecurityContext security,
            Action action,
            @Nullable String scope,
            String value,
            @Nullable String creationId,
            @Nullable String updatedAt,
            @Nullable String by,
            @Nullable Integer status,
            @Nullable String contentType,
            @Nullable String body) {
        boolean withValues = properties.showValues().isShown(security, properties.roles());
        return answered(() -> {
            KeyId id = new KeyId(scope == null ? "" : scope, value);
            String who = who(security.getPrincipal(), by);
            if (action != Action.FINISH && (status != null || contentType != null || body != null)) {
                throw refused("'status', 'contentType' and 'body' are of the action 'finish'; leave them out");
            }
            IdempotencyKey seen = seen(id, creationId, updatedAt);
            return OperatorActions.describe(
                    switch (action) {
                        case RETRY -> actions.retry(seen, who);
                        case FINISH -> actions.finish(seen, response(status, contentType, body), who);
                        case DISCARD -> actions.discard(seen, who);
                    },
                    withValues);
        });
    }

    /** What was decided on one request isn't done to another one that has its key now. */
    private IdempotencyKey seen(KeyId id, @Nullable String creationId, @Nullable String updatedAt) {
        if (creationId == null || updatedAt == null) {
            throw refused("'creationId' or 'updatedAt' is missing; they are shown with the key, and say which one was"
                    + " looked at, and as it was when");
        }
        return actions.retrieveUnchanged(id, creationId, updatedAt);
    }

    private static String who(@Nullable Principal user, @Nullable String by) {
        if (user != null) {
            if (by != null && !by.equals(user.getName())) {
                throw refused("'by' is another name than that of the authenticated user; leave it out");
            }
            return cut(user.getName());
        }
        if (by == null || by.isBlank()) {
            throw refused("'by' is missing; there is no authenticated user, so it has to say who acts");
        }
        return by;
    }

    /** An authenticated name may be longer than what is recorded, such as that of a certificate. */
    private static String cut(String name) {
        if (name.length() <= LONGEST_NAME) {
            return name;
        }
        int end = LONGEST_NAME - 1;
        return name.substring(0, Character.isHighSurrogate(name.charAt(end - 1)) ? end - 1 : end) + "…";
    }

    private static Response response(@Nullable Integer status, @Nullable String contentType, @Nullable String body) {
        if (status == null) {
            throw refused("'status' is missing; it is the status that every retry gets");
        }
        if (body == null && contentType != null) {
            throw refused("'body' is missing; 'contentType' says what it is");
        }
        return body == null
                ? Response.of(status, new byte[0])
                : Response.of(status, contentType == null ? "application/json" : contentType, body);
    }

    private static IllegalArgumentException refused(String reason) {
        return new IllegalArgumentException(reason);
    }

    private interface Answer {
        Map<String, Object> get();
    }

    private static WebEndpointResponse<Map<String, Object>> answered(Answer answer) {
        try {
            return new WebEndpointResponse<>(answer.get());
        } catch (IdempotencyException.ResponseTooLarge e) {
            return problem(e.kind(), e, WebEndpointResponse.STATUS_BAD_REQUEST);
        } catch (IdempotencyException e) {
            return problem(e.kind(), e, e.httpStatus());
        } catch (IllegalArgumentException e) {
            // An exception of Spring's for this would reach the operator without its message.
            return problem("invalid-request", e, WebEndpointResponse.STATUS_BAD_REQUEST);
        }
    }

    private static WebEndpointResponse<Map<String, Object>> problem(String kind, RuntimeException why, int status) {
        Map<String, Object> problem = new LinkedHashMap<>();
        problem.put("error", kind);
        problem.put("message", String.valueOf(why.getMessage()));
        return new WebEndpointResponse<>(problem, status);
    }
}
