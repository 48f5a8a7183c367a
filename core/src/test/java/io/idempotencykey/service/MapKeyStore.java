package io.idempotencykey.service;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Keys in a map and rows in a list, with the time that a test says: the least that keeps what the port promises. */
public class MapKeyStore implements KeyStore<List<String>> {
    final Map<KeyId, StoredKey> keys = new ConcurrentHashMap<>();

    /** What stages have committed. */
    public final List<String> rows = new CopyOnWriteArrayList<>();

    volatile Instant now = Instant.parse("2040-02-29T23:59:59.999Z");

    /** What one transaction writes; it refuses what comes late. */
    private static final class Rows extends AbstractList<String> {
        private final List<String> rows = new ArrayList<>();
        private volatile boolean ended;

        @Override
        public void add(int index, String row) {
            if (ended) {
                throw new IllegalStateException("the transaction has ended");
            }
            rows.add(index, row);
        }

        @Override
        public String get(int index) {
            return rows.get(index);
        }

        @Override
        public int size() {
            return rows.size();
        }
    }

    /** What every write fails with, while it is set. */
    volatile @Nullable RuntimeException failing;

    void pass(Duration time) {
        now = now.plus(time);
    }

    IdempotencyKey key(KeyId id) {
        return find(id).orElseThrow().key();
    }

    @Override
    public Instant time() {
        return now;
    }

    @Override
    public Duration timeHolds() {
        return Duration.ZERO;
    }

    @Override
    public Set<Isolation> isolations() {
        return EnumSet.allOf(Isolation.class);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return Optional.ofNullable(keys.get(id));
    }

    @Override
    public boolean insert(StoredKey key) {
        return keys.putIfAbsent(key.id(), key) == null;
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        RuntimeException failure = failing;
        if (failure != null) {
            throw failure;
        }
        StoredKey stored = keys.get(next.id());
        return stored != null && stored.revision().equals(expected) && keys.replace(next.id(), stored, next);
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
        Rows written = new Rows();
        StoredProgress next;
        try {
            next = work.apply(written);
        } catch (Throwable e) {
            return StageCommit.rolledBack(e);
        } finally {
            written.ended = true;
        }
        if (!replace(held.revision(), held.with(next))) {
            return StageCommit.fencedOff();
        }
        rows.addAll(written);
        return StageCommit.committed();
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        List<StoredKey> due = keys.values().stream()
                .filter(key -> afterScope == null || key.id().scope().compareTo(afterScope) > 0)
                .filter(key -> operations.isEmpty()
                        || operations
                                .getOrDefault(key.key().operation(), Set.of())
                                .contains(key.key().recoveryPoint()))
                .filter(key -> dueAt(key).isBefore(before))
                .sorted(Comparator.comparing((StoredKey key) -> key.id().scope())
                        .thenComparing(MapKeyStore::dueAt))
                .toList();
        return due.stream()
                .takeWhile(key -> key.id().scope().equals(due.get(0).id().scope()))
                .limit(limit)
                .toList();
    }

    private static Instant dueAt(StoredKey key) {
        KeyState state = key.key().state();
        if (state instanceof KeyState.Open open) {
            return open.resumableFrom();
        }
        return state instanceof KeyState.Locked locked ? locked.leaseEnds() : Instant.MAX;
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
        return keys.values().stream()
                .filter(key -> key.key().state() instanceof KeyState.Quarantined)
                .filter(key -> after == null || order().compare(key.id(), after) > 0)
                .sorted(Comparator.comparing(StoredKey::id, order()))
                .limit(limit)
                .toList();
    }

    private static Comparator<KeyId> order() {
        return Comparator.comparing(KeyId::scope).thenComparing(KeyId::value);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        List<StoredKey> expired = keys.values().stream()
                .filter(key -> Transitions.isExpired(key.key(), at))
                .limit(limit)
                .toList();
        return (int) expired.stream().filter(key -> keys.remove(key.id(), key)).count();
    }
}
