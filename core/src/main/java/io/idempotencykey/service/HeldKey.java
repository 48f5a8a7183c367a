package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;

/**
 * A key that this worker holds: the right to change it, until another one takes it over after its lease.
 *
 * <p>Immutable. Every change gives a new one and makes this one stale. It can't be made by hand, stored or guessed.
 */
public final class HeldKey {
    private final StoredKey stored;
    private final KeyState.Locked state;

    private HeldKey(
            KeyCreation creation,
            KeyState.Locked state,
            long attempts,
            int failedAttempts,
            String lastError,
            Instant now,
            Revision revision) {
        this.state = state;
        this.stored = new StoredKey(
                new IdempotencyKey(creation, new KeyProgress(state, attempts, failedAttempts, lastError, now)),
                revision);
    }

    // What leads to a held key, and away from it: pure functions, which say what is to be written.

    /** A new key that is held from the start. */
    static HeldKey createdBy(KeyCreation creation, Duration lease, Revision revision) {
        Instant now = creation.createdAt();
        return new HeldKey(creation, locked(RecoveryPoint.STARTED, now, lease), 1, 0, "", now, revision);
    }

    /** A new key that nobody has stored or locked yet, as its only stage sees it. */
    static HeldKey unstored(KeyCreation creation, Duration lease, Revision revision) {
        Instant now = creation.createdAt();
        return new HeldKey(creation, locked(RecoveryPoint.STARTED, now, lease), 0, 0, "", now, revision);
    }

    /** Rule 3: a stored key after a worker took it, with a revision that fences off whoever held it before. */
    static HeldKey takenFrom(IdempotencyKey key, Instant now, Duration lease, Revision revision) {
        // What a client was told of doesn't count against the attempts that are made without it.
        int failedAttempts = key.state() instanceof KeyState.Failed ? 0 : key.failedAttempts();
        return new HeldKey(
                key.creation(),
                locked(key.recoveryPoint(), now, lease),
                Math.min(key.attempts() + 1, KeyProgress.MAX_ATTEMPTS),
                failedAttempts,
                key.lastError(),
                now,
                revision);
    }

    /** The same key at another recovery point, with a lease that begins anew. */
    HeldKey advanced(RecoveryPoint to, Instant now, Duration lease, Revision revision) {
        return new HeldKey(key().creation(), locked(to, now, lease), key().attempts(), 0, "", now, revision);
    }

    /** The same key at the same recovery point, with a lease that begins anew. */
    HeldKey renewed(Instant now, Duration lease, Revision revision) {
        return new HeldKey(
                key().creation(),
                locked(recoveryPoint(), now, lease),
                key().attempts(),
                key().failedAttempts(),
                key().lastError(),
                now,
                revision);
    }

    /** The finished key. */
    StoredKey responded(Response response, Instant now, Duration timeToLive, Revision revision) {
        return with(
                new KeyState.Finished(response, now, Transitions.millis(now.plus(timeToLive))), 0, "", now, revision);
    }

    /** The key that nobody holds any more, otherwise as it was. */
    StoredKey released(Instant now, Revision revision) {
        return with(new KeyState.Open(recoveryPoint(), now), key().failedAttempts(), key().lastError(), now, revision);
    }

    /** The key after a failed attempt, in the state that follows from it. */
    StoredKey failed(KeyState then, String error, Instant now, Revision revision) {
        int failedAttempts = Math.min(key().failedAttempts() + 1, KeyProgress.MAX_FAILED_ATTEMPTS);
        return with(then, failedAttempts, error, now, revision);
    }

    private StoredKey with(KeyState next, int failedAttempts, String lastError, Instant now, Revision revision) {
        KeyProgress progress = new KeyProgress(next, key().attempts(), failedAttempts, lastError, now);
        return stored.with(new StoredProgress(progress, revision));
    }

    private static KeyState.Locked locked(RecoveryPoint at, Instant now, Duration lease) {
        return new KeyState.Locked(at, now, Transitions.millis(now.plus(lease)));
    }

    /** Whether the store has the key; not that of a request of one stage, which was never locked. */
    boolean isStored() {
        return key().attempts() > 0;
    }

    StoredKey stored() {
        return stored;
    }

    Revision revision() {
        return stored.revision();
    }

    /** Until when no other worker may take the key over. */
    Instant leaseEnds() {
        return state.leaseEnds();
    }

    /** How long it was taken for. */
    Duration lease() {
        return Transitions.lease(state);
    }

    /**
     * What is known of the key.
     *
     * @return the view as of the write that gave this held key
     */
    public IdempotencyKey key() {
        return stored.key();
    }

    /**
     * The key's identity.
     *
     * @return scope and value
     */
    public KeyId id() {
        return stored.id();
    }

    /**
     * Where the next stage begins.
     *
     * @return any but {@code finished}
     */
    public RecoveryPoint recoveryPoint() {
        return state.recoveryPoint();
    }

    /** Returns the view's text. */
    @Override
    public String toString() {
        return "Held" + key();
    }
}
