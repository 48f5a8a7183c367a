package io.idempotencykey.mongo;

import com.mongodb.client.MongoClient;
import io.idempotencykey.port.Revision;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The sessions of this process's held keys, by the key's revision, and of its requests of one stage between tries.
 *
 * <p>A session is taken out while it is used. It goes back to the driver when its key is no longer held, when its lease
 * has been over for a minute, or when there are too many. A stage whose session is gone gets a new one, whose id isn't
 * stored with the key; so only the server can end an abandoned transaction of it, after a minute.
 */
final class HolderSessions {
    private record Kept(HolderSession session, long until) {}

    /** How long a session outlives its lease, because a stage still commits after its lease if nobody took over. */
    private static final Duration GRACE = Duration.ofMinutes(1);

    private final MongoClient client;
    private final int most;
    private final LongSupplier nanoTime;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Revision, Kept> kept = new LinkedHashMap<>();

    HolderSessions(MongoClient client, int most, LongSupplier nanoTime) {
        this.client = client;
        this.most = most;
        this.nanoTime = nanoTime;
    }

    HolderSession open() {
        return new HolderSession(client.startSession());
    }

    @Nullable
    HolderSession take(Revision revision) {
        lock.lock();
        try {
            Kept found = kept.remove(revision);
            return found == null ? null : found.session;
        } finally {
            lock.unlock();
        }
    }

    void keep(Revision revision, HolderSession session, Duration lease) {
        List<HolderSession> dropped = new ArrayList<>();
        lock.lock();
        try {
            long now = nanoTime.getAsLong();
            Kept before =
                    kept.put(revision, new Kept(session, now + lease.plus(GRACE).toNanos()));
            if (before != null && before.session != session) {
                dropped.add(before.session);
            }
            // Oldest first. Leases differ in length, so an expired one may stay behind an unexpired one for a while.
            Iterator<Kept> eldest = kept.values().iterator();
            while (eldest.hasNext()) {
                Kept next = eldest.next();
                if (kept.size() <= most && next.until - now > 0) {
                    break;
                }
                eldest.remove();
                dropped.add(next.session);
            }
        } finally {
            lock.unlock();
        }
        dropped.forEach(HolderSession::close);
    }

    int size() {
        lock.lock();
        try {
            return kept.size();
        } finally {
            lock.unlock();
        }
    }
}
