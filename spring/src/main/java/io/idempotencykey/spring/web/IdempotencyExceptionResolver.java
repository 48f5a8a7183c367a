package io.idempotencykey.spring.web;

import io.idempotencykey.IdempotencyException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.core.Ordered;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.MediaType;
import org.springframework.http.ProblemDetail;
import org.springframework.http.converter.HttpMessageConverter;
import org.springframework.http.server.ServletServerHttpResponse;
import org.springframework.web.servlet.HandlerExceptionResolver;
import org.springframework.web.servlet.ModelAndView;

/**
 * Answers the library's own exceptions with problem details (RFC 9457), whichever handler they come from.
 *
 * <p>It comes before the application's exception handlers, so that none that takes every exception gives them another
 * status. The problem's {@code type} is {@code urn:idempotencykey:problem:} and the kind's name, such as {@code
 * mismatch}, {@code locked} or {@code invalid-key}. Where trying again helps, {@code Retry-After} says when. What went
 * wrong inside a store isn't told to the client. Safe for many threads.
 */
public final class IdempotencyExceptionResolver implements HandlerExceptionResolver, Ordered {
    /** What every problem's type begins with. */
    public static final String TYPE_PREFIX = "urn:idempotencykey:problem:";

    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private final Supplier<List<HttpMessageConverter<?>>> converters;

    /**
     * Makes a resolver.
     *
     * @param converters gives the application's own, of which the first that can writes the problem
     */
    public IdempotencyExceptionResolver(Supplier<List<HttpMessageConverter<?>>> converters) {
        this.converters = converters;
    }

    /** Returns the order of what Spring Boot puts first, after it: that one only takes note. */
    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE + 1;
    }

    @Override
    public @Nullable ModelAndView resolveException(
            HttpServletRequest request, HttpServletResponse response, @Nullable Object handler, Exception exception) {
        if (exception instanceof RefusedRequest refused) {
            return answered(problem(refused.getStatusCode(), refused.kind(), refused.getReason()), response);
        }
        if (!(exception instanceof IdempotencyException refusal)) {
            return null;
        }
        if (refusal.httpStatus() >= 500) {
            LOGGER.log(System.Logger.Level.WARNING, "a request failed", exception);
        }
        refusal.retryAfter().ifPresent(wait -> response.setHeader("Retry-After", String.valueOf(seconds(wait))));
        return answered(problem(refusal), response);
    }

    private ModelAndView answered(ProblemDetail problem, HttpServletResponse response) {
        try {
            response.setStatus(problem.getStatus());
            write(problem, response);
        } catch (IOException e) {
            LOGGER.log(System.Logger.Level.DEBUG, "the client is gone", e);
        }
        return new ModelAndView();
    }

    private static long seconds(Duration wait) {
        return Math.max(1, wait.plusMillis(999).toSeconds());
    }

    private static ProblemDetail problem(IdempotencyException refusal) {
        return problem(
                HttpStatusCode.valueOf(refusal.httpStatus()),
                refusal.kind(),
                refusal.httpStatus() < 500 ? refusal.getMessage() : null);
    }

    private static ProblemDetail problem(HttpStatusCode status, String kind, @Nullable String detail) {
        ProblemDetail problem = ProblemDetail.forStatus(status);
        problem.setType(URI.create(TYPE_PREFIX + kind));
        problem.setTitle(kind.replace('-', ' '));
        problem.setDetail(detail);
        return problem;
    }

    private void write(ProblemDetail problem, HttpServletResponse response) throws IOException {
        for (HttpMessageConverter<?> converter : converters.get()) {
            if (converter.canWrite(ProblemDetail.class, MediaType.APPLICATION_PROBLEM_JSON)) {
                @SuppressWarnings("unchecked") // it can write one
                HttpMessageConverter<ProblemDetail> writer = (HttpMessageConverter<ProblemDetail>) converter;
                ServletServerHttpResponse output = new ServletServerHttpResponse(response);
                writer.write(problem, MediaType.APPLICATION_PROBLEM_JSON, output);
                output.flush();
                return;
            }
        }
    }
}
