package io.idempotencykey.inmemory;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps keys in memory, with the guarantees of the other stores as long as the process lives.
 *
 * <p>It is for tests, and for applications of a single process whose data is in memory too. The number of keys is
 * bounded: a new key beyond the bound replaces one that has expired. If there is none, the new key is refused, because
 * a promised replay is never dropped. A request of one stage has its key's place from its beginning on.
 *
 * <p>A stage gets the application's own handle. How it is isolated from other data than the key depends on that handle,
 * so every {@link Isolation} is accepted. Safe for many threads; no method waits for another thread's stage or hook.
 *
 * @param <T> the handle that a stage writes with
 */
public final class InMemoryKeyStore<T> implements KeyStore<T> {
    /** How many keys are kept at most by default. */
    public static final int DEFAULT_MAX_KEYS = 100_000;

    private static final Comparator<KeyId> BY_SCOPE_AND_VALUE =
            Comparator.comparing(KeyId::scope).thenComparing(KeyId::value);
    /** The lowest key in the order of scopes and values. */
    private static final KeyId FIRST = KeyId.of("!");

    private static final Duration FARTHEST_MOVE = Duration.ofDays(3650);

    private static final Comparator<Due> DUE_FIRST =
            Comparator.comparing(Due::at).thenComparing(Due::id, BY_SCOPE_AND_VALUE);

    private final InMemoryTransactions<T> transactions;
    private final int maxKeys;
    private final InstantSource clock;
    /** By how many nanoseconds a test has moved the time. */
    private final AtomicLong moved = new AtomicLong();

    private final ReentrantLock lock = new ReentrantLock();
    // The lock guards the fields below. No code of the application runs under it.
    private final Map<KeyId, StoredKey> keys = new HashMap<>();
    private final NavigableMap<String, NavigableMap<Due, StoredKey>> resumable = new TreeMap<>();
    private final NavigableMap<Due, StoredKey> expiring = new TreeMap<>(DUE_FIRST);
    private final NavigableMap<KeyId, StoredKey> quarantined = new TreeMap<>(BY_SCOPE_AND_VALUE);
    /** The keys of single stages that run, stored or not; one that isn't stored has its place among the bounded. */
    private final Set<KeyId> taken = new HashSet<>();

    private final Set<KeyId> committing = new HashSet<>();

    private record Due(Instant at, KeyId id) {}

    /**
     * A store whose stages commit together with the application's own transactions.
     *
     * <p>It keeps up to {@link #DEFAULT_MAX_KEYS} keys and uses the system's time.
     *
     * @param transactions the application's
     */
    public InMemoryKeyStore(InMemoryTransactions<T> transactions) {
        this(transactions, DEFAULT_MAX_KEYS, InstantSource.system());
    }

    /**
     * A store whose stages commit together with the application's own transactions.
     *
     * @param transactions the application's
     * @param maxKeys how many keys are kept at most, 1 or more
     * @param clock the store's time, by which leases and expiry are decided
     * @throws IllegalArgumentException if {@code maxKeys} is out of bounds
     */
    public InMemoryKeyStore(InMemoryTransactions<T> transactions, int maxKeys, InstantSource clock) {
        this.transactions = Objects.requireNonNull(
                transactions, "argument 'transactions' is null; the application's transactions are required");
        this.clock = Objects.requireNonNull(clock, "argument 'clock' is null; a source of time is required");
        if (maxKeys < 1) {
            throw new IllegalArgumentException("argument 'maxKeys' is '" + maxKeys + "'; allowed: 1 or more");
        }
        this.maxKeys = maxKeys;
    }

    /**
     * A store for tests whose stages write with any object, such as a list.
     *
     * <p>Only the key is rolled back: what a failed stage wrote stays, and so does what is written with a handle after
     * its stage. The store keeps up to {@link #DEFAULT_MAX_KEYS} keys and uses the system's time.
     *
     * @param <T> the handle that a stage writes with
     * @param handles gives each stage its handle
     * @return the store
     */
    public static <T> InMemoryKeyStore<T> withoutRollback(Supplier<T> handles) {
        return new InMemoryKeyStore<>(
                new Handles<>(Objects.requireNonNull(handles, "argument 'handles' is null; a supplier is required")));
    }

    @Override
    public Instant time() {
        return clock.instant().plusNanos(moved.get());
    }

    /** Returns zero, so that {@link #moveTime} shows at once. */
    @Override
    public Duration timeHolds() {
        return Duration.ZERO;
    }

    /**
     * Moves the store's time forward, so that a test sees leases and keys expire without waiting.
     *
     * <p>Every service on this store sees the new time at once.
     *
     * @param forward 0 to 3,650 days, and as much for all moves together
     * @throws IllegalArgumentException if it is out of bounds; the time isn't moved
     */
    public void moveTime(Duration forward) {
        Objects.requireNonNull(forward, "argument 'forward' is null; a duration is required");
        moved.updateAndGet(sofar -> {
            if (forward.isNegative() || forward.compareTo(FARTHEST_MOVE.minusNanos(sofar)) > 0) {
                throw new IllegalArgumentException(
                        "argument 'forward' is '" + forward + "'; allowed: 0 to 3,650 days for all moves together");
            }
            return sofar + forward.toNanos();
        });
    }

    @Override
    public Set<Isolation> isolations() {
        return EnumSet.allOf(Isolation.class);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return locked(() -> Optional.ofNullable(keys.get(id)));
    }

    @Override
    public boolean insert(StoredKey key) {
        Instant now = time();
        return locked(() -> {
            if (keys.containsKey(key.id())) {
                return false;
            }
            checkNotCommitting(key.id());
            if (!hasRoom(key.id(), now)) {
                throw full();
            }
            put(key);
            return true;
        });
    }

    private void checkNotCommitting(KeyId id) {
        if (committing.contains(id)) {
            throw new StoreFailure(StoreFailure.Kind.BUSY, "a stage of the key is committing", null);
        }
    }

    /** Makes room for a key that isn't stored, by deleting expired ones if it has to. */
    private boolean hasRoom(KeyId id, Instant now) {
        while (isFull(id)) {
            if (deleteExpiredLocked(now, 1) == 0) {
                return false;
            }
        }
        return true;
    }

    private boolean isFull(KeyId id) {
        if (keys.size() + taken.size() < maxKeys) {
            return false;
        }
        long coming = taken.stream()
                .filter(other -> !other.equals(id) && !keys.containsKey(other))
                .count();
        return keys.size() + coming >= maxKeys;
    }

    private StoreFailure full() {
        return new StoreFailure(StoreFailure.Kind.FULL, "the store keeps " + maxKeys + " keys, all in use", null);
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return locked(() -> {
            if (!stands(next.id(), Optional.of(expected))) {
                return false;
            }
            checkNotCommitting(next.id());
            put(next);
            return true;
        });
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<T, StoredProgress> work) {
        return commit(held, Optional.of(held.revision()), work);
    }

    @Override
    public StageCommit commitSingle(StoredKey taking, Isolation isolation, Duration lease, SingleStage<T> stage) {
        KeyId id = taking.id();
        // Asked before the key is taken: a finished one is replayed to many at once, of whom none holds off another.
        Optional<StoredKey> stored = find(id);
        if (stored.isPresent() && !stage.replaces(stored.get())) {
            return StageCommit.fencedOff();
        }
        Optional<Revision> expected = stored.map(StoredKey::revision);
        Instant now = time();
        Optional<StageCommit> refused = locked(() -> take(id, expected, now));
        if (refused.isPresent()) {
            return refused.get();
        }
        try {
            return commit(taking, expected, stage::work);
        } finally {
            locked(() -> taken.remove(id));
        }
    }

    private Optional<StageCommit> take(KeyId id, Optional<Revision> expected, Instant now) {
        if (taken.contains(id)) {
            return Optional.of(StageCommit.held());
        }
        if (!stands(id, expected)) {
            return Optional.of(StageCommit.fencedOff());
        }
        if (expected.isEmpty() && !hasRoom(id, now)) {
            return Optional.of(StageCommit.rolledBack(full()));
        }
        taken.add(id);
        return Optional.empty();
    }

    /** Runs a stage's work and stores its key, if the key stands then as it is expected to. */
    private StageCommit commit(StoredKey key, Optional<Revision> expected, Function<T, StoredProgress> work) {
        T transaction;
        try {
            transaction = transactions.begin();
        } catch (Throwable e) {
            return rolledBack(e);
        }
        StoredProgress next;
        try {
            next = work.apply(transaction);
        } catch (Throwable e) {
            return rollback(transaction, e, rolledBack(e));
        }
        // The fence reserves the key for this stage, so the application's commit runs without the lock.
        Optional<StageCommit> refused = locked(() -> fence(key.id(), expected));
        if (refused.isPresent()) {
            return rollback(transaction, null, refused.get());
        }
        try {
            transactions.commit(transaction);
        } catch (Throwable e) {
            locked(() -> committing.remove(key.id()));
            return rollback(transaction, e, rolledBack(e));
        }
        return locked(() -> {
            committing.remove(key.id());
            put(key.with(next));
            return StageCommit.committed();
        });
    }

    private Optional<StageCommit> fence(KeyId id, Optional<Revision> expected) {
        if (!stands(id, expected)) {
            return Optional.of(StageCommit.fencedOff());
        }
        if (!committing.add(id)) {
            return Optional.of(StageCommit.transientlyRolledBack(
                    new StoreFailure(StoreFailure.Kind.BUSY, "another stage of the key is committing", null)));
        }
        return Optional.empty();
    }

    private StageCommit rollback(T transaction, @Nullable Throwable cause, StageCommit result) {
        try {
            transactions.rollback(transaction);
        } catch (Throwable e) {
            if (cause == null) {
                return StageCommit.rolledBack(e);
            }
            if (cause != e) {
                cause.addSuppressed(e);
            }
        }
        return result;
    }

    private static StageCommit rolledBack(Throwable cause) {
        boolean passes = StoreFailure.chain(cause).stream()
                .anyMatch(
                        each -> each instanceof StoreFailure failure && failure.kind() == StoreFailure.Kind.TRANSIENT);
        if (passes) {
            return StageCommit.transientlyRolledBack(cause);
        }
        return StageCommit.rolledBack(cause);
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return locked(() -> {
            for (NavigableMap<Due, StoredKey> scope :
                    (afterScope == null ? resumable : resumable.tailMap(afterScope, false)).values()) {
                List<StoredKey> found = scope.headMap(new Due(before, FIRST)).values().stream()
                        .filter(key -> operations.isEmpty() || isAmong(operations, key))
                        .limit(limit)
                        .toList();
                if (!found.isEmpty()) {
                    return found;
                }
            }
            return List.of();
        });
    }

    private static boolean isAmong(Map<String, Set<RecoveryPoint>> operations, StoredKey key) {
        return operations
                .getOrDefault(key.key().operation(), Set.of())
                .contains(key.key().recoveryPoint());
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
        return locked(() -> (after == null ? quarantined : quarantined.tailMap(after, false))
                .values().stream().limit(limit).toList());
    }

    @Override
    public Backlog backlog(Instant before) {
        return locked(() -> {
            long waiting = 0;
            Optional<Instant> since = Optional.empty();
            for (NavigableMap<Due, StoredKey> scope : resumable.values()) {
                waiting += scope.headMap(new Due(before, FIRST)).size();
                Instant first = scope.firstKey().at();
                if (first.isBefore(since.orElse(before))) {
                    since = Optional.of(first);
                }
            }
            return new Backlog(before, waiting, since, quarantined.size());
        });
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return locked(() -> deleteExpiredLocked(at, limit));
    }

    private int deleteExpiredLocked(Instant at, int limit) {
        int deleted = 0;
        Iterator<Due> first = expiring.keySet().iterator();
        while (deleted < limit && first.hasNext()) {
            Due due = first.next();
            if (due.at().isAfter(at)) {
                break;
            }
            first.remove();
            keys.remove(due.id());
            deleted++;
        }
        return deleted;
    }

    /** Whether the key has the expected revision, or isn't stored and none is expected. */
    private boolean stands(KeyId id, Optional<Revision> expected) {
        return Optional.ofNullable(keys.get(id)).map(StoredKey::revision).equals(expected);
    }

    private void put(StoredKey key) {
        StoredKey old = keys.put(key.id(), key);
        if (old != null) {
            index(old, false);
        }
        index(key, true);
    }

    private void index(StoredKey key, boolean present) {
        boolean unused = key.key().state().accept(new KeyState.Visitor<Boolean>() {
            @Override
            public Boolean open(KeyState.Open open) {
                return index(key, open.resumableFrom(), present);
            }

            @Override
            public Boolean locked(KeyState.Locked locked) {
                return index(key, locked.leaseEnds(), present);
            }

            @Override
            public Boolean failed(KeyState.Failed failed) {
                return mark(expiring, new Due(failed.expiresAt(), key.id()), key, present);
            }

            @Override
            public Boolean finished(KeyState.Finished finished) {
                return mark(expiring, new Due(finished.expiresAt(), key.id()), key, present);
            }

            @Override
            public Boolean quarantined(KeyState.Quarantined aside) {
                return mark(quarantined, key.id(), key, present);
            }
        });
    }

    private boolean index(StoredKey key, Instant resumableFrom, boolean present) {
        String scope = key.id().scope();
        NavigableMap<Due, StoredKey> ofScope = resumable.computeIfAbsent(scope, name -> new TreeMap<>(DUE_FIRST));
        mark(ofScope, new Due(resumableFrom, key.id()), key, present);
        return ofScope.isEmpty() && resumable.remove(scope, ofScope);
    }

    private static <K> boolean mark(Map<K, StoredKey> index, K place, StoredKey key, boolean present) {
        return present ? index.put(place, key) == null : index.remove(place) != null;
    }

    private <R> R locked(Supplier<R> action) {
        lock.lock();
        try {
            return action.get();
        } finally {
            lock.unlock();
        }
    }

    private record Handles<T>(Supplier<T> handles) implements InMemoryTransactions<T> {
        @Override
        public T begin() {
            return handles.get();
        }

        @Override
        public void commit(T transaction) {}

        @Override
        public void rollback(T transaction) {}
    }
}
