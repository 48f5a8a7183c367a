package io.idempotencykey.benchmarks;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** The request that every side is asked to do, and its keys. */
final class Example {
    static final String SCOPE = "shop";
    static final String OPERATION = "place-order";
    static final String PATH = "/carts/42/complete";
    static final Map<String, Object> PARAMETERS = Map.of("cart", 42, "email", "a@example.org", "express", true);
    static final String PARAMETERS_JSON = "{\"cart\":42,\"email\":\"a@example.org\",\"express\":true}";
    static final String HEADERS_JSON = "{\"content-type\":[\"application/json\"]}";
    static final String BODY = "{\"order\":\"8e03978e-40d5-43dd-bc93-6894a57f9324\",\"total\":\"42.00\"}";

    private static final MessageDigest SHA_256 = prototype();

    private Example() {}

    /** A key like a client's, by a generator that costs the sides nothing. */
    static String newKey() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }

    /** One of the keys that are stored before the measurement. */
    static String storedKey(long number, int stored) {
        return "copy-" + (Math.floorMod(number, stored) + 1);
    }

    /** A new key that an index has somewhere among those. */
    static String keyAmong(int stored) {
        return storedKey(ThreadLocalRandom.current().nextInt(stored), stored) + "-" + newKey();
    }

    /** As in code written by hand: the digest of what the request says. */
    static String fingerprint() {
        MessageDigest digest = sha256();
        digest.update(PATH.getBytes(StandardCharsets.UTF_8));
        return "v1:" + HexFormat.of().formatHex(digest.digest(PARAMETERS_JSON.getBytes(StandardCharsets.UTF_8)));
    }

    /** A copy, which takes less time than to look the algorithm up. */
    static MessageDigest sha256() {
        try {
            return (MessageDigest) SHA_256.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("Java's own SHA-256 can be copied", e);
        }
    }

    private static MessageDigest prototype() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
