package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A versioned digest of an operation's name and a request, by which a retry is told from another request.
 *
 * <p>Version 1 is the SHA-256 of the operation's name, the method, the path and the parameters' canonical JSON, each in
 * UTF-8 and preceded by its length in four bytes.
 *
 * @param value the version, a colon and the digest, such as {@code v1:9f86d0…}; at most 128 characters
 */
public record Fingerprint(String value) implements Serializable {
    /**
     * Checks the format; a version that this library doesn't know is legal.
     *
     * @throws IllegalArgumentException if the value isn't a version, a colon and a digest
     */
    public Fingerprint {
        if (!isLegal(Arguments.required(value, "value"))) {
            throw Arguments.refused("value", value, "a version, a colon and a digest");
        }
    }

    /** A version of 1 to 4 digits, and a digest of 1 to 120 visible characters. Every key that is read has one. */
    private static boolean isLegal(String value) {
        int colon = value.indexOf(':');
        return value.startsWith("v")
                && colon >= 2
                && colon <= 5
                && value.charAt(1) != '0'
                && Arguments.all(value.substring(1, colon), c -> c >= '0' && c <= '9')
                && value.length() > colon + 1
                && Arguments.isVisible(colon + 1 + 120, value);
    }

    /**
     * Computes the fingerprint in the newest version.
     *
     * @param operation the name of the declared operation; empty if there is none
     * @param request the request
     * @return the fingerprint
     * @throws IllegalArgumentException if the operation's name is neither empty nor one that an operation can have
     */
    public static Fingerprint of(String operation, Request request) {
        if (!Arguments.required(operation, "operation").isEmpty()) {
            Arguments.name(operation, "operation");
        }
        Arguments.required(request, "request");
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        byte[][] parts = {
            operation.getBytes(StandardCharsets.UTF_8),
            request.method().getBytes(StandardCharsets.UTF_8),
            request.path().getBytes(StandardCharsets.UTF_8),
            request.canonicalJson().getBytes(StandardCharsets.UTF_8)
        };
        int length = 0;
        for (byte[] part : parts) {
            length += Integer.BYTES + part.length;
        }
        // All at once, since each part by itself takes the digest longer.
        ByteBuffer text = ByteBuffer.allocate(length);
        for (byte[] part : parts) {
            text.putInt(part.length).put(part);
        }
        return new Fingerprint("v1:" + HexFormat.of().formatHex(digest.digest(text.array())));
    }

    /** Returns the value. */
    @Override
    public String toString() {
        return value;
    }
}
