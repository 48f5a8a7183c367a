package io.idempotencykey.inmemory;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;

/** Keys that differ in nothing but their number and that of their revision. */
final class Keys {
    static final Instant NOW = Instant.parse("2040-02-29T23:59:59.999Z");

    private static final Request REQUEST = Request.of("POST", "/carts/42/complete", Map.of("cart", 42));
    private static final Fingerprint FINGERPRINT = Fingerprint.of("", REQUEST);
    private static final KeyState OPEN = new KeyState.Open(RecoveryPoint.STARTED, NOW);
    private static final KeyState EXPIRED = new KeyState.Finished(Response.of(201, "text/plain", "done"), NOW, NOW);

    /** Made once, since the model checker slows down whatever runs within a thread that it controls. */
    private static final List<List<StoredKey>> STORED = IntStream.range(0, 2)
            .mapToObj(key -> IntStream.range(0, 5)
                    .mapToObj(revision -> make(key, revision))
                    .toList())
            .toList();

    private Keys() {}

    static KeyId id(int key) {
        return STORED.get(key).get(0).id();
    }

    static Revision revision(int number) {
        return STORED.get(0).get(number).revision();
    }

    static int number(StoredKey key) {
        return (int) key.revision().value().getLeastSignificantBits();
    }

    /** Those of an odd revision are finished, and have expired. */
    static boolean isExpired(int revision) {
        return revision % 2 == 1;
    }

    static StoredKey stored(int key, int revision) {
        return STORED.get(key).get(revision);
    }

    static StoredKey make(int key, int revision) {
        return new StoredKey(
                new IdempotencyKey(
                        new KeyCreation(KeyId.of("key-" + key), new UUID(1, key), "", REQUEST, FINGERPRINT, NOW),
                        new KeyProgress(isExpired(revision) ? EXPIRED : OPEN, 1, 0, "", NOW)),
                new Revision(new UUID(0, revision)));
    }
}
