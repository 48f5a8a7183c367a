package io.idempotencykey.inmemory;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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
 * <p>Keys are in parts with a lock each, so threads with different keys seldom wait for each other. What concerns all
 * keys locks all parts, and sees them as they are at one moment: listing, counting and deleting, and a new key that
 * finds no room.
 *
 * @param <T> the handle that a stage writes with
 */
public final class InMemoryKeyStore<T> implements KeyStore<T> {
    /** How many keys are kept at most by default. */
    public static final int DEFAULT_MAX_KEYS = 100_000;

    /** More parts than processors, so that threads seldom meet in one, but not too many to lock all of them. */
    private static final int BITS_OF_PARTS = Math.min(
            4, Integer.SIZE - Integer.numberOfLeadingZeros(Runtime.getRuntime().availableProcessors()));

    private static final Duration FARTHEST_MOVE = Duration.ofDays(3650);

    private final InMemoryTransactions<T> transactions;
    private final InstantSource clock;
    /** By how many nanoseconds a test has moved the time. */
    private final AtomicLong moved = new AtomicLong();

    private final Room room;
    /** A key's identity says which one it belongs to. Who needs several of them locks all, in this order. */
    private final List<Part> parts;

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
        room = new Room(maxKeys);
        parts = Stream.generate(() -> new Part(room)).limit(1 << BITS_OF_PARTS).toList();
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

    /** Returns true. */
    @Override
    public boolean isInProcess() {
        return true;
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
        return part(id).find(id);
    }

    @Override
    public boolean insert(StoredKey key) {
        return switch (withRoom(() -> part(key.id()).insert(key))) {
            case ADMITTED -> true;
            case FENCED_OFF, HELD -> false;
            case FULL -> throw full();
        };
    }

    /** Admits a key, if need be in place of an expired one. */
    private Part.Admission withRoom(Supplier<Part.Admission> admit) {
        Part.Admission first = admit.get();
        if (first != Part.Admission.FULL) {
            return first;
        }
        Instant now = time();
        return everywhere(() -> {
            Part.Admission next = admit.get();
            return next == Part.Admission.FULL && delete(1, part -> part.replaceable(now)) > 0 ? admit.get() : next;
        });
    }

    private StoreFailure full() {
        return new StoreFailure(StoreFailure.Kind.FULL, "the store keeps " + room.places() + " keys, all in use", null);
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return part(next.id()).replace(expected, next);
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
        return switch (withRoom(() -> part(id).take(id, expected))) {
            case ADMITTED -> commitTaken(taking, expected, stage);
            case FENCED_OFF -> StageCommit.fencedOff();
            case HELD -> StageCommit.held();
            case FULL -> StageCommit.rolledBack(full());
        };
    }

    private StageCommit commitTaken(StoredKey taken, Optional<Revision> expected, SingleStage<T> stage) {
        try {
            return commit(taken, expected, stage::work);
        } finally {
            part(taken.id()).free(taken.id());
        }
    }

    /** Runs a stage's work and stores its key, if the key stands then as it is expected to. */
    private StageCommit commit(StoredKey key, Optional<Revision> expected, Function<T, StoredProgress> work) {
        T transaction;
        try {
            transaction = transactions.begin();
        } catch (Throwable e) {
            return rolledBack(e);
        }
        StoredKey next;
        try {
            next = key.with(work.apply(transaction));
        } catch (Throwable e) {
            return rollback(transaction, e, rolledBack(e));
        }
        // The fence reserves the key for this stage, so the application's commit runs without a lock.
        Part part = part(key.id());
        Optional<StageCommit> refused = part.fence(key.id(), expected);
        if (refused.isPresent()) {
            return rollback(transaction, null, refused.get());
        }
        try {
            transactions.commit(transaction);
        } catch (Throwable e) {
            part.leave(key.id());
            return rollback(transaction, e, rolledBack(e));
        }
        part.store(next);
        return StageCommit.committed();
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
        Predicate<StoredKey> wanted = key -> operations.isEmpty() || isAmong(operations, key);
        return everywhere(() -> partsOf(Place.Listing.RESUMABLE)
                .flatMap(part -> part.firstScope(afterScope, before, wanted).stream())
                .min(Comparator.naturalOrder())
                .map(scope -> first(limit, Place.Listing.RESUMABLE, part -> part.resumable(scope, before, wanted)))
                .map(this::stored)
                .orElse(List.of()));
    }

    private static boolean isAmong(Map<String, Set<RecoveryPoint>> operations, StoredKey key) {
        return operations
                .getOrDefault(key.key().operation(), Set.of())
                .contains(key.key().recoveryPoint());
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(scope, after == null ? null : Place.ofResumable(after, since), Place.Listing.RESUMABLE, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(
                scope, after == null ? null : Place.ofQuarantined(after, since), Place.Listing.QUARANTINED, limit);
    }

    private List<StoredKey> oldest(@Nullable String scope, @Nullable Place after, Place.Listing listing, int limit) {
        return everywhere(() -> stored(oldest(
                        partsOf(listing)
                                .flatMap(part -> part.all(listing))
                                .filter(place ->
                                        scope == null || place.id().scope().equals(scope))
                                .filter(place -> after == null || place.compareByAge(after) > 0),
                        limit)
                .toList()));
    }

    private static Stream<Place> oldest(Stream<Place> places, int limit) {
        return places.sorted(Place::compareByAge).limit(limit);
    }

    @Override
    public Backlog backlog(Instant before) {
        return everywhere(() -> {
            List<Instant> waiting = waiting(before).map(Place::at).toList();
            return new Backlog(
                    before,
                    waiting.size(),
                    waiting.stream().min(Comparator.naturalOrder()),
                    quarantined().count());
        });
    }

    private Stream<Place> waiting(Instant before) {
        return partsOf(Place.Listing.RESUMABLE).flatMap(part -> part.resumable(before));
    }

    private Stream<Place> quarantined() {
        return partsOf(Place.Listing.QUARANTINED).flatMap(part -> part.all(Place.Listing.QUARANTINED));
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        return everywhere(() -> {
            List<Backlog.OfOperation> counted = new ArrayList<>();
            byOperation(waiting(before), most)
                    .forEach((operation, places) -> counted.add(new Backlog.OfOperation(
                            operation, places.size(), Optional.of(places.get(0).at()), 0, Optional.empty())));
            byOperation(quarantined(), most)
                    .forEach((operation, places) -> counted.add(new Backlog.OfOperation(
                            operation,
                            0,
                            Optional.empty(),
                            places.size(),
                            Optional.of(places.get(0).at()))));
            return counted;
        });
    }

    /** The oldest ones of each operation, in order. */
    private Map<String, List<Place>> byOperation(Stream<Place> places, int most) {
        return oldest(places, most).collect(Collectors.groupingBy(this::operation));
    }

    private String operation(Place place) {
        return part(place.id()).stored(place).key().operation();
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return everywhere(() -> delete(limit, part -> part.expired(at)));
    }

    private int delete(int limit, Function<Part, Stream<Place>> chosen) {
        List<Place> expired = first(limit, Place.Listing.EXPIRING, chosen);
        expired.forEach(place -> part(place.id()).delete(place));
        return expired.size();
    }

    /** The first places of a listing, of those that each part chooses from its own. */
    private List<Place> first(int limit, Place.Listing listing, Function<Part, Stream<Place>> chosen) {
        return partsOf(listing)
                .flatMap(part -> chosen.apply(part).limit(limit))
                .sorted()
                .limit(limit)
                .toList();
    }

    private Stream<Part> partsOf(Place.Listing listing) {
        return parts.stream().filter(part -> part.hasAny(listing));
    }

    private List<StoredKey> stored(List<Place> places) {
        return places.stream().map(place -> part(place.id()).stored(place)).toList();
    }

    private Part part(KeyId id) {
        // By the golden ratio, and so by all bits; the map within a part goes by the lower ones.
        return parts.get((id.hashCode() * 0x9E3779B9) >>> (Integer.SIZE - BITS_OF_PARTS));
    }

    /** Acts on all parts as they are at one moment. */
    private <R> R everywhere(Supplier<R> action) {
        return listed(parts.iterator(), action);
    }

    private static <R> R listed(Iterator<Part> parts, Supplier<R> action) {
        return parts.hasNext() ? parts.next().listed(() -> listed(parts, action)) : action.get();
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
