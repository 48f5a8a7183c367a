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

/** What the engine has to know of a key's operation; {@link UndeclaredPlan} where there is none. */
interface Plan {
    /** How many times its declared length a lease grows to at most, unless the operation says otherwise. */
    int LEASE_GROWTH = 10;

    /** The operation's name, as it is stored with every key; empty if there is none. */
    String operation();

    /** What is stored of a request. */
    Request toStore(Request request);

    /** How long the lock holds for the stage at a recovery point. */
    Duration leaseAt(RecoveryPoint at);

    /** How long the lock holds at most for the stage at a recovery point, after leases that proved too short. */
    Duration longestLeaseAt(RecoveryPoint at);

    /** Refuses a recovery point that the operation doesn't know. */
    void checkKnown(KeyId id, RecoveryPoint at);

    /** Refuses a recovery point that the stage at another one doesn't lead to. */
    void checkTarget(KeyId id, RecoveryPoint from, RecoveryPoint to);

    /** The response that an exception of the application is, if it is one. */
    Optional<Response> answerTo(Throwable failure);

    /** Whether a client waits for this attempt, and is told of its exception. */
    boolean attended();

    /** What is stored of a failure. */
    String describe(Throwable failure);

    /** The state of a key whose attempt failed now. */
    KeyState afterFailure(HeldKey held, Instant now, RandomGenerator random);
}
