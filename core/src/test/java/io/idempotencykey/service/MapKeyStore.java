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
import java.util.stream.Collectors;
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

    @Override
    public Backlog backlog(Instant before) {
        List<Instant> since = keys.values().stream()
                .map(MapKeyStore::dueAt)
                .filter(from -> from.isBefore(before))
                .sorted()
                .toList();
        return new Backlog(
                before,
                since.size(),
                since.stream().findFirst(),
                findQuarantined(null, Integer.MAX_VALUE).size());
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable KeyId after, Instant due, int limit) {
        return keys.values().stream()
                .filter(key -> dueAt(key).isBefore(Instant.MAX))
                .filter(key -> after == null || isBehind(key, after, due))
                .sorted(Comparator.comparing((StoredKey key) -> key.id().scope())
                        .thenComparing(MapKeyStore::dueAt)
                        .thenComparing(key -> key.id().value()))
                .limit(limit)
                .toList();
    }

    /** Whether a key comes after another one in the order of scopes, instants and values. */
    private static boolean isBehind(StoredKey key, KeyId after, Instant due) {
        int order = key.id().scope().compareTo(after.scope());
        if (order == 0) {
            order = dueAt(key).compareTo(due);
        }
        return order > 0 || (order == 0 && key.id().value().compareTo(after.value()) > 0);
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        Map<String, List<Instant>> waiting = keys.values().stream()
                .filter(key -> dueAt(key).isBefore(before))
                .limit(most)
                .collect(Collectors.groupingBy(
                        key -> key.key().operation(), Collectors.mapping(MapKeyStore::dueAt, Collectors.toList())));
        Map<String, Long> aside = findQuarantined(null, most).stream()
                .collect(Collectors.groupingBy(key -> key.key().operation(), Collectors.counting()));
        List<Backlog.OfOperation> counted = new ArrayList<>();
        waiting.forEach((operation, since) -> counted.add(
                new Backlog.OfOperation(operation, since.size(), since.stream().min(Comparator.naturalOrder()), 0)));
        aside.forEach(
                (operation, number) -> counted.add(new Backlog.OfOperation(operation, 0, Optional.empty(), number)));
        return counted;
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
