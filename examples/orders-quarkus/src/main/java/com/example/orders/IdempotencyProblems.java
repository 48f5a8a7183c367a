package com.example.orders;

import io.idempotencykey.IdempotencyException;
import jakarta.ws.rs.core.Response;
import jakarta.ws.rs.ext.ExceptionMapper;
import jakarta.ws.rs.ext.Provider;
import java.util.Map;
import org.jboss.logging.Logger;

/** Tells clients why their request wasn't performed. */
@Provider
public class IdempotencyProblems implements ExceptionMapper<IdempotencyException> {
    private static final Logger LOGGER = Logger.getLogger(IdempotencyProblems.class);

    @Override
    public Response toResponse(IdempotencyException refusal) {
        int status = refusal.httpStatus();
        boolean isClients = status < 500;
        if (!isClients) {
            LOGGER.warn("a request failed", refusal);
        }
        Response.ResponseBuilder answer = Response.status(status)
                .type("application/problem+json")
                .entity(Map.of(
                        "status",
                        status,
                        "detail",
                        isClients ? refusal.getMessage() : "The request can't be performed"));
        refusal.retryAfter().ifPresent(wait -> answer.header("Retry-After", Math.max(1, wait.toSeconds())));
        return answer.build();
    }
}
