package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * Rule 19: what a service knows of keys without asking the store: which ones its own threads are running, and the
 * answers that it has lately seen.
 *
 * <p>A finished key never changes while it lives, and only its holder ends what runs, unless the store ends the
 * holder's transaction early, which shows when the holder uses it next, or its lease is over. Safe for many threads;
 * nobody waits here.
 */
final class KnownAnswers {
    /** A response is forgotten so long before its key expires, since servers' readings of the clock differ by that. */
    static final Duration FORGOTTEN_BEFORE_EXPIRY = Duration.ofMinutes(1);

    /** No time to live is longer, but the store's clock may have been set back since the key was finished. */
    private static final Duration LONGEST_KEPT = Duration.ofDays(3650);

    /** What a key takes at most beside its request and its response, with its places in a map and in a queue. */
    private static final int OWN_BYTES = 1536;

    /** A parameter or a header takes a few characters, but objects of its own in a map. */
    private static final int BYTES_PER_CHARACTER = 16;

    /** One answer may take this part of the room, so that it doesn't drive out all others. */
    private static final int PART_FOR_ONE = 16;

    private final long room;
    private final Environment environment;
    private final Map<KeyId, Running> running = new ConcurrentHashMap<>();
    private final Map<KeyId, Kept> kept = new ConcurrentHashMap<>();

    /** What is kept and, until its turn comes, what no longer is. */
    private final Queue<Kept> oldestFirst = new ConcurrentLinkedQueue<>();

    /** What the queue's answers take. */
    private final AtomicLong bytes = new AtomicLong();

    /** A key that a thread runs; equal only to itself. */
    static final class Running {
        private final HeldKey held;
        private final Thread thread = Thread.currentThread();
        private final long until;

        private Running(HeldKey held, long until) {
            this.held = held;
            this.until = until;
        }
    }

    /** A finished key's answer; equal only to itself. */
    private static final class Kept {
        final Claim.Replay answer;
        final long bytes;
        final long until;

        Kept(Claim.Replay answer, long bytes, long until) {
            this.answer = answer;
            this.bytes = bytes;
            this.until = until;
        }

        IdempotencyKey key() {
            return answer.key();
        }
    }

    KnownAnswers(Settings settings) {
        this.room = settings.replayCacheBytes();
        this.environment = settings.environment();
    }

    /** The calling thread holds this key, and runs it until it says that it has ended. */
    Running begin(HeldKey held) {
        Running begun = new Running(held, environment.nanoTime() + held.lease().toNanos());
        if (room > 0) {
            running.put(held.id(), begun);
        }
        return begun;
    }

    void end(Running ended) {
        running.remove(ended.held.id(), ended);
    }

    /** Says that another thread runs a stage of the key, and when to ask again. */
    Optional<Claim.InFlight> inFlight(KeyId id, Supplier<Instant> now) {
        return running(id, true, now);
    }

    /** The key of a request of one stage that another thread runs, as it would be created. */
    Optional<IdempotencyKey> single(KeyId id, Supplier<Instant> now) {
        return running(id, false, now).map(Claim.InFlight::key);
    }

    /**
     * A lease is over by the store's clock or, since that may be set back, by the time that has passed. Then, and for a
     * thread that asks within its own stage, it's the store that has to tell.
     */
    private Optional<Claim.InFlight> running(KeyId id, boolean isStored, Supplier<Instant> now) {
        Running found = running.get(id);
        return found == null
                        || found.thread == Thread.currentThread()
                        || found.held.isStored() != isStored
                        || isPast(found.until)
                ? Optional.empty()
                : Transitions.inFlight(found.held.key(), now.get());
    }

    /**
     * Keeps a key's answer for as long as it can be replayed, if it is finished and not too long.
     *
     * @param drivesOut whether the oldest answers make room for this one, though they can still be replayed; not if it
     *     is asked for the first time, since most are asked for once
     */
    void keep(IdempotencyKey key, boolean drivesOut, Supplier<Instant> now) {
        long longest = room / PART_FOR_ONE;
        // Checked first, because making room costs as much as the rest of a replay in memory.
        if (!(drivesOut || hasRoom(longest)) || !(key.state() instanceof KeyState.Finished finished)) {
            return;
        }
        long size = size(key.request(), finished.response());
        if (size > longest) {
            return;
        }
        Duration left = Duration.between(now.get(), finished.expiresAt()).minus(FORGOTTEN_BEFORE_EXPIRY);
        if (left.isNegative()) {
            return;
        }
        long until =
                environment.nanoTime() + Transitions.atMost(LONGEST_KEPT, left).toNanos();
        Kept answer = new Kept(new Claim.Replay(key, finished.response()), size, until);
        if (kept.putIfAbsent(key.id(), answer) != null) {
            return;
        }
        oldestFirst.add(answer);
        long taken = bytes.addAndGet(size);
        while (taken > room) {
            Kept oldest = oldestFirst.poll();
            if (oldest == null) {
                return;
            }
            kept.remove(oldest.key().id(), oldest);
            taken = bytes.addAndGet(-oldest.bytes);
        }
    }

    private boolean hasRoom(long size) {
        if (bytes.get() <= room - size) {
            return true;
        }
        Kept oldest = oldestFirst.peek();
        return oldest != null && isPast(oldest.until);
    }

    private static long size(Request request, Response response) {
        return OWN_BYTES
                + response.bodyLength()
                + request.path().length()
                + (long) BYTES_PER_CHARACTER * (request.parametersJson().length() + Transitions.headerBytes(response));
    }

    /** The answer of a finished key, if it is known and can still be replayed. */
    Optional<Claim.Replay> replay(KeyId id, Supplier<Instant> now) {
        Kept found = kept.get(id);
        if (found == null) {
            return Optional.empty();
        }
        if (isPast(found.until) || Transitions.isExpired(found.key(), now.get().plus(FORGOTTEN_BEFORE_EXPIRY))) {
            kept.remove(id, found);
            return Optional.empty();
        }
        return Optional.of(found.answer);
    }

    /** A key that was made anew has no answer yet. */
    void forget(KeyId id) {
        kept.remove(id);
    }

    private boolean isPast(long until) {
        return environment.nanoTime() - until >= 0;
    }
}
