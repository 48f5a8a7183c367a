package io.idempotencykey.benchmarks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The least that keeps keys in memory: a map of immutable records, each replaced atomically as often as the library
 * replaces a key. It digests the request and draws random revisions, and stores all that the library stores.
 *
 * <p>It finds no keys to resume and none that has expired, has no bound, and rolls nothing back.
 */
final class HandWrittenMap implements Requests {
    private static final Duration LEASE = Duration.ofSeconds(30);
    private static final Duration TIME_TO_LIVE = Duration.ofDays(1);

    private record Id(String scope, String value) {}

    private record Creation(
            Id id,
            UUID creationId,
            String operation,
            String method,
            String path,
            String parameters,
            boolean complete,
            String fingerprint,
            Instant createdAt) {}

    private record Answer(Instant finishedAt, int status, String headers, ByteBuffer body) {}

    private record Stored(
            Creation creation,
            Instant updatedAt,
            long attempts,
            int failedAttempts,
            String lastError,
            String state,
            String recoveryPoint,
            @Nullable Instant lockedAt,
            Instant dueAt,
            @Nullable Answer answer,
            UUID revision) {
        static Stored locked(Creation creation, String point, Duration lease) {
            Instant now = Instant.now();
            return new Stored(creation, now, 1, 0, "", "locked", point, now, now.plus(lease), null, UUID.randomUUID());
        }

        Stored finished() {
            Instant now = Instant.now();
            ByteBuffer body = ByteBuffer.wrap(Example.BODY.getBytes(StandardCharsets.UTF_8));
            Answer given = new Answer(now, 201, Example.HEADERS_JSON, body);
            return new Stored(
                    creation,
                    now,
                    attempts,
                    failedAttempts,
                    lastError,
                    "finished",
                    "finished",
                    null,
                    now.plus(TIME_TO_LIVE),
                    given,
                    UUID.randomUUID());
        }
    }

    private final Map<Id, Stored> keys = new ConcurrentHashMap<>();
    private final Map<String, String> bookings = new ConcurrentHashMap<>();
    private final boolean readsFirst;

    /**
     * An empty map.
     *
     * @param readsFirst whether a claim looks the key up before it inserts one
     */
    HandWrittenMap(boolean readsFirst) {
        this.readsFirst = readsFirst;
    }

    @Override
    public void stages(String key) {
        Stored claimed = claimed(key, "", LEASE);
        bookings.put(key + "-1", "reserved");
        Stored paid = Stored.locked(claimed.creation, "paid", LEASE);
        replace(claimed, paid);
        bookings.put(key + "-2", "placed");
        replace(paid, paid.finished());
    }

    @Override
    public void single(String key) {
        Stored claimed = claimed(key, Example.OPERATION, LEASE);
        bookings.put(key, "placed");
        replace(claimed, claimed.finished());
    }

    /** Holds a key for a day. */
    void hold(String key) {
        Stored unused = claimed(key, "", Duration.ofDays(1));
    }

    private Stored claimed(String key, String operation, Duration lease) {
        Stored claimed = claim(key, operation, lease);
        if (!claimed.state.equals("locked")) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
        return claimed;
    }

    /** What has been inserted, or what was there. */
    private Stored claim(String key, String operation, Duration lease) {
        Id id = new Id(Example.SCOPE, key);
        String fingerprint = Example.fingerprint();
        Stored found = readsFirst ? keys.get(id) : null;
        if (found == null) {
            Creation creation = new Creation(
                    id,
                    UUID.randomUUID(),
                    operation,
                    "POST",
                    Example.PATH,
                    Example.PARAMETERS_JSON,
                    true,
                    fingerprint,
                    Instant.now());
            Stored created = Stored.locked(creation, "started", lease);
            found = keys.putIfAbsent(id, created);
            if (found == null) {
                return created;
            }
        }
        if (!found.creation.fingerprint.equals(fingerprint)) {
            throw new IllegalStateException("another request: " + key);
        }
        return found;
    }

    /** The map compares identities first, and so no fields. */
    private void replace(Stored expected, Stored next) {
        if (!keys.replace(expected.creation.id, expected, next)) {
            throw new IllegalStateException("the key has another revision: " + expected.creation.id);
        }
    }

    @Override
    public void replay(String key) {
        check(claim(key, "", LEASE), key);
    }

    @Override
    public void retrieve(String key) {
        Stored found = keys.get(new Id(Example.SCOPE, key));
        if (found == null) {
            throw new IllegalStateException("no such key: " + key);
        }
        check(found, key);
    }

    private static void check(Stored stored, String key) {
        if (stored.answer == null || stored.answer.status != 201 || stored.dueAt.isBefore(Instant.now())) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
    }

    @Override
    public void refused(String key) {
        Stored found = claim(key, "", LEASE);
        if (!found.state.equals("locked") || found.dueAt.isBefore(Instant.now())) {
            throw new IllegalStateException("nobody holds the key: " + key);
        }
    }
}
