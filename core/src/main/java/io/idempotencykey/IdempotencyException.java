package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Why the library refused or could not do what it was asked to.
 *
 * <p>Each kind has the HTTP status that suits it, the key concerned and, where trying again makes sense, how long to
 * wait first. Messages say what to do, and show a key's value cut to eight characters, since it may be a secret.
 *
 * <p>All that an exception says is kept when it is serialized, the whole key and a stored response included.
 */
public abstract sealed class IdempotencyException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final Duration SOON = Duration.ofSeconds(1);

    /** The key concerned; {@code null} if there is none in particular. */
    private final @Nullable KeyId keyId;

    /** The status that suits the error. */
    private final int httpStatus;

    /** How long to wait; {@code null} if trying again won't help. */
    private final @Nullable Duration retryAfter;

    private IdempotencyException(
            @Nullable KeyId keyId,
            int httpStatus,
            @Nullable Duration retryAfter,
            String message,
            @Nullable Throwable cause) {
        super(message, cause);
        this.keyId = keyId;
        this.httpStatus = httpStatus;
        this.retryAfter = retryAfter;
    }

    /**
     * The key concerned.
     *
     * @return empty if there is no legal key, or none in particular
     */
    public final Optional<KeyId> keyId() {
        return Optional.ofNullable(keyId);
    }

    /**
     * The kind's name, as it stands in the types of problems and in metrics.
     *
     * @return the class's simple name in lower case with hyphens, such as {@code invalid-key}
     */
    public final String kind() {
        return getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])", "-").toLowerCase(Locale.ROOT);
    }

    /**
     * The status that suits the error.
     *
     * @return an HTTP status code
     */
    public final int httpStatus() {
        return httpStatus;
    }

    /**
     * How long to wait before trying again.
     *
     * @return empty if trying again won't help
     */
    public final Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    /** There is no key where one is needed, or it has an illegal form: 400. Nothing was read or written. */
    public static final class InvalidKey extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made where the form of keys is checked.
         *
         * @param message what was refused and what is allowed
         */
        public InvalidKey(String message) {
            super(null, 400, null, message, null);
        }
    }

    /** There is no such key, or it has expired: 404. Nothing was written. */
    public static final class NotFound extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key that isn't there
         */
        public NotFound(KeyId keyId) {
            super(keyId, 404, null, "there is no key " + keyId + ", or it has expired", null);
        }
    }

    /** {@code create} met a key that exists: 409. The existing key is as it was. */
    public static final class KeyExists extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key that exists
         */
        public KeyExists(KeyId keyId) {
            super(keyId, 409, null, "key " + keyId + " exists; use initializeRequest or claim to go on with it", null);
        }
    }

    /** Another worker holds the key: 409. The key is as it was. */
    public static final class Locked extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key that is held
         * @param retryAfter when it makes sense to ask again; the holder may be done earlier, or keep the key longer
         */
        public Locked(KeyId keyId, Duration retryAfter) {
            super(keyId, 409, retryAfter, "key " + keyId + " is held by another worker; try again later", null);
        }
    }

    /**
     * The held key was taken over, released or changed by someone else meanwhile, or the key isn't any more as an
     * operator looked at it: 409. Nothing that was to be written has been written; where an answer was lost on the way,
     * so that nobody can say that, the error is {@link OutcomeUnknown}.
     */
    public static final class StaleKey extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key that is no longer held
         * @param cause what went wrong on the way, if anything did
         */
        public StaleKey(KeyId keyId, @Nullable Throwable cause) {
            this(
                    keyId,
                    SOON,
                    "key " + keyId
                            + " is no longer held by this worker; send the request again to get what became of it",
                    cause);
        }

        private StaleKey(KeyId keyId, @Nullable Duration retryAfter, String message, @Nullable Throwable cause) {
            super(keyId, 409, retryAfter, message, cause);
        }

        /**
         * Made by the service for an operator.
         *
         * @param keyId the key that was looked at
         * @param change what has become of it since
         * @return to be thrown
         */
        public static StaleKey ofSeen(KeyId keyId, String change) {
            return new StaleKey(
                    keyId,
                    null,
                    "key " + keyId + " isn't as it was looked at: " + change + "; look at it again, and then decide",
                    null);
        }
    }

    /** {@code lock} met a key that has its response: 409. The key is as it was. */
    public static final class AlreadyFinished extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** What to replay. */
        private final Response response;

        /**
         * Made by the service.
         *
         * @param keyId the finished key
         * @param response its response
         */
        public AlreadyFinished(KeyId keyId, Response response) {
            super(keyId, 409, null, "key " + keyId + " is finished; replay its response", null);
            this.response = Arguments.required(response, "response");
        }

        /**
         * What to replay.
         *
         * @return the stored response
         */
        public Response response() {
            return response;
        }
    }

    /** The key was made for another request: 422. The key is as it was. */
    public static final class Mismatch extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** That of the first request. */
        private final Fingerprint expected;

        /** That of the request at hand. */
        private final Fingerprint actual;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param expected the fingerprint stored with the key
         * @param actual the fingerprint of the request that was refused
         */
        public Mismatch(KeyId keyId, Fingerprint expected, Fingerprint actual) {
            super(
                    keyId,
                    422,
                    null,
                    "key " + keyId + " was used for another operation, method, path or parameters; use a new key for a"
                            + " new request",
                    null);
            this.expected = Arguments.required(expected, "expected");
            this.actual = Arguments.required(actual, "actual");
        }

        /**
         * The stored fingerprint.
         *
         * @return that of the first request
         */
        public Fingerprint expected() {
            return expected;
        }

        /**
         * The refused request's fingerprint.
         *
         * @return that of the request at hand
         */
        public Fingerprint actual() {
            return actual;
        }
    }

    /** The key was put aside after too many failed attempts: 409. The key is as it was; a person has to decide. */
    public static final class Quarantined extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** For an operator to read. */
        private final String reason;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param reason why it was put aside
         */
        public Quarantined(KeyId keyId, String reason) {
            super(keyId, 409, null, "key " + keyId + " is quarantined and waits for an operator", null);
            this.reason = Arguments.required(reason, "reason");
        }

        /**
         * Why the key was put aside; not part of the message, which may reach a client.
         *
         * @return for an operator to read
         */
        public String reason() {
            return reason;
        }
    }

    /**
     * The key stands at a recovery point that the operation doesn't declare: 500. The key is untouched if it stood
     * there before; if a stage tried to advance there, the stage was rolled back and the key released.
     */
    public static final class UnknownRecoveryPoint extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** As it is stored, or as the stage named it. */
        private final RecoveryPoint recoveryPoint;

        /** Those that would be known; an array, since a {@link Set} may not be serializable. */
        private final RecoveryPoint[] known;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param recoveryPoint the point that isn't known
         * @param known those that would be
         */
        public UnknownRecoveryPoint(KeyId keyId, RecoveryPoint recoveryPoint, Set<RecoveryPoint> known) {
            this(
                    keyId,
                    recoveryPoint,
                    known,
                    "recovery point '" + recoveryPoint + "' of key " + keyId + " is none of " + known
                            + "; run a version of the application that declares it");
        }

        /**
         * Made by the service for a stage that advanced to a point that it doesn't declare.
         *
         * @param keyId the key
         * @param stage where the stage began
         * @param recoveryPoint the point that isn't known
         * @param known those that the stage declares
         */
        public UnknownRecoveryPoint(
                KeyId keyId, RecoveryPoint stage, RecoveryPoint recoveryPoint, Set<RecoveryPoint> known) {
            this(
                    keyId,
                    recoveryPoint,
                    known,
                    "the stage at '" + stage + "' of key " + keyId + " advanced to '" + recoveryPoint
                            + "', which is none of " + known + "; declare it by StageOption.advancesTo");
        }

        private UnknownRecoveryPoint(
                KeyId keyId, RecoveryPoint recoveryPoint, Set<RecoveryPoint> known, String message) {
            super(keyId, 500, null, message, null);
            this.recoveryPoint = Arguments.required(recoveryPoint, "recoveryPoint");
            this.known = Set.copyOf(Arguments.required(known, "known")).toArray(RecoveryPoint[]::new);
        }

        /**
         * The point that isn't known.
         *
         * @return as it is stored, or as the stage named it
         */
        public RecoveryPoint recoveryPoint() {
            return recoveryPoint;
        }

        /**
         * The points that would be known.
         *
         * @return in no particular order
         */
        public Set<RecoveryPoint> known() {
            return Set.of(known);
        }
    }

    /**
     * A response's body, or its headers together, are longer than the service stores: 500. The stage was rolled back
     * and the key released; an update's or an operator's key is as it was.
     */
    public static final class ResponseTooLarge extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** The length of what was refused, in bytes. */
        private final int length;

        /** The longest of its kind that is stored, in bytes. */
        private final int limit;

        /**
         * Made by the service for a body.
         *
         * @param keyId the key
         * @param length the body's length in bytes
         * @param limit the longest that is stored, in bytes
         */
        public ResponseTooLarge(KeyId keyId, int length, int limit) {
            this(
                    keyId,
                    length,
                    limit,
                    "the body of the response of key " + keyId + " has " + length + " bytes, and at most " + limit
                            + " are stored; store a reference to it instead, or raise the service's maxResponseBytes");
        }

        private ResponseTooLarge(KeyId keyId, int length, int limit, String message) {
            super(keyId, 500, null, message, null);
            this.length = length;
            this.limit = limit;
        }

        /**
         * Made by the service for headers.
         *
         * @param keyId the key
         * @param length the length of all headers together in bytes, as HTTP/1.1 writes them
         * @param limit the longest that are stored, in bytes
         * @return to be thrown
         */
        public static ResponseTooLarge ofHeaders(KeyId keyId, int length, int limit) {
            return new ResponseTooLarge(
                    keyId,
                    length,
                    limit,
                    "the headers of the response of key " + keyId + " have " + length + " bytes, and at most " + limit
                            + " are stored, since a server may be unable to send more; shorten them, or raise the"
                            + " service's maxHeaderBytes together with the server's limit");
        }

        /**
         * The length of the refused body, or of the refused headers together.
         *
         * @return in bytes
         */
        public int length() {
            return length;
        }

        /**
         * The longest body that is stored, or the longest headers.
         *
         * @return in bytes
         */
        public int limit() {
            return limit;
        }
    }

    /**
     * A stage met transient failures until its tries or its lease were used up: 503. Nothing of the last try is kept;
     * the key was released if the store allowed it, else its lease runs out.
     */
    public static final class RetriesExhausted extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /** How many times the stage ran. */
        private final int tries;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param tries how many times the stage ran
         * @param cause the last failure
         */
        public RetriesExhausted(KeyId keyId, int tries, @Nullable Throwable cause) {
            super(
                    keyId,
                    503,
                    SOON,
                    "the stage of key " + keyId + " met transient failures until it had to give up (tries: " + tries
                            + "); send the request again",
                    cause);
            this.tries = tries;
        }

        /**
         * How many times the stage ran.
         *
         * @return at least 1
         */
        public int tries() {
            return tries;
        }
    }

    /** The store has no room for another key: 503. Nothing was written, and no promised replay was dropped. */
    public static final class StoreFull extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key that found no room
         * @param cause the store's failure
         */
        public StoreFull(KeyId keyId, @Nullable Throwable cause) {
            super(
                    keyId,
                    503,
                    SOON,
                    "the store has no room for key " + keyId + "; try again when keys have expired",
                    cause);
        }
    }

    /**
     * The store could not be used: 503. The call's change was not made; a key that was held is given back if that can
     * be written, and otherwise stays so for its lease.
     */
    public static final class StoreUnavailable extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key; {@code null} if the call concerned none
         * @param cause the store's failure
         */
        public StoreUnavailable(@Nullable KeyId keyId, @Nullable Throwable cause) {
            super(
                    keyId,
                    503,
                    SOON,
                    "the store could not be used" + (keyId == null ? "" : " for key " + keyId) + "; try again later",
                    cause);
        }
    }

    /**
     * What is stored of the key can't be read, because a newer version of the library or another program wrote it: 500.
     * It is left as it is. Trying again doesn't help; a version that knows what is stored can read it, or an operator
     * has to mend or to remove it.
     */
    public static final class UnreadableKey extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param cause the store's failure, which says what can't be read
         */
        public UnreadableKey(KeyId keyId, @Nullable Throwable cause) {
            super(
                    keyId,
                    500,
                    null,
                    "what is stored of key " + keyId
                            + " can't be read, and trying again won't help; an operator has to look at it",
                    cause);
        }
    }

    /**
     * The answer to a write was lost, and it couldn't be found out since whether it was made, because the store
     * couldn't be asked, or another worker has moved the key on meanwhile: 503. The change was made as a whole or not
     * at all; sending the request again gets what became of it, or goes on from there. A key that was held is to be
     * locked again. The cause is the failure that lost the answer, if that is known.
     */
    public static final class OutcomeUnknown extends IdempotencyException {
        private static final long serialVersionUID = 1L;

        /**
         * Made by the service.
         *
         * @param keyId the key
         * @param cause the store's failure
         */
        public OutcomeUnknown(KeyId keyId, @Nullable Throwable cause) {
            super(
                    keyId,
                    503,
                    SOON,
                    "whether the last change of key " + keyId + " was made is not known; send the request again to find"
                            + " out",
                    cause);
        }
    }
}
