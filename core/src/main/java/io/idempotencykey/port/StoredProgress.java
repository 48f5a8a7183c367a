package io.idempotencykey.port;

import io.idempotencykey.KeyProgress;
import io.idempotencykey.internal.Arguments;

/**
 * What a stage's commit writes of its key: the progress, and the revision of this write. What the key's creation fixed
 * can't be changed by it.
 *
 * @param progress the key's new progress
 * @param revision new at every write
 */
public record StoredProgress(KeyProgress progress, Revision revision) {
    /** Refuses a missing part. */
    public StoredProgress {
        Arguments.required(progress, "progress");
        Arguments.required(revision, "revision");
    }

    /** Returns the progress's text; never the revision. */
    @Override
    public String toString() {
        return progress.toString();
    }
}
