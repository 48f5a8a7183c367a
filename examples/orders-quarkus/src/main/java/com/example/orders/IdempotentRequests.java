package com.example.orders;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import jakarta.inject.Singleton;
import jakarta.persistence.EntityManager;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Request;
import jakarta.ws.rs.core.Response;
import jakarta.ws.rs.core.SecurityContext;
import jakarta.ws.rs.core.UriInfo;
import java.security.Principal;
import java.util.Collections;
import java.util.function.Supplier;

/** Runs what a resource method does once for each idempotency key of its clients. */
@Singleton
public class IdempotentRequests {
    private final IdempotencyKeyService<EntityManager> keys;
    private final StageBoundary boundary;
    private final ObjectMapper json;

    @Context
    Request request;

    @Context
    UriInfo uri;

    @Context
    HttpHeaders headers;

    @Context
    SecurityContext security;

    public IdempotentRequests(IdempotencyKeyService<EntityManager> keys, StageBoundary boundary, ObjectMapper json) {
        this.keys = keys;
        this.boundary = boundary;
        this.json = json;
    }

    /**
     * Does the work in one transaction with the key, or answers as it was answered before.
     *
     * @param name names the work, for ever
     * @param body what the client asks for, so that another body under the key is noticed
     * @param work makes the response, whose entity is written as JSON. If it throws, nothing is kept
     */
    public Response once(String name, Object body, Supplier<Response> work) {
        Principal client = security.getUserPrincipal();
        // Two headers are joined, and so refused.
        String header = headers.getHeaderString("Idempotency-Key");
        KeyId id = KeyId.fromHeader(client == null ? "" : client.getName(), header);
        io.idempotencykey.Request asked = io.idempotencykey.Request.of(
                request.getMethod(),
                uri.getRequestUri().getRawPath(),
                Collections.singletonMap("body", io.idempotencykey.Request.jsonValue(written(body))));
        Execution execution = keys.once(name, id, asked, stage -> boundary.around(() -> stored(work.get())));
        Response.ResponseBuilder answer = Response.status(execution.response().status());
        execution.response().headers().forEach((field, values) -> values.forEach(value -> answer.header(field, value)));
        if (execution.replayed()) {
            answer.header("Idempotency-Replayed", "true");
        }
        byte[] stored = execution.response().body();
        return (stored.length == 0 ? answer : answer.entity(stored)).build();
    }

    private io.idempotencykey.Response stored(Response response) {
        io.idempotencykey.Response stored = response.hasEntity()
                ? io.idempotencykey.Response.of(
                        response.getStatus(), MediaType.APPLICATION_JSON, written(response.getEntity()))
                : io.idempotencykey.Response.of(response.getStatus(), new byte[0]);
        return response.getLocation() == null
                ? stored
                : stored.withHeader("Location", response.getLocation().toString());
    }

    private String written(Object value) {
        try {
            return json.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("a " + value.getClass().getName() + " can't be written as JSON", e);
        }
    }
}
