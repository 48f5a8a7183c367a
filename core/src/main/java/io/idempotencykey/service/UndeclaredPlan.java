package io.idempotencykey.service;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * The plan of keys that are used without a declared operation: every recovery point is known, and the caller decides.
 */
record UndeclaredPlan(Duration lease) implements Plan {
    @Override
    public String operation() {
        return "";
    }

    @Override
    public Request toStore(Request request) {
        return request;
    }

    @Override
    public Duration leaseAt(RecoveryPoint at) {
        return lease;
    }

    @Override
    public Duration longestLeaseAt(RecoveryPoint at) {
        return Transitions.longestLease(lease);
    }

    @Override
    public void checkKnown(KeyId id, RecoveryPoint at) {}

    @Override
    public void checkTarget(KeyId id, RecoveryPoint from, RecoveryPoint to) {}

    @Override
    public Optional<Response> answerTo(Throwable failure) {
        return Optional.empty();
    }

    @Override
    public boolean attended() {
        return true;
    }

    @Override
    public String describe(Throwable failure) {
        return Transitions.describe(failure);
    }

    @Override
    public KeyState afterFailure(HeldKey held, Instant now, RandomGenerator random) {
        return new KeyState.Open(held.recoveryPoint(), now);
    }
}
