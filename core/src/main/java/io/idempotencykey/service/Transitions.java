package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The key's state machine: pure functions from a key, an event and a time to the next key or an error. */
final class Transitions {
    private static final Duration LONGEST_LEASE = Duration.ofHours(24);

    private Transitions() {}

    /** Checks a lease. */
    static Duration lease(Duration lease) {
        return Arguments.between(Duration.ofMillis(1), LONGEST_LEASE, lease, "lease");
    }

    /** Until when the holder keeps a key whatever others do. */
    static Instant leaseEnds(StoredKey held) {
        return held.key()
                .state()
                .match(open -> notHeld(held), KeyState.Locked::leaseEnds, done -> notHeld(held), put -> notHeld(held));
    }

    private static Instant notHeld(StoredKey key) {
        throw new IllegalStateException("a key that isn't locked can't be held: " + key);
    }

    /** A new key that nobody holds. */
    static StoredKey createOpen(
            KeyId id,
            UUID creationId,
            String operation,
            Request request,
            Fingerprint fingerprint,
            Instant now,
            Revision revision) {
        KeyState state = new KeyState.Open(RecoveryPoint.STARTED, now);
        return new StoredKey(
                new IdempotencyKey(id, creationId, operation, request, fingerprint, now, now, 0, 0, "", state),
                revision);
    }

    /** A new key that is held from the start. */
    static StoredKey createLocked(
            KeyId id,
            UUID creationId,
            String operation,
            Request request,
            Fingerprint fingerprint,
            Instant now,
            Duration lease,
            Revision revision) {
        return locked(
                createOpen(id, creationId, operation, request, fingerprint, now, revision)
                        .key(),
                RecoveryPoint.STARTED,
                1,
                now,
                lease,
                revision);
    }

    /** Says whether the key is finished and its time is over; it then counts as absent. */
    static boolean isExpired(IdempotencyKey key, Instant now) {
        return key.state()
                .match(
                        open -> false,
                        locked -> false,
                        finished -> !now.isBefore(finished.expiresAt()),
                        quarantined -> false);
    }

    /** Refuses another request than the key's own; to be asked in every state but that of an expired key. */
    static void checkFingerprint(IdempotencyKey key, Fingerprint actual) {
        if (!key.fingerprint().equals(actual)) {
            throw new IdempotencyException.Mismatch(key.id(), key.fingerprint(), actual);
        }
    }

    /**
     * Decides on an attempt to lock a key that isn't expired: one function per answer.
     *
     * @param free applied to the key as this worker will hold it
     * @param held applied to the rest of the other worker's lease
     * @param finished applied to the response
     * @throws IdempotencyException.Quarantined if the key is put aside
     */
    static <R> R lock(
            StoredKey stored,
            Instant now,
            Duration lease,
            Revision next,
            Function<StoredKey, R> free,
            Function<Duration, R> held,
            Function<Response, R> finished) {
        IdempotencyKey key = stored.key();
        return key.state()
                .match(
                        open -> free.apply(take(key, now, lease, next)),
                        locked -> now.isBefore(locked.leaseEnds())
                                ? held.apply(Duration.between(now, locked.leaseEnds()))
                                : free.apply(take(key, now, lease, next)),
                        done -> finished.apply(done.response()),
                        quarantined -> {
                            throw new IdempotencyException.Quarantined(key.id(), quarantined.reason());
                        });
    }

    private static StoredKey take(IdempotencyKey key, Instant now, Duration lease, Revision next) {
        return locked(key, key.recoveryPoint(), key.attempts() + 1, now, lease, next);
    }

    /** The holder's stage, or the holder itself, moved on. */
    static StoredKey advance(StoredKey held, RecoveryPoint to, Instant now, Duration lease, Revision next) {
        KeyState state = new KeyState.Locked(to, now, millis(now.plus(lease)));
        return changed(held.key(), held.key().attempts(), 0, "", now, state, next);
    }

    /** The holder's stage, or the holder itself, responded. */
    static StoredKey respond(StoredKey held, Response response, Instant now, Duration timeToLive, Revision next) {
        KeyState state = new KeyState.Finished(response, now, millis(now.plus(timeToLive)));
        return changed(held.key(), held.key().attempts(), 0, "", now, state, next);
    }

    /** The holder gives the key back without a change. */
    static StoredKey release(StoredKey held, Instant now, Revision next) {
        IdempotencyKey key = held.key();
        KeyState state = new KeyState.Open(key.recoveryPoint(), now);
        return changed(key, key.attempts(), key.failedAttempts(), key.lastError(), now, state, next);
    }

    /** The attempt failed: the key is open again, and after too many failures quarantined. */
    static StoredKey fail(
            StoredKey held, Instant now, Throwable failure, Instant resumableFrom, int maxAttempts, Revision next) {
        IdempotencyKey key = held.key();
        int failedAttempts = key.failedAttempts() + 1;
        String error = describe(failure);
        KeyState state = failedAttempts >= maxAttempts
                ? new KeyState.Quarantined(
                        key.recoveryPoint(), now, failedAttempts + " failed attempts since the last committed stage")
                : new KeyState.Open(key.recoveryPoint(), millis(resumableFrom));
        return changed(key, key.attempts(), failedAttempts, error, now, state, next);
    }

    /** Nobody can bring the request to its end. */
    static StoredKey quarantine(StoredKey stored, Instant now, String reason, Revision next) {
        IdempotencyKey key = stored.key();
        KeyState state = new KeyState.Quarantined(key.recoveryPoint(), now, reason);
        return changed(key, key.attempts(), key.failedAttempts(), key.lastError(), now, state, next);
    }

    /** The completer leaves a key to its client for a while. */
    static StoredKey postpone(StoredKey stored, Instant now, Instant until, Revision next) {
        IdempotencyKey key = stored.key();
        KeyState state = new KeyState.Open(key.recoveryPoint(), millis(until));
        return changed(key, key.attempts(), key.failedAttempts(), key.lastError(), now, state, next);
    }

    /** Refuses an operator's change of a key that is finished or held. */
    static void checkUnattended(StoredKey stored, Instant now) {
        stored.key()
                .state()
                .match(
                        open -> stored,
                        locked -> {
                            if (now.isBefore(locked.leaseEnds())) {
                                throw new IdempotencyException.Locked(
                                        stored.id(), Duration.between(now, locked.leaseEnds()));
                            }
                            return stored;
                        },
                        finished -> {
                            throw new IdempotencyException.AlreadyFinished(stored.id(), finished.response());
                        },
                        quarantined -> stored);
    }

    /** What a stage sees of a key whose stored request may be less than its client sent. */
    static IdempotencyKey withRequest(IdempotencyKey key, Request request) {
        return new IdempotencyKey(
                key.id(),
                key.creationId(),
                key.operation(),
                request,
                key.fingerprint(),
                key.createdAt(),
                key.updatedAt(),
                key.attempts(),
                key.failedAttempts(),
                key.lastError(),
                key.state());
    }

    /** Refuses a response that is longer than what is stored. */
    static void checkLength(KeyId id, Response response, int maxResponseBytes) {
        if (response.bodyLength() > maxResponseBytes) {
            throw new IdempotencyException.ResponseTooLarge(id, response.bodyLength(), maxResponseBytes);
        }
    }

    /** An operator lets the request go on at its recovery point, with all its attempts. */
    static StoredKey reopen(StoredKey stored, Instant now, String record, Revision next) {
        IdempotencyKey key = stored.key();
        KeyState state = new KeyState.Open(key.recoveryPoint(), now);
        return changed(key, key.attempts(), 0, record, now, state, next);
    }

    /** An operator answers in the stages' place. */
    static StoredKey close(
            StoredKey stored, Response response, Instant now, Instant expiresAt, String record, Revision next) {
        IdempotencyKey key = stored.key();
        KeyState state = new KeyState.Finished(response, now, millis(expiresAt));
        return changed(key, key.attempts(), key.failedAttempts(), record, now, state, next);
    }

    private static String describe(Throwable failure) {
        String message = messageOf(failure);
        StringBuilder line = new StringBuilder(failure.getClass().getName());
        if (message != null) {
            line.append(": ").append(message, 0, Math.min(message.length(), IdempotencyKey.MAX_ERROR_LENGTH));
        }
        line.setLength(Math.min(line.length(), IdempotencyKey.MAX_ERROR_LENGTH));
        for (int i = 0; i < line.length(); i++) {
            if (Character.isISOControl(line.charAt(i)) || Character.isSurrogate(line.charAt(i))) {
                line.setCharAt(i, '?');
            }
        }
        return line.toString();
    }

    /** Whatever an application's exception does when it is asked, its key is to be released. */
    private static @Nullable String messageOf(Throwable failure) {
        try {
            return failure.getMessage();
        } catch (RuntimeException e) {
            return null;
        }
    }

    /** The holder's lease begins anew. */
    static StoredKey renew(StoredKey held, Instant now, Duration lease, Revision next) {
        IdempotencyKey key = held.key();
        return locked(key, key.recoveryPoint(), key.attempts(), now, lease, next);
    }

    private static StoredKey locked(
            IdempotencyKey key, RecoveryPoint at, long attempts, Instant now, Duration lease, Revision revision) {
        KeyState state = new KeyState.Locked(at, now, millis(now.plus(lease)));
        return changed(key, attempts, key.failedAttempts(), key.lastError(), now, state, revision);
    }

    private static StoredKey changed(
            IdempotencyKey key,
            long attempts,
            int failedAttempts,
            String lastError,
            Instant now,
            KeyState state,
            Revision revision) {
        return new StoredKey(
                new IdempotencyKey(
                        key.id(),
                        key.creationId(),
                        key.operation(),
                        key.request(),
                        key.fingerprint(),
                        key.createdAt(),
                        now,
                        attempts,
                        failedAttempts,
                        lastError,
                        state),
                revision);
    }

    private static Instant millis(Instant instant) {
        return instant.truncatedTo(ChronoUnit.MILLIS);
    }
}
