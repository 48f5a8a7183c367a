package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import java.lang.System.Logger.Level;
import java.time.Duration;

/**
 * Something that happened to a key, for metrics and monitoring.
 *
 * <p>Made after it happened, on the thread that did it. Durations are measured by the monotonic clock, ages by the
 * store's. No event carries a revision; take care that request, response and errors of a key stay out of logs.
 */
public sealed interface KeyEvent {
    /**
     * How noteworthy the event is; the library logs it at this level.
     *
     * @return {@code DEBUG} for what is usual, {@code INFO} for what is not, {@code WARNING} for what a person should
     *     see
     */
    Level level();

    /**
     * A key was made, by {@code create}, {@code initializeRequest} or {@code claim}; a claimed one is held at once.
     *
     * @param key the new key
     */
    record Created(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A request got the stored response.
     *
     * @param key the finished key
     */
    record Replayed(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A call of {@code claim}, {@code run} or {@code once} was answered by what its service knows of the key, without
     * asking the store.
     *
     * @param key finished; or as one of the service's threads holds it, or would create it
     */
    record Recalled(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A call was refused or failed.
     *
     * @param why says also which key, if there is one
     */
    record Refused(IdempotencyException why) implements KeyEvent {
        @Override
        public Level level() {
            return why.httpStatus() >= 500 ? Level.INFO : Level.DEBUG;
        }

        /** Returns the kind of refusal and the key, without the message, which may show a refused value. */
        @Override
        public String toString() {
            return "Refused[" + why.getClass().getSimpleName()
                    + why.keyId().map(id -> ", " + id).orElse("") + "]";
        }
    }

    /**
     * A call of {@code run} or {@code once} has returned; told last of all that it did.
     *
     * @param execution what it returned
     * @param duration how long it took, waiting for another worker included
     */
    record Answered(Execution execution, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A call of {@code run} or {@code once} ended with an exception; told last of all that it did.
     *
     * @param operation the operation's name
     * @param id the request's key
     * @param cause what reaches the caller: an {@link IdempotencyException} of this key if the request was refused or
     *     the library failed, anything else if the application did
     * @param duration how long it took, waiting for another worker included
     */
    record NotAnswered(String operation, KeyId id, Throwable cause, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }

        /**
         * Says why: the kind of the library's exception, or {@code failed} for one of the application's, be it one that
         * the library threw for another key.
         *
         * @return such as {@code locked} or {@code mismatch}
         */
        public String reason() {
            return cause instanceof IdempotencyException refused
                            && refused.keyId().map(id::equals).orElse(true)
                    ? refused.kind()
                    : "failed";
        }

        /** Returns the event without the cause's message, which may hold anything. */
        @Override
        public String toString() {
            return "NotAnswered[" + operation + ", " + id + ", "
                    + cause.getClass().getName() + ", " + duration + "]";
        }
    }

    /**
     * A {@code claim} found that another worker holds the key; {@code run} and {@code once} emit {@link Refused}.
     *
     * @param key as it is held
     * @param retryAfter when it makes sense to ask again
     */
    record FoundInFlight(IdempotencyKey key, Duration retryAfter) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A worker took a key that nobody held.
     *
     * @param key the held key
     */
    record Locked(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A worker took a key whose holder's lease had run out.
     *
     * @param key the key as it is held now
     */
    record TakenOver(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.INFO;
        }
    }

    /**
     * A stage's writes and the key's progress are committed.
     *
     * @param key as the stage left it
     * @param stage where the stage began
     * @param tries how many times it ran, 1 or more
     * @param duration from before the outside call to after the commit
     */
    record StageCommitted(IdempotencyKey key, RecoveryPoint stage, int tries, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * A stage met a transient failure and is run again.
     *
     * @param key as it is held, or would be created
     * @param tries how many times the stage ran so far
     * @param cause the failure
     * @param duration from before the outside call
     */
    record StageRetried(IdempotencyKey key, int tries, Throwable cause, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }

        /** Returns the event without the cause's message, which may hold anything. */
        @Override
        public String toString() {
            return "StageRetried[" + key + ", tries=" + tries + ", "
                    + cause.getClass().getName() + ", " + duration + "]";
        }
    }

    /**
     * A stage failed: nothing of it is kept, and the key was released or quarantined if the store allowed it. A request
     * of one stage in one transaction leaves no key.
     *
     * @param key as it was held, or would have been created
     * @param cause what reaches the caller
     * @param duration from before the outside call
     */
    record StageRolledBack(IdempotencyKey key, Throwable cause, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.INFO;
        }

        /** Returns the event without the cause's message, which may hold anything. */
        @Override
        public String toString() {
            return "StageRolledBack[" + key + ", " + cause.getClass().getName() + ", " + duration + "]";
        }
    }

    /**
     * A stage was not committed because its worker no longer held the key.
     *
     * @param key as it was held
     * @param duration from before the outside call
     */
    record FencedOff(IdempotencyKey key, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.WARNING;
        }
    }

    /**
     * A request has its response.
     *
     * @param key the finished key
     * @param age since the key was created
     */
    record Finished(IdempotencyKey key, Duration age) implements KeyEvent {
        @Override
        public Level level() {
            return Level.DEBUG;
        }
    }

    /**
     * The completer brought a request to its end.
     *
     * @param key the finished key
     * @param duration since the completer took it
     */
    record Completed(IdempotencyKey key, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.INFO;
        }
    }

    /**
     * The completer did not bring a request to its end: it could not take the key over, or a stage failed.
     *
     * @param key as it was found
     * @param cause why
     */
    record CompletionFailed(IdempotencyKey key, Throwable cause) implements KeyEvent {
        /** {@code WARNING} if the library or its store failed: then every completion may. */
        @Override
        public Level level() {
            return cause instanceof IdempotencyException refused && refused.httpStatus() >= 500
                    ? Level.WARNING
                    : Level.INFO;
        }

        /** Returns the event without the cause's message, which may hold anything. */
        @Override
        public String toString() {
            return "CompletionFailed[" + key + ", " + cause.getClass().getName() + "]";
        }
    }

    /**
     * A key was put aside for an operator.
     *
     * @param key the quarantined key
     */
    record Quarantined(IdempotencyKey key) implements KeyEvent {
        @Override
        public Level level() {
            return Level.WARNING;
        }
    }

    /**
     * An operator changed a key.
     *
     * @param key the key as it is now
     * @param action {@code retry}, {@code finish} or {@code discard}
     * @param by who did it
     */
    record Operated(IdempotencyKey key, String action, String by) implements KeyEvent {
        /** Who discarded a key stands nowhere else for long, so logs that have warnings only have it, too. */
        @Override
        public Level level() {
            return Level.WARNING;
        }
    }

    /**
     * The reaper removed expired keys.
     *
     * @param count how many, 1 or more
     * @param duration how long that took
     */
    record Expired(int count, Duration duration) implements KeyEvent {
        @Override
        public Level level() {
            return Level.INFO;
        }
    }
}
