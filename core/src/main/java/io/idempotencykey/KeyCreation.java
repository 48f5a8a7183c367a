package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.UUID;

/**
 * What a key's creation fixed: it never changes until the key has expired and is created anew.
 *
 * <p>Immutable. The time is the store's, in UTC, and whole milliseconds.
 *
 * @param id scope and value
 * @param creationId random; a key that expired and was created anew has another
 * @param operation the name of the declared operation that the key was made for; empty if there is none
 * @param request the request that the key was made for
 * @param fingerprint the digest of operation and request that every retry is compared with
 * @param createdAt when the key was created
 */
public record KeyCreation(
        KeyId id, UUID creationId, String operation, Request request, Fingerprint fingerprint, Instant createdAt) {

    /** Refuses a missing part and an illegal operation name. */
    public KeyCreation {
        Arguments.required(id, "id");
        Arguments.required(creationId, "creationId");
        if (!Arguments.required(operation, "operation").isEmpty()) {
            Arguments.name(operation, "operation");
        }
        Arguments.required(request, "request");
        Arguments.required(fingerprint, "fingerprint");
        Arguments.required(createdAt, "createdAt");
    }

    /** The same creation of another request: what a stage sees where less is stored than its client sent. */
    KeyCreation of(Request seen) {
        return new KeyCreation(id, creationId, operation, seen, fingerprint, createdAt);
    }

    /** See {@link IdempotencyKey#derivedKey}. */
    String derivedKey(String name) {
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
}
