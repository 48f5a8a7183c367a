package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;

/**
 * A key that this worker holds: the right to change it, until another one takes it over after its lease.
 *
 * <p>Immutable. Every change gives a new one and makes this one stale. It can't be made by hand, stored or guessed.
 */
public final class HeldKey {
    private final StoredKey stored;

    HeldKey(StoredKey stored) {
        this.stored = stored;
    }

    StoredKey stored() {
        return stored;
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
        return key().recoveryPoint();
    }

    /** Returns the view's text. */
    @Override
    public String toString() {
        return "Held" + key();
    }
}
