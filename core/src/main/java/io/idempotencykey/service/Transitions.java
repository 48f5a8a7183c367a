package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What may happen to a key that this worker doesn't hold: pure functions from a key, an event and a time to an answer
 * or to what is to be written. What its holder may do is said by {@link HeldKey}.
 */
final class Transitions {
    /** How long a lease may be. */
    static final Duration LONGEST_LEASE = Duration.ofHours(24);

    /** By how much workers' ideas of the store's time may differ, which they read once a minute. */
    private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(1);

    /** When to ask again where nothing better is known. */
    static final Duration SOON = Duration.ofSeconds(1);

    private Transitions() {}

    /** Checks a lease. */
    static Duration lease(Duration lease) {
        return lease(lease, "lease");
    }

    static Duration lease(Duration lease, String argument) {
        return Arguments.between(Duration.ofMillis(1), LONGEST_LEASE, lease, argument);
    }

    /** How long a lease of this length may grow to, unless the operation says otherwise. */
    static Duration longestLease(Duration lease) {
        return atMost(LONGEST_LEASE, lease.multipliedBy(Plan.LEASE_GROWTH));
    }

    /** A new key that nobody holds. */
    static StoredKey createOpen(KeyCreation creation, Revision revision) {
        Instant now = creation.createdAt();
        KeyState state = new KeyState.Open(RecoveryPoint.STARTED, now);
        return new StoredKey(new IdempotencyKey(creation, new KeyProgress(state, 0, 0, "", now)), revision);
    }

    /**
     * Rule 8: says whether the key is finished, or left to its client, and its time is over; it then counts as absent.
     */
    static boolean isExpired(IdempotencyKey key, Instant now) {
        return key.state().accept(new KeyState.Visitor<>() {
            @Override
            public Boolean open(KeyState.Open open) {
                return false;
            }

            @Override
            public Boolean locked(KeyState.Locked locked) {
                return false;
            }

            @Override
            public Boolean failed(KeyState.Failed failed) {
                return !now.isBefore(failed.expiresAt());
            }

            @Override
            public Boolean finished(KeyState.Finished finished) {
                return !now.isBefore(finished.expiresAt());
            }

            @Override
            public Boolean quarantined(KeyState.Quarantined quarantined) {
                return false;
            }
        });
    }

    /** Rule 7: refuses another request than the key's own; to be asked in every state but that of an expired key. */
    static IdempotencyKey checkFingerprint(IdempotencyKey key, Fingerprint actual) {
        if (!key.fingerprint().equals(actual)) {
            throw new IdempotencyException.Mismatch(key.id(), key.fingerprint(), actual);
        }
        return key;
    }

    /** Says that a worker holds the key, and when to ask again; nothing if nobody does, or the lease has run out. */
    static Optional<Claim.InFlight> inFlight(IdempotencyKey key, Instant now) {
        return key.state() instanceof KeyState.Locked locked && !isOver(locked, now)
                ? Optional.of(new Claim.InFlight(key, retryAfter(locked, now)))
                : Optional.empty();
    }

    /**
     * A lock that begins in the future is older than a failover to a store whose clock is behind, and nobody knows by
     * how much. It is over, too, if it would last for more than twice its lease, which is no less than workers'
     * readings of the clock differ by. To take it over is safe, as it is with every lease.
     */
    private static boolean isOver(KeyState.Locked locked, Instant now) {
        Duration lease = lease(locked);
        return !now.isBefore(locked.leaseEnds())
                || now.isBefore(locked.lockedAt().minus(atLeast(CLOCKS_DIFFER, lease)));
    }

    /**
     * Decides on an attempt to take a key that isn't expired. A claimed one is as it is to be written.
     *
     * @param plan says how long the lock holds if the key is taken
     * @param next gives the revision of a key that is taken
     * @throws IdempotencyException.Quarantined if the key is put aside
     */
    static Claim claim(StoredKey stored, Instant now, Plan plan, Supplier<Revision> next) {
        IdempotencyKey key = stored.key();
        RecoveryPoint at = key.recoveryPoint();
        return key.state().accept(new KeyState.Visitor<>() {
            @Override
            public Claim open(KeyState.Open open) {
                return taken(plan.leaseAt(at));
            }

            @Override
            public Claim locked(KeyState.Locked locked) {
                return inFlight(key, now)
                        .<Claim>map(found -> found)
                        .orElseGet(() -> taken(grown(locked, plan.leaseAt(at), plan.longestLeaseAt(at))));
            }

            @Override
            public Claim failed(KeyState.Failed failed) {
                return taken(plan.leaseAt(at));
            }

            @Override
            public Claim finished(KeyState.Finished finished) {
                return new Claim.Replay(key, finished.response());
            }

            @Override
            public Claim quarantined(KeyState.Quarantined quarantined) {
                throw new IdempotencyException.Quarantined(key.id(), quarantined.reason());
            }

            private Claim taken(Duration lease) {
                return new Claim.Claimed(HeldKey.takenFrom(key, now, lease, next.get()));
            }
        });
    }

    /** Rule 13: twice the lease that proved too short, up to the longest one, and never less than the declared one. */
    private static Duration grown(KeyState.Locked former, Duration lease, Duration longestLease) {
        Duration twice = lease(former).multipliedBy(2);
        return atLeast(lease, atMost(longestLease, twice));
    }

    /**
     * When it makes sense to ask again for a key that is held: after as long as it has been held so far, but at least a
     * second, and otherwise not after its lease. So a short request is asked for soon, and a long one isn't asked for
     * all the time.
     */
    private static Duration retryAfter(KeyState.Locked locked, Instant now) {
        Duration heldSoFar = Duration.between(locked.lockedAt(), now);
        return atLeast(SOON, atMost(Duration.between(now, locked.leaseEnds()), heldSoFar));
    }

    /** How long a key was taken for. */
    static Duration lease(KeyState.Locked locked) {
        return Duration.between(locked.lockedAt(), locked.leaseEnds());
    }

    static Duration atLeast(Duration bound, Duration value) {
        return value.compareTo(bound) < 0 ? bound : value;
    }

    static Duration atMost(Duration bound, Duration value) {
        return value.compareTo(bound) > 0 ? bound : value;
    }

    /** The key put aside, whoever held it. */
    static StoredKey quarantine(StoredKey stored, Instant now, String reason, Revision next) {
        KeyState state = new KeyState.Quarantined(stored.key().recoveryPoint(), now, reason);
        return changed(
                stored, state, stored.key().failedAttempts(), stored.key().lastError(), now, next);
    }

    /** The completer leaves a key to its client for a while. */
    static StoredKey postpone(StoredKey stored, Instant now, Instant until, Revision next) {
        KeyState state = new KeyState.Open(stored.key().recoveryPoint(), millis(until));
        return changed(
                stored, state, stored.key().failedAttempts(), stored.key().lastError(), now, next);
    }

    /** Refuses what an operator decided on another creation of a key. */
    static IdempotencyKey checkCreation(IdempotencyKey key, UUID seen) {
        if (!key.creationId().equals(seen)) {
            throw IdempotencyException.StaleKey.ofSeen(key.id(), "it was created anew at " + key.createdAt());
        }
        return key;
    }

    /** Refuses what an operator decided on a key as it was before. */
    static IdempotencyKey checkUnchanged(IdempotencyKey key, boolean isUnchanged) {
        if (!isUnchanged) {
            String now = key.state().name() + " at '" + key.recoveryPoint() + "' now";
            throw IdempotencyException.StaleKey.ofSeen(
                    key.id(), "it changed at " + key.updatedAt() + ", and is " + now);
        }
        return key;
    }

    /** Refuses an operator's change of a key that is finished or held, or isn't as it was looked at. */
    static StoredKey checkUnattended(StoredKey stored, IdempotencyKey seen, Instant now) {
        checkCreation(stored.key(), seen.creationId());
        checkUnattended(stored, now);
        checkUnchanged(stored.key(), stored.key().progress().equals(seen.progress()));
        return stored;
    }

    private static StoredKey checkUnattended(StoredKey stored, Instant now) {
        return stored.key().state().accept(new KeyState.Visitor<>() {
            @Override
            public StoredKey open(KeyState.Open open) {
                return stored;
            }

            @Override
            public StoredKey locked(KeyState.Locked locked) {
                if (!isOver(locked, now)) {
                    throw new IdempotencyException.Locked(stored.id(), retryAfter(locked, now));
                }
                return stored;
            }

            @Override
            public StoredKey failed(KeyState.Failed failed) {
                return stored;
            }

            @Override
            public StoredKey finished(KeyState.Finished finished) {
                throw new IdempotencyException.AlreadyFinished(stored.id(), finished.response());
            }

            @Override
            public StoredKey quarantined(KeyState.Quarantined quarantined) {
                return stored;
            }
        });
    }

    /** Refuses a response that is longer than what is stored. */
    static void checkLength(KeyId id, Response response, Settings settings) {
        if (response.bodyLength() > settings.maxResponseBytes()) {
            throw new IdempotencyException.ResponseTooLarge(id, response.bodyLength(), settings.maxResponseBytes());
        }
        int headers = headerBytes(response);
        if (headers > settings.maxHeaderBytes()) {
            throw IdempotencyException.ResponseTooLarge.ofHeaders(id, headers, settings.maxHeaderBytes());
        }
    }

    /** As HTTP/1.1 writes them, each on a line of its own; they are of ASCII only. */
    static int headerBytes(Response response) {
        int bytes = 0;
        for (Map.Entry<String, List<String>> header : response.headers().entrySet()) {
            for (String value : header.getValue()) {
                bytes += header.getKey().length() + ": ".length() + value.length() + "\r\n".length();
            }
        }
        return bytes;
    }

    /** An operator lets the request go on at its recovery point, with all its attempts. */
    static StoredKey reopen(StoredKey stored, Instant now, String record, Revision next) {
        KeyState state = new KeyState.Open(stored.key().recoveryPoint(), now);
        return changed(stored, state, 0, record, now, next);
    }

    /** An operator answers in the stages' place. */
    static StoredKey close(
            StoredKey stored, Response response, Instant now, Instant expiresAt, String record, Revision next) {
        KeyState state = new KeyState.Finished(response, now, millis(expiresAt));
        return changed(stored, state, stored.key().failedAttempts(), record, now, next);
    }

    private static StoredKey changed(
            StoredKey stored, KeyState state, int failedAttempts, String lastError, Instant now, Revision revision) {
        KeyProgress progress = new KeyProgress(state, stored.key().attempts(), failedAttempts, lastError, now);
        return stored.with(new StoredProgress(progress, revision));
    }

    /** An error as one line: the class and, as far as there is room, the message. */
    static String describe(Throwable failure) {
        String message = messageOf(failure);
        StringBuilder line = new StringBuilder(failure.getClass().getName());
        if (message != null) {
            line.append(": ").append(message, 0, Math.min(message.length(), KeyProgress.MAX_ERROR_LENGTH));
        }
        line.setLength(Math.min(line.length(), KeyProgress.MAX_ERROR_LENGTH));
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
        } catch (Throwable e) {
            return null;
        }
    }

    /** Cuts a time to whole milliseconds, since MongoDB keeps no more. */
    static Instant millis(Instant instant) {
        return instant.truncatedTo(ChronoUnit.MILLIS);
    }
}
