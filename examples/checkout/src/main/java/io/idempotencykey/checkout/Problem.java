package io.idempotencykey.checkout;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Response;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** An error as HTTP APIs tell it (RFC 9457, {@code application/problem+json}). */
record Problem(int status, String type, String title, String detail) {
    static final String CONTENT_TYPE = "application/problem+json";

    /** A lease may have half a minute to run, but a request in flight usually ends much sooner. */
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(3);

    Response response() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("type", "urn:checkout:" + type);
        members.put("title", title);
        members.put("status", status);
        members.put("detail", detail);
        return Response.of(status, CONTENT_TYPE, Json.write(members));
    }

    Refusal refusal() {
        return new Refusal(this);
    }

    /** What the library's errors are to a client: each has a status that suits it, and says whether to come back. */
    static Response of(IdempotencyException e) {
        String name = e.getClass().getSimpleName();
        String words = name.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
        String title = name.substring(0, 1) + words.substring(1);
        Problem problem = new Problem(e.httpStatus(), words.replace(' ', '-'), title, String.valueOf(e.getMessage()));
        Optional<Duration> wait = e.retryAfter();
        return wait.isPresent() ? retryAfter(problem.response(), wait.get()) : problem.response();
    }

    /** The response with a {@code Retry-After} of whole seconds, at least one. */
    static Response retryAfter(Response response, Duration wait) {
        Duration bounded = wait.compareTo(LONGEST_WAIT) > 0 ? LONGEST_WAIT : wait;
        return response.withHeader(
                "Retry-After", Long.toString(Math.max(1, bounded.plusMillis(999).toSeconds())));
    }

    /** Carries a problem to the place where it is answered. */
    static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient Problem problem;

        private Refusal(Problem problem) {
            super(problem.detail());
            this.problem = problem;
        }

        Problem problem() {
            return problem;
        }
    }
}
