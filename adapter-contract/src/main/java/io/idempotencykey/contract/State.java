package io.idempotencykey.contract;

import java.time.Duration;

/** Where a key can stand when somebody comes for it. */
enum State {
    ABSENT,
    OPEN,
    LOCKED,
    /** Locked, and the lease ends now. */
    LEASE_OVER,
    /** Failed, and left to its client. */
    FAILED,
    /** The same, and expires now. */
    FAILED_EXPIRED,
    FINISHED,
    /** Finished, and expires now. */
    EXPIRED,
    QUARANTINED;

    /** How long ago a key came to its state. */
    static final Duration SINCE = Duration.ofSeconds(60);

    /** Whether the key counts as absent, and is created anew. */
    boolean isExpired() {
        return this == EXPIRED || this == FAILED_EXPIRED;
    }

    /** The lease of whoever takes a key in this state: one that was taken over grows. */
    Duration nextLease() {
        return this == LEASE_OVER ? SINCE.multipliedBy(2) : World.LEASE;
    }
}
