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
    /** Refuses a missing part. */
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

    /**
     * The half that changes, with the revision of this write.
     *
     * @return what a stage's commit would write of this key
     */
    public StoredProgress progress() {
        return new StoredProgress(key.progress(), revision);
    }

    /**
     * This creation of the key after another write.
     *
     * @param next what was written
     * @return the key as it is stored then
     */
    public StoredKey with(StoredProgress next) {
        return new StoredKey(new IdempotencyKey(key.creation(), next.progress()), next.revision());
    }

    /** Returns the view's text; never the revision. */
    @Override
    public String toString() {
        return key.toString();
    }
}
