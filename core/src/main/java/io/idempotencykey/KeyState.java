package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Instant;
import java.util.function.Function;

/**
 * The state of an idempotency key, each with only the data that this state has.
 *
 * <p>Immutable. All times are the store's, in UTC, and whole milliseconds.
 */
public sealed interface KeyState {
    /**
     * Where the next attempt resumes; {@link RecoveryPoint#FINISHED} if there is nothing left to do.
     *
     * @return the recovery point
     */
    RecoveryPoint recoveryPoint();

    /**
     * Applies the function for the state at hand; there is one per state and no other case.
     *
     * @param <R> the functions' result
     * @param open applied to an open state
     * @param locked applied to a locked state
     * @param finished applied to a finished state
     * @param quarantined applied to a quarantined state
     * @return what the function returned
     */
    <R> R match(
            Function<? super Open, ? extends R> open,
            Function<? super Locked, ? extends R> locked,
            Function<? super Finished, ? extends R> finished,
            Function<? super Quarantined, ? extends R> quarantined);

    /**
     * Nobody works on the request; whoever locks the key may.
     *
     * @param recoveryPoint any but {@code finished}
     * @param resumableFrom from this instant on the request counts as abandoned unless its client comes back
     */
    record Open(RecoveryPoint recoveryPoint, Instant resumableFrom) implements KeyState {
        /**
         * Checks the recovery point and the time.
         *
         * @param recoveryPoint as said of the record
         * @param resumableFrom as said of the record
         */
        public Open {
            unfinished(recoveryPoint);
            Arguments.required(resumableFrom, "resumableFrom");
        }

        @Override
        public <R> R match(
                Function<? super Open, ? extends R> open,
                Function<? super Locked, ? extends R> locked,
                Function<? super Finished, ? extends R> finished,
                Function<? super Quarantined, ? extends R> quarantined) {
            return Arguments.required(open, "open").apply(this);
        }
    }

    /**
     * One worker holds the key.
     *
     * @param recoveryPoint any but {@code finished}
     * @param lockedAt when the lock was taken, or its lease last renewed
     * @param leaseEnds from this instant on another worker may take the key over
     */
    record Locked(RecoveryPoint recoveryPoint, Instant lockedAt, Instant leaseEnds) implements KeyState {
        /**
         * Checks the recovery point and the times.
         *
         * @param recoveryPoint as said of the record
         * @param lockedAt as said of the record
         * @param leaseEnds as said of the record
         */
        public Locked {
            unfinished(recoveryPoint);
            Arguments.required(lockedAt, "lockedAt");
            Arguments.required(leaseEnds, "leaseEnds");
        }

        @Override
        public <R> R match(
                Function<? super Open, ? extends R> open,
                Function<? super Locked, ? extends R> locked,
                Function<? super Finished, ? extends R> finished,
                Function<? super Quarantined, ? extends R> quarantined) {
            return Arguments.required(locked, "locked").apply(this);
        }
    }

    /**
     * The request has its response, which every retry gets until the key expires.
     *
     * @param response what the first caller got
     * @param finishedAt when it was stored
     * @param expiresAt from this instant on the key counts as absent
     */
    record Finished(Response response, Instant finishedAt, Instant expiresAt) implements KeyState {
        /**
         * Checks that nothing is missing.
         *
         * @param response as said of the record
         * @param finishedAt as said of the record
         * @param expiresAt as said of the record
         */
        public Finished {
            Arguments.required(response, "response");
            Arguments.required(finishedAt, "finishedAt");
            Arguments.required(expiresAt, "expiresAt");
        }

        @Override
        public RecoveryPoint recoveryPoint() {
            return RecoveryPoint.FINISHED;
        }

        @Override
        public <R> R match(
                Function<? super Open, ? extends R> open,
                Function<? super Locked, ? extends R> locked,
                Function<? super Finished, ? extends R> finished,
                Function<? super Quarantined, ? extends R> quarantined) {
            return Arguments.required(finished, "finished").apply(this);
        }
    }

    /**
     * The request could not be brought to its end; a person has to look at it.
     *
     * @param recoveryPoint any but {@code finished}
     * @param since when the key was put aside
     * @param reason why, for a person to read; at most 1,000 characters without control characters
     */
    record Quarantined(RecoveryPoint recoveryPoint, Instant since, String reason) implements KeyState {
        /** The most characters that a reason may have. */
        public static final int MAX_REASON_LENGTH = 1_000;

        /**
         * Checks the recovery point and the reason.
         *
         * @param recoveryPoint as said of the record
         * @param since as said of the record
         * @param reason as said of the record
         */
        public Quarantined {
            unfinished(recoveryPoint);
            Arguments.required(since, "since");
            Arguments.line(MAX_REASON_LENGTH, reason, "reason");
        }

        @Override
        public <R> R match(
                Function<? super Open, ? extends R> open,
                Function<? super Locked, ? extends R> locked,
                Function<? super Finished, ? extends R> finished,
                Function<? super Quarantined, ? extends R> quarantined) {
            return Arguments.required(quarantined, "quarantined").apply(this);
        }
    }

    private static void unfinished(RecoveryPoint recoveryPoint) {
        if (Arguments.required(recoveryPoint, "recoveryPoint").equals(RecoveryPoint.FINISHED)) {
            throw Arguments.refused(
                    "recoveryPoint", recoveryPoint, "any but 'finished', which only a response reaches");
        }
    }
}
