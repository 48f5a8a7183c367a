package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import java.time.Duration;
import java.time.Instant;
import java.util.random.RandomGenerator;

/** The plan of a declared operation, with the service's lease where it has none of its own. */
record DeclaredPlan<T>(Operation<T> declared, Duration serviceLease) implements Plan {
    @Override
    public String operation() {
        return declared.name();
    }

    @Override
    public Request toStore(Request request) {
        return declared.redact(request);
    }

    @Override
    public Duration leaseAt(RecoveryPoint at) {
        StageDefinition<T> stage = declared.stage(at);
        Duration lease = stage == null ? null : stage.lease();
        return lease == null ? serviceLease : lease;
    }

    @Override
    public void checkKnown(KeyId id, RecoveryPoint at) {
        stage(id, at);
    }

    /** The stage that begins at a recovery point. */
    StageDefinition<T> stage(KeyId id, RecoveryPoint at) {
        StageDefinition<T> stage = declared.stage(at);
        if (stage == null) {
            throw new IdempotencyException.UnknownRecoveryPoint(id, at, declared.recoveryPoints());
        }
        return stage;
    }

    @Override
    public void checkTarget(KeyId id, RecoveryPoint from, RecoveryPoint to) {
        if (!stage(id, from).targets().contains(to)) {
            throw new IdempotencyException.UnknownRecoveryPoint(
                    id, to, stage(id, from).targets());
        }
    }

    @Override
    public KeyState afterFailure(HeldKey held, Instant now, RandomGenerator random) {
        int failedAttempts = held.key().failedAttempts() + 1;
        if (failedAttempts >= declared.maxAttempts()) {
            String reason = failedAttempts + " failed attempts since the last committed stage";
            return new KeyState.Quarantined(held.recoveryPoint(), now, reason);
        }
        Instant resumableFrom = now.plus(declared.backoff(failedAttempts, random));
        return new KeyState.Open(held.recoveryPoint(), Transitions.millis(resumableFrom));
    }
}
