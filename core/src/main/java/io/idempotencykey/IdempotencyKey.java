package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.UUID;

/**
 * What is known of a key: a view, which gives no right to change the key.
 *
 * <p>Immutable. All times are the store's, in UTC, and whole milliseconds.
 *
 * @param id scope and value
 * @param creationId random, given when the key was created; a key that expired and was created anew has another
 * @param operation the name of the declared operation that the key was made for; empty if there is none
 * @param request the request that the key was made for
 * @param fingerprint the digest of operation and request that every retry is compared with
 * @param createdAt when the key was created
 * @param updatedAt when the key was last written
 * @param attempts how many times the key was locked; only grows, so it orders attempts towards other systems
 * @param failedAttempts how many attempts ended with an exception since the last committed stage
 * @param lastError class and message of what ended the last of them, at most 1,000 characters; empty if there is none
 * @param state the key's state
 */
public record IdempotencyKey(
        KeyId id,
        UUID creationId,
        String operation,
        Request request,
        Fingerprint fingerprint,
        Instant createdAt,
        Instant updatedAt,
        long attempts,
        int failedAttempts,
        String lastError,
        KeyState state) {
    /** The most characters that are kept of an error. */
    public static final int MAX_ERROR_LENGTH = 1_000;

    /**
     * Checks that nothing is missing and that the counters aren't negative.
     *
     * @param id as said of the record
     * @param creationId as said of the record
     * @param operation as said of the record
     * @param request as said of the record
     * @param fingerprint as said of the record
     * @param createdAt as said of the record
     * @param updatedAt as said of the record
     * @param attempts as said of the record
     * @param failedAttempts as said of the record
     * @param lastError as said of the record
     * @param state as said of the record
     */
    public IdempotencyKey {
        Arguments.required(id, "id");
        Arguments.required(creationId, "creationId");
        if (!Arguments.required(operation, "operation").isEmpty()) {
            Arguments.name(operation, "operation");
        }
        Arguments.required(request, "request");
        Arguments.required(fingerprint, "fingerprint");
        Arguments.required(createdAt, "createdAt");
        Arguments.required(updatedAt, "updatedAt");
        Arguments.line(MAX_ERROR_LENGTH, lastError, "lastError");
        Arguments.required(state, "state");
        if (attempts < 0) {
            throw Arguments.refused("attempts", attempts, "0 or more");
        }
        if (failedAttempts < 0) {
            throw Arguments.refused("failedAttempts", failedAttempts, "0 or more");
        }
    }

    /**
     * Where the next attempt resumes.
     *
     * @return the state's recovery point
     */
    public RecoveryPoint recoveryPoint() {
        return state.recoveryPoint();
    }

    /**
     * A stable idempotency key for a call to another system.
     *
     * <p>Computed from the creation id and the name: the same in every attempt, another one once the key has expired and
     * was created anew, and of no use for guessing this key. Use one name per call that the request makes.
     *
     * @param name what the call is for, such as {@code "charge"}: 1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'}
     *     and {@code '-'}
     * @return 36 characters in the form of a UUID (version 8 of RFC 9562)
     * @throws IllegalArgumentException if the name has an illegal character or length
     */
    public String derivedKey(String name) {
        Arguments.name(name, "name");
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        digest.update(ByteBuffer.allocate(16)
                .putLong(creationId.getMostSignificantBits())
                .putLong(creationId.getLeastSignificantBits())
                .array());
        ByteBuffer bytes = ByteBuffer.wrap(digest.digest(name.getBytes(StandardCharsets.US_ASCII)));
        long high = (bytes.getLong() & 0xffffffffffff0fffL) | 0x8000L;
        long low = (bytes.getLong() & 0x3fffffffffffffffL) | 0x8000000000000000L;
        return new UUID(high, low).toString();
    }

    /** Returns identity, state and counters; never the request or an error. */
    @Override
    public String toString() {
        String shown = state.match(open -> "open", locked -> "locked", finished -> "finished", put -> "quarantined");
        return "IdempotencyKey[" + id + ", " + shown + " at " + recoveryPoint() + ", attempt " + attempts + "]";
    }
}
