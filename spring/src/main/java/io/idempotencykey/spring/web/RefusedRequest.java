package io.idempotencykey.spring.web;

import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatusCode;
import org.springframework.web.server.ResponseStatusException;

/** A request that can't be idempotent, and that the application has never seen. */
final class RefusedRequest extends ResponseStatusException {
    private static final long serialVersionUID = 1L;

    /** As in the type of the problem. */
    private final String kind;

    RefusedRequest(int status, String kind, @Nullable String reason, @Nullable Throwable cause) {
        super(HttpStatusCode.valueOf(status), reason, cause);
        this.kind = kind;
    }

    RefusedRequest(int status, String kind, String reason) {
        this(status, kind, reason, null);
    }

    String kind() {
        return kind;
    }
}
