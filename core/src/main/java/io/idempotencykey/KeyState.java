package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Instant;

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
     * The state's name, as it is stored and shown.
     *
     * @return {@code open}, {@code locked}, {@code failed}, {@code finished} or {@code quarantined}
     */
    String name();

    /**
     * Calls the visitor's method for the state at hand.
     *
     * @param <R> the visitor's result
     * @param visitor has one method per state
     * @return what that method returned
     */
    <R> R accept(Visitor<R> visitor);

    /**
     * Has one method for each state, so that code doesn't compile until it handles a state that was added.
     *
     * @param <R> the result
     */
    interface Visitor<R> {
        /**
         * Nobody works on the request.
         *
         * @param open the state
         * @return the result
         */
        R open(Open open);

        /**
         * One worker holds the key.
         *
         * @param locked the state
         * @return the result
         */
        R locked(Locked locked);

        /**
         * The request failed, and waits for its client alone.
         *
         * @param failed the state
         * @return the result
         */
        R failed(Failed failed);

        /**
         * The request has its response.
         *
         * @param finished the state
         * @return the result
         */
        R finished(Finished finished);

        /**
         * The key waits for a person.
         *
         * @param quarantined the state
         * @return the result
         */
        R quarantined(Quarantined quarantined);
    }

    /**
     * Nobody works on the request; any worker may lock the key.
     *
     * @param recoveryPoint any but {@code finished}
     * @param resumableFrom from this instant on the completer may take the request, unless its client comes back
     */
    record Open(RecoveryPoint recoveryPoint, Instant resumableFrom) implements KeyState {
        /** Checks the recovery point and the time. */
        public Open {
            unfinished(recoveryPoint);
            Arguments.required(resumableFrom, "resumableFrom");
        }

        @Override
        public String name() {
            return "open";
        }

        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.open(this);
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
        /** Checks the recovery point and the times. */
        public Locked {
            unfinished(recoveryPoint);
            Arguments.required(lockedAt, "lockedAt");
            Arguments.required(leaseEnds, "leaseEnds");
        }

        @Override
        public String name() {
            return "locked";
        }

        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.locked(this);
        }
    }

    /**
     * The request has committed nothing, and its client was told of an exception: only that client brings it on.
     *
     * <p>The completer leaves it alone. Once it has expired it counts as absent.
     *
     * @param expiresAt from this instant on the key counts as absent
     */
    record Failed(Instant expiresAt) implements KeyState {
        /** Checks that nothing is missing. */
        public Failed {
            Arguments.required(expiresAt, "expiresAt");
        }

        @Override
        public RecoveryPoint recoveryPoint() {
            return RecoveryPoint.STARTED;
        }

        @Override
        public String name() {
            return "failed";
        }

        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.failed(this);
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
        /** Checks that nothing is missing. */
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
        public String name() {
            return "finished";
        }

        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.finished(this);
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

        /** Checks the recovery point and the reason. */
        public Quarantined {
            unfinished(recoveryPoint);
            Arguments.required(since, "since");
            Arguments.line(MAX_REASON_LENGTH, reason, "reason");
        }

        @Override
        public String name() {
            return "quarantined";
        }

        @Override
        public <R> R accept(Visitor<R> visitor) {
            return visitor.quarantined(this);
        }
    }

    private static void unfinished(RecoveryPoint recoveryPoint) {
        if (Arguments.required(recoveryPoint, "recoveryPoint").equals(RecoveryPoint.FINISHED)) {
            throw Arguments.refused(
                    "recoveryPoint", recoveryPoint, "any but 'finished', which only a response reaches");
        }
    }
}
