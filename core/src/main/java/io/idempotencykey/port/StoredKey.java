package io.idempotencykey.port;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.internal.Arguments;

/**
 * A key as it is stored: what is known of it, and the revision of this write.
 *
 * @param key everything but the revision
 * @param revision new at every write
 */
public record StoredKey(IdempotencyKey key, Revision revision) {
    /**
     * Checks that nothing is missing.
     *
     * @param key as said of the record
     * @param revision as said of the record
     */
    public StoredKey {
        Arguments.required(key, "key");
        Arguments.required(revision, "revision");
    }

    /**
     * The key's identity.
     *
     * @return scope and value
     */
    public KeyId id() {
        return key.id();
    }

    /** Returns the view's text; never the revision. */
    @Override
    public String toString() {
        return key.toString();
    }
}
