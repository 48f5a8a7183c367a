package io.idempotencykey.checkout.http;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Response;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** An error in the format of RFC 9457, {@code application/problem+json}. */
public record Problem(int status, String type, String title, String detail) {
    public static final String CONTENT_TYPE = "application/problem+json";

    /** Longest wait that a client is told: a request in flight usually ends long before its lease does. */
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(3);

    public Response response() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("type", "urn:checkout:" + type);
        members.put("title", title);
        members.put("status", status);
        members.put("detail", detail);
        return Response.of(status, CONTENT_TYPE, Json.write(members));
    }

    public Refusal refusal() {
        return new Refusal(this);
    }

    /** The response to an exception of the library, which knows its status and how long a client should wait. */
    public static Response of(IdempotencyException e) {
        String name = e.getClass().getSimpleName();
        String words = name.replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
        String title = name.substring(0, 1) + words.substring(1);
        Problem problem = new Problem(e.httpStatus(), words.replace(' ', '-'), title, String.valueOf(e.getMessage()));
        Optional<Duration> wait = e.retryAfter();
        return wait.isPresent() ? retryAfter(problem.response(), wait.get()) : problem.response();
    }

    /** Adds {@code Retry-After} to a response, in whole seconds and at least one. */
    public static Response retryAfter(Response response, Duration wait) {
        Duration bounded = wait.compareTo(LONGEST_WAIT) > 0 ? LONGEST_WAIT : wait;
        return response.withHeader(
                "Retry-After", Long.toString(Math.max(1, bounded.plusMillis(999).toSeconds())));
    }

    /** A problem as an exception, which carries it to the place where it is answered. */
    public static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient Problem problem;

        private Refusal(Problem problem) {
            super(problem.detail());
            this.problem = problem;
        }

        public Problem problem() {
            return problem;
        }
    }
}
