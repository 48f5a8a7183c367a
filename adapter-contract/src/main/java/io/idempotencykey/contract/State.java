package io.idempotencykey.contract;

/** Where a key can stand when somebody comes for it. */
enum State {
    ABSENT,
    OPEN,
    LOCKED,
    /** Locked, and the lease ends now. */
    LEASE_OVER,
    FINISHED,
    /** Finished, and expires now. */
    EXPIRED,
    QUARANTINED
}
