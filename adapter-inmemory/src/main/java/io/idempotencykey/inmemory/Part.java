package io.idempotencykey.inmemory;

import io.idempotencykey.KeyId;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.HashSet;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Some of a store's keys, under a lock of their own. No code of the application runs under it.
 *
 * <p>What lists keys is called, and a stream is read to its end, within {@link #locked}.
 */
final class Part {
    /** What becomes of a key that is to be new, or to be taken. */
    enum Admission {
        ADMITTED,
        FENCED_OFF,
        HELD,
        FULL
    }

    private final ReentrantLock lock = new ReentrantLock();
    /** A key that is stored, taken or committing uses one place. None is used or given back without the part's lock. */
    private final Room room;

    /** Written under the lock only, but read without it, too. */
    private final Map<KeyId, StoredKey> keys = new ConcurrentHashMap<>();

    private final NavigableSet<Place> resumable = new TreeSet<>();
    private final NavigableSet<Place> expiring = new TreeSet<>();
    private final NavigableSet<Place> quarantined = new TreeSet<>();
    /** The keys of single stages that run, stored or not. */
    private final Set<KeyId> taken = new HashSet<>();

    private final Set<KeyId> committing = new HashSet<>();

    Part(Room room) {
        this.room = room;
    }

    <R> R locked(Supplier<R> action) {
        lock.lock();
        try {
            return action.get();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits for whoever has the lock, since he may be acting on several keys or parts at once. Who begins to act later
     * comes after this, or is seen by all that is asked later.
     */
    Optional<StoredKey> find(KeyId id) {
        return lock.isLocked() ? locked(() -> Optional.ofNullable(keys.get(id))) : Optional.ofNullable(keys.get(id));
    }

    Admission insert(StoredKey key) {
        return locked(() -> {
            if (keys.containsKey(key.id())) {
                return Admission.FENCED_OFF;
            }
            checkNotCommitting(key.id());
            if (!hasPlace(key.id())) {
                return Admission.FULL;
            }
            put(key);
            return Admission.ADMITTED;
        });
    }

    boolean replace(Revision expected, StoredKey next) {
        return locked(() -> {
            if (!stands(next.id(), Optional.of(expected))) {
                return false;
            }
            checkNotCommitting(next.id());
            put(next);
            return true;
        });
    }

    /** Takes a key for a single stage until it is {@linkplain #free freed}. */
    Admission take(KeyId id, Optional<Revision> expected) {
        return locked(() -> {
            if (taken.contains(id)) {
                return Admission.HELD;
            }
            if (!stands(id, expected)) {
                return Admission.FENCED_OFF;
            }
            if (!hasPlace(id)) {
                return Admission.FULL;
            }
            taken.add(id);
            return Admission.ADMITTED;
        });
    }

    void free(KeyId id) {
        locked(() -> taken.remove(id) && giveBackUnlessUsed(id));
    }

    /** Reserves a key for a stage whose work is done, until it is {@linkplain #store stored} or left alone. */
    Optional<StageCommit> fence(KeyId id, Optional<Revision> expected) {
        return locked(() -> {
            if (!stands(id, expected)) {
                return Optional.of(StageCommit.fencedOff());
            }
            if (!committing.add(id)) {
                return Optional.of(StageCommit.transientlyRolledBack(
                        new StoreFailure(StoreFailure.Kind.BUSY, "another stage of the key is committing", null)));
            }
            return Optional.empty();
        });
    }

    void store(StoredKey key) {
        locked(() -> {
            put(key);
            return committing.remove(key.id());
        });
    }

    void leave(KeyId id) {
        locked(() -> committing.remove(id) && giveBackUnlessUsed(id));
    }

    boolean hasAny(Place.Listing listing) {
        return !listing(listing).isEmpty();
    }

    /** The first scope after this one that has wanted keys which are due before the instant. */
    Optional<String> firstScope(@Nullable String after, Instant before, Predicate<StoredKey> wanted) {
        return scopes(after)
                .filter(scope -> resumable(scope, before, wanted).findAny().isPresent())
                .findFirst();
    }

    /** The wanted keys of the scope that are due before the instant, in order. */
    Stream<Place> resumable(String scope, Instant before, Predicate<StoredKey> wanted) {
        return resumable(scope, before).filter(place -> wanted.test(stored(place)));
    }

    /** The keys of every scope that are due before the instant. */
    Stream<Place> resumable(Instant before) {
        return scopes(null).flatMap(scope -> resumable(scope, before));
    }

    private Stream<Place> resumable(String scope, Instant before) {
        return resumable.subSet(Place.ofResumable(scope, Instant.MIN), Place.ofResumable(scope, before)).stream();
    }

    private Stream<String> scopes(@Nullable String after) {
        return Stream.iterate(scope(after), Optional::isPresent, last -> scope(last.orElseThrow()))
                .flatMap(Optional::stream);
    }

    /** The next scope that has keys which are or will be due. */
    private Optional<String> scope(@Nullable String after) {
        String from = after == null ? "" : after + '\0';
        return Optional.ofNullable(resumable.ceiling(Place.ofResumable(from, Instant.MIN)))
                .map(Place::group);
    }

    /** The quarantined keys after this one, in order. */
    Stream<Place> quarantined(@Nullable KeyId after) {
        return (after == null ? quarantined : quarantined.tailSet(Place.ofQuarantined(after), false)).stream();
    }

    /** The keys that expire at the instant or earlier, in order. */
    Stream<Place> expired(Instant at) {
        return expiring.stream().takeWhile(place -> !place.at().isAfter(at));
    }

    /** Those of them whose deletion makes room, because no stage keeps the place. */
    Stream<Place> replaceable(Instant at) {
        return expired(at).filter(place -> !isInUse(place.id()));
    }

    private boolean isInUse(KeyId id) {
        return taken.contains(id) || committing.contains(id);
    }

    void delete(Place place) {
        locked(() -> {
            keys.remove(place.id());
            listing(place.listing()).remove(place);
            return giveBackUnlessUsed(place.id());
        });
    }

    StoredKey stored(Place place) {
        return Objects.requireNonNull(keys.get(place.id()), "what is listed is stored");
    }

    private NavigableSet<Place> listing(Place.Listing listing) {
        return switch (listing) {
            case RESUMABLE -> resumable;
            case EXPIRING -> expiring;
            case QUARANTINED -> quarantined;
        };
    }

    /** Whether the key has the expected revision, or isn't stored and none is expected. */
    private boolean stands(KeyId id, Optional<Revision> expected) {
        return Optional.ofNullable(keys.get(id)).map(StoredKey::revision).equals(expected);
    }

    private void checkNotCommitting(KeyId id) {
        if (committing.contains(id)) {
            throw new StoreFailure(StoreFailure.Kind.BUSY, "a stage of the key is committing", null);
        }
    }

    /** Whether the key has a place already, or else is given one. */
    private boolean hasPlace(KeyId id) {
        return keys.containsKey(id) || isInUse(id) || room.use();
    }

    private boolean giveBackUnlessUsed(KeyId id) {
        boolean isUnused = !keys.containsKey(id) && !isInUse(id);
        if (isUnused) {
            room.giveBack();
        }
        return isUnused;
    }

    private void put(StoredKey key) {
        Place place = Place.of(key);
        StoredKey old = keys.put(key.id(), key);
        if (old != null) {
            Place left = Place.of(old);
            if (left.equals(place)) {
                return;
            }
            listing(left.listing()).remove(left);
        }
        listing(place.listing()).add(place);
    }
}
