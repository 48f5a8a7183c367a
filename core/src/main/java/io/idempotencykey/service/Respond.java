package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import java.util.function.Function;

record Respond(Response response) implements StageOutcome {
    Respond {
        Arguments.required(response, "response");
    }

    @Override
    public <R> R match(
            Function<? super RecoveryPoint, ? extends R> advance, Function<? super Response, ? extends R> respond) {
        return Arguments.required(respond, "respond").apply(response);
    }
}
