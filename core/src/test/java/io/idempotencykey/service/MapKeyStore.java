package io.idempotencykey.service;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Keys in a map and rows in a list, with the time that a test says: the least that keeps what the port promises. */
class MapKeyStore implements KeyStore<List<String>> {
    final Map<KeyId, StoredKey> keys = new ConcurrentHashMap<>();

    /** The keys that a single stage's transaction has taken. */
    final Set<KeyId> taken = ConcurrentHashMap.newKeySet();

    /** What happens after a single stage's key was looked for and before it is taken. */
    volatile Runnable afterLook = () -> {};

    /** What stages have committed. */
    final List<String> rows = new CopyOnWriteArrayList<>();

    volatile Instant now = World.START;

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
        List<String> written = new ArrayList<>();
        StoredProgress next;
        try {
            next = work.apply(written);
        } catch (Throwable e) {
            return StageCommit.rolledBack(e);
        }
        return commit(held, next, written);
    }

    /** Commits what a stage has written, if the key is still as it was held. */
    StageCommit commit(StoredKey held, StoredProgress next, List<String> written) {
        if (!replace(held.revision(), held.with(next))) {
            return StageCommit.fencedOff();
        }
        rows.addAll(written);
        return StageCommit.committed();
    }

    @Override
    public StageCommit commitSingle(
            StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
        StoredKey stored = keys.get(taking.id());
        afterLook.run();
        if (!taken.add(taking.id())) {
            return StageCommit.held();
        }
        try {
            if (stored != null && !stage.replaces(stored)) {
                return StageCommit.fencedOff();
            }
            List<String> written = new ArrayList<>();
            StoredProgress next;
            try {
                next = stage.work(written);
            } catch (Throwable e) {
                return StageCommit.rolledBack(e);
            }
            return commit(stored, taking.with(next), written);
        } finally {
            taken.remove(taking.id());
        }
    }

    /** Commits what a single stage has written, if no other key stands in its way. */
    StageCommit commit(@Nullable StoredKey replaced, StoredKey next, List<String> written) {
        boolean stored = replaced == null ? insert(next) : replace(replaced.revision(), next);
        if (!stored) {
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

    private static Instant quarantinedAt(StoredKey key) {
        return key.key().state() instanceof KeyState.Quarantined quarantined ? quarantined.since() : Instant.MAX;
    }

    @Override
    public Backlog backlog(Instant before) {
        List<StoredKey> waiting = waiting(before).toList();
        return new Backlog(
                before,
                waiting.size(),
                waiting.stream().map(MapKeyStore::dueAt).findFirst(),
                oldest(MapKeyStore::quarantinedAt).count());
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return behind(MapKeyStore::dueAt, scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return behind(MapKeyStore::quarantinedAt, scope, after, since, limit);
    }

    private List<StoredKey> behind(
            Function<StoredKey, Instant> instant,
            @Nullable String scope,
            @Nullable KeyId after,
            Instant since,
            int limit) {
        return oldest(instant)
                .filter(key -> scope == null || key.id().scope().equals(scope))
                .filter(key -> after == null || isBehind(instant.apply(key), key.id(), since, after))
                .limit(limit)
                .toList();
    }

    private static boolean isBehind(Instant instant, KeyId id, Instant since, KeyId after) {
        return instant.equals(since) ? order().compare(id, after) > 0 : instant.isAfter(since);
    }

    /** The keys that have an instant, by it. */
    private Stream<StoredKey> oldest(Function<StoredKey, Instant> instant) {
        return keys.values().stream()
                .filter(key -> instant.apply(key).isBefore(Instant.MAX))
                .sorted(Comparator.comparing(instant).thenComparing(StoredKey::id, order()));
    }

    private Stream<StoredKey> waiting(Instant before) {
        return oldest(MapKeyStore::dueAt).takeWhile(key -> dueAt(key).isBefore(before));
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        List<Backlog.OfOperation> counted = new ArrayList<>();
        waiting(before)
                .limit(most)
                .forEach(key -> counted.add(new Backlog.OfOperation(
                        key.key().operation(), 1, Optional.of(dueAt(key)), 0, Optional.empty())));
        oldest(MapKeyStore::quarantinedAt)
                .limit(most)
                .forEach(key -> counted.add(new Backlog.OfOperation(
                        key.key().operation(), 0, Optional.empty(), 1, Optional.of(quarantinedAt(key)))));
        return counted;
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
