package io.idempotencykey.service;

import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;

/** How a stage ends: it advances to another recovery point, or it responds. Immutable. */
public abstract sealed class StageOutcome {
    private StageOutcome() {}

    /**
     * The key moves on to another recovery point and stays held for its stage.
     *
     * @param recoveryPoint any but {@code finished}
     * @return the outcome
     * @throws IllegalArgumentException if the recovery point is {@code finished}: a response leads there
     */
    public static StageOutcome advanceTo(RecoveryPoint recoveryPoint) {
        if (Arguments.required(recoveryPoint, "recoveryPoint").equals(RecoveryPoint.FINISHED)) {
            throw Arguments.refused("recoveryPoint", recoveryPoint, "any but 'finished'; use respond to finish");
        }
        return new Advance(recoveryPoint);
    }

    /**
     * The key is finished; this response, which may tell of an error, is what every retry gets.
     *
     * @param response what the caller gets
     * @return the outcome
     */
    public static StageOutcome respond(Response response) {
        return new Respond(Arguments.required(response, "response"));
    }

    abstract <R> R accept(Visitor<R> visitor);

    /** Has one method for each outcome. */
    interface Visitor<R> {
        R advance(RecoveryPoint to);

        R respond(Response response);
    }

    private static final class Advance extends StageOutcome {
        private final RecoveryPoint to;

        Advance(RecoveryPoint to) {
            this.to = to;
        }

        @Override
        <R> R accept(Visitor<R> visitor) {
            return visitor.advance(to);
        }
    }

    private static final class Respond extends StageOutcome {
        private final Response response;

        Respond(Response response) {
            this.response = response;
        }

        @Override
        <R> R accept(Visitor<R> visitor) {
            return visitor.respond(response);
        }
    }
}
