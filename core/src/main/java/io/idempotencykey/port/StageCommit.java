package io.idempotencykey.port;

import io.idempotencykey.internal.Arguments;
import org.jspecify.annotations.Nullable;

/**
 * What became of a stage's transaction.
 *
 * @param kind what became of it
 * @param cause the store's or the stage's error; {@code null} if it was committed, fenced off or held, and only then
 */
public record StageCommit(Kind kind, @Nullable Throwable cause) {
    private static final StageCommit COMMITTED = new StageCommit(Kind.COMMITTED, null);
    private static final StageCommit FENCED_OFF = new StageCommit(Kind.FENCED_OFF, null);
    private static final StageCommit HELD = new StageCommit(Kind.HELD, null);

    /** What can become of a stage's transaction. */
    public enum Kind {
        /** The stage's writes and the key's change are durable, together. */
        COMMITTED,
        /** Another key, or another revision, is stored, and everything is rolled back. */
        FENCED_OFF,
        /** Another transaction holds the key; the work was not called, and nothing is written. */
        HELD,
        /**
         * The work threw, and everything is rolled back; running it again would not help. Or the work was not called at
         * all, for a reason that won't pass by itself, such as a full store.
         */
        ROLLED_BACK,
        /**
         * The store rolled everything back for certain, for a reason that may be gone when the work is run again: a
         * serialization failure, a deadlock, a connection lost before the commit was sent, a transaction that was
         * doomed at the fence.
         */
        TRANSIENTLY_ROLLED_BACK,
        /** The commit was sent and its answer was lost: all is committed, or nothing is, now or a little later. */
        UNKNOWN
    }

    /**
     * Checks that the kinds that have a cause get one, and that the others get none.
     *
     * @param kind what became of the transaction
     * @param cause the error, where the kind has one
     */
    public StageCommit {
        boolean hasCause = switch (Arguments.required(kind, "kind")) {
            case COMMITTED, FENCED_OFF, HELD -> false;
            case ROLLED_BACK, TRANSIENTLY_ROLLED_BACK, UNKNOWN -> true;
        };
        if (hasCause) {
            Arguments.required(cause, "cause");
        } else if (cause != null) {
            throw Arguments.refused("cause", cause.getClass().getName(), "null for " + kind);
        }
    }

    /**
     * The stage is committed.
     *
     * @return of the kind {@link Kind#COMMITTED}
     */
    public static StageCommit committed() {
        return COMMITTED;
    }

    /**
     * The key has another revision.
     *
     * @return of the kind {@link Kind#FENCED_OFF}
     */
    public static StageCommit fencedOff() {
        return FENCED_OFF;
    }

    /**
     * Another transaction holds the key.
     *
     * @return of the kind {@link Kind#HELD}
     */
    public static StageCommit held() {
        return HELD;
    }

    /**
     * Rule 15: the stage failed for good, and that once; what the application rolled back is such a failure.
     *
     * @param cause what the work threw, as it is; or, if it was not called, a {@link StoreFailure} that says why
     * @return of the kind {@link Kind#ROLLED_BACK}
     */
    public static StageCommit rolledBack(Throwable cause) {
        return new StageCommit(Kind.ROLLED_BACK, cause);
    }

    /**
     * The stage may be run again.
     *
     * @param cause the store's error
     * @return of the kind {@link Kind#TRANSIENTLY_ROLLED_BACK}
     */
    public static StageCommit transientlyRolledBack(Throwable cause) {
        return new StageCommit(Kind.TRANSIENTLY_ROLLED_BACK, cause);
    }

    /**
     * Nobody knows.
     *
     * @param cause the store's error
     * @return of the kind {@link Kind#UNKNOWN}
     */
    public static StageCommit unknown(Throwable cause) {
        return new StageCommit(Kind.UNKNOWN, cause);
    }
}
