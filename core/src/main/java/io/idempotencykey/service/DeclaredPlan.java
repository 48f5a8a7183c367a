package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;

/**
 * The plan of a declared operation, with the service's settings where it has none of its own.
 *
 * @param attended whether a client waits for this attempt and is told of its exception
 */
record DeclaredPlan<T>(Operation<T> declared, Settings settings, boolean attended) implements Plan {
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
        return lease == null ? settings.lease() : lease;
    }

    @Override
    public Duration longestLeaseAt(RecoveryPoint at) {
        Duration longest = declared.longestLease();
        return longest == null ? Transitions.longestLease(leaseAt(at)) : longest;
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
        Set<RecoveryPoint> targets = stage(id, from).targets();
        if (!targets.contains(to)) {
            throw new IdempotencyException.UnknownRecoveryPoint(id, from, to, targets);
        }
    }

    @Override
    public Optional<Response> answerTo(Throwable failure) {
        return declared.answerTo(failure);
    }

    /** The message of an exception may show a parameter that isn't to be stored. */
    @Override
    public String describe(Throwable failure) {
        return declared.isRedacting() ? failure.getClass().getName() : Transitions.describe(failure);
    }

    /** Rule 17: a request that committed nothing, and whose client was told so, is that client's alone. */
    @Override
    public KeyState afterFailure(HeldKey held, Instant now, RandomGenerator random) {
        if (attended
                && !declared.completesAfterFailure()
                && held.recoveryPoint().equals(RecoveryPoint.STARTED)) {
            return new KeyState.Failed(Transitions.millis(now.plus(settings.timeToLive())));
        }
        int failedAttempts = held.key().failedAttempts() + 1;
        if (failedAttempts >= declared.maxAttempts()) {
            String reason = "attempts that failed since the last committed stage: " + failedAttempts;
            return new KeyState.Quarantined(held.recoveryPoint(), now, reason);
        }
        Instant resumableFrom = now.plus(declared.backoff(failedAttempts, random));
        return new KeyState.Open(held.recoveryPoint(), Transitions.millis(resumableFrom));
    }
}
