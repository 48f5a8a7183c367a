package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import java.util.function.Function;

record Advance(RecoveryPoint recoveryPoint) implements StageOutcome {
    Advance {
        if (Arguments.required(recoveryPoint, "recoveryPoint").equals(RecoveryPoint.FINISHED)) {
            throw Arguments.refused("recoveryPoint", recoveryPoint, "any but 'finished'; use respond to finish");
        }
    }

    @Override
    public <R> R match(
            Function<? super RecoveryPoint, ? extends R> advance, Function<? super Response, ? extends R> respond) {
        return Arguments.required(advance, "advance").apply(recoveryPoint);
    }
}
