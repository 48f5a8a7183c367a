package io.idempotencykey.inmemory;

import io.idempotencykey.KeyId;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Some of a store's keys, under a lock of their own. No code of the application runs under it.
 *
 * <p>What lists keys is called, and a stream is read to its end, within {@link #listed}.
 */
final class Part {
    /** What becomes of a key that is to be new, or to be taken. */
    enum Admission {
        ADMITTED,
        FENCED_OFF,
        HELD,
        FULL
    }

    /**
     * After so many changes the keys are listed, so that nobody who asks for them has to list many more. Most requests
     * are finished by then, so that their keys are listed once.
     */
    private static final int MOST_UNLISTED = 64;

    private final ReentrantLock lock = new ReentrantLock();
    /** Each entry uses one place. None is used or given back without the part's lock. */
    private final Room room;

    /** Written under the lock only, but read without it, too. */
    private final Map<KeyId, Entry> entries = new ConcurrentHashMap<>();

    private final NavigableSet<Place> resumable = new TreeSet<>();
    private final NavigableSet<Place> expiring = new TreeSet<>();
    private final NavigableSet<Place> quarantined = new TreeSet<>();
    /** The entries whose keys have changed since they were listed. */
    private final List<Entry> unlisted = new ArrayList<>();

    /** What is stored of a key, and what runs on it. It is in the part as long as there is either. */
    private static final class Entry {
        /** Read without the lock, too. */
        private volatile @Nullable StoredKey stored;
        /** Whether a single stage of the key runs. */
        private boolean isTaken;
        /** Whether a stage of the key commits. */
        private boolean isCommitting;
        /** Where the key is listed; where it belongs by now is another matter while the entry is unlisted. */
        private @Nullable Place place;

        private boolean isUnlisted;

        boolean isInUse() {
            return isTaken || isCommitting;
        }

        /** Whether the key has the expected revision, or isn't stored and none is expected. */
        boolean stands(Optional<Revision> expected) {
            return Optional.ofNullable(stored).map(StoredKey::revision).equals(expected);
        }

        void checkNotCommitting() {
            if (isCommitting) {
                throw new StoreFailure(StoreFailure.Kind.BUSY, "a stage of the key is committing", null);
            }
        }
    }

    Part(Room room) {
        this.room = room;
    }

    /** Acts on the part as it is at one moment, with all keys in their listings. */
    <R> R listed(Supplier<R> action) {
        return locked(() -> {
            list();
            return action.get();
        });
    }

    private <R> R locked(Supplier<R> action) {
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
        return lock.isLocked() ? locked(() -> stored(id)) : stored(id);
    }

    private Optional<StoredKey> stored(KeyId id) {
        Entry entry = entries.get(id);
        return entry == null ? Optional.empty() : Optional.ofNullable(entry.stored);
    }

    Admission insert(StoredKey key) {
        return locked(() -> {
            Entry entry = entries.get(key.id());
            if (entry == null) {
                return add(key.id(), added -> put(added, key));
            }
            if (entry.stored != null) {
                return Admission.FENCED_OFF;
            }
            entry.checkNotCommitting();
            put(entry, key);
            return Admission.ADMITTED;
        });
    }

    boolean replace(Revision expected, StoredKey next) {
        return locked(() -> {
            Entry entry = entries.get(next.id());
            if (entry == null || !entry.stands(Optional.of(expected))) {
                return false;
            }
            entry.checkNotCommitting();
            put(entry, next);
            return true;
        });
    }

    /** Takes a key for a single stage until it is {@linkplain #free freed}. */
    Admission take(KeyId id, Optional<Revision> expected) {
        return locked(() -> {
            Entry entry = entries.get(id);
            if (entry == null) {
                return expected.isPresent() ? Admission.FENCED_OFF : add(id, added -> added.isTaken = true);
            }
            if (entry.isTaken) {
                return Admission.HELD;
            }
            if (!entry.stands(expected)) {
                return Admission.FENCED_OFF;
            }
            entry.isTaken = true;
            return Admission.ADMITTED;
        });
    }

    void free(KeyId id) {
        change(id, entry -> entry.isTaken = false);
    }

    /** Reserves a key for a stage whose work is done, until it is {@linkplain #store stored} or left alone. */
    Optional<StageCommit> fence(KeyId id, Optional<Revision> expected) {
        return locked(() -> {
            Entry entry = entries.get(id);
            if (entry == null || !entry.stands(expected)) {
                return Optional.of(StageCommit.fencedOff());
            }
            if (entry.isCommitting) {
                return Optional.of(StageCommit.transientlyRolledBack(
                        new StoreFailure(StoreFailure.Kind.BUSY, "another stage of the key is committing", null)));
            }
            entry.isCommitting = true;
            return Optional.empty();
        });
    }

    void store(StoredKey key) {
        change(key.id(), entry -> {
            put(entry, key);
            entry.isCommitting = false;
        });
    }

    void leave(KeyId id) {
        change(id, entry -> entry.isCommitting = false);
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

    /** The keys of a listing, in its order. */
    Stream<Place> all(Place.Listing listing) {
        return listing(listing).stream();
    }

    /** The keys that expire at the instant or earlier, in order. */
    Stream<Place> expired(Instant at) {
        return expiring.stream().takeWhile(place -> !place.at().isAfter(at));
    }

    /** Those of them whose deletion makes room, because no stage keeps the place. */
    Stream<Place> replaceable(Instant at) {
        return expired(at).filter(place -> !entry(place.id()).isInUse());
    }

    void delete(Place place) {
        change(place.id(), entry -> {
            entry.stored = null;
            list(entry);
        });
    }

    StoredKey stored(Place place) {
        return Objects.requireNonNull(entry(place.id()).stored, "what is listed is stored");
    }

    private Entry entry(KeyId id) {
        return Objects.requireNonNull(entries.get(id), "what is listed, runs or commits has an entry");
    }

    private NavigableSet<Place> listing(Place.Listing listing) {
        return switch (listing) {
            case RESUMABLE -> resumable;
            case EXPIRING -> expiring;
            case QUARANTINED -> quarantined;
        };
    }

    /** Adds an entry, if there is room. */
    private Admission add(KeyId id, Consumer<Entry> change) {
        if (!room.use()) {
            return Admission.FULL;
        }
        Entry entry = new Entry();
        change.accept(entry);
        entries.put(id, entry);
        return Admission.ADMITTED;
    }

    /** Changes an entry, and removes it if nothing is stored then and nothing runs. */
    private void change(KeyId id, Consumer<Entry> change) {
        locked(() -> {
            Entry entry = entry(id);
            change.accept(entry);
            if (entry.stored == null && !entry.isInUse()) {
                entries.remove(id);
                room.giveBack();
            }
            return entry;
        });
    }

    private void put(Entry entry, StoredKey key) {
        entry.stored = key;
        if (!entry.isUnlisted) {
            entry.isUnlisted = true;
            unlisted.add(entry);
            if (unlisted.size() >= MOST_UNLISTED) {
                list();
            }
        }
    }

    private void list() {
        for (Entry entry : unlisted) {
            list(entry);
            entry.isUnlisted = false;
        }
        unlisted.clear();
    }

    /** Moves a key to the listing, and the place there, where it belongs by now. */
    private void list(Entry entry) {
        Place left = entry.place;
        StoredKey stored = entry.stored;
        Place place = stored == null ? null : Place.of(stored);
        if (Objects.equals(left, place)) {
            return;
        }
        if (left != null) {
            listing(left.listing()).remove(left);
        }
        if (place != null) {
            listing(place.listing()).add(place);
        }
        entry.place = place;
    }
}
