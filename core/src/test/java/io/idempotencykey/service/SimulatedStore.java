package io.idempotencykey.service;

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
import io.idempotencykey.service.History.Effect;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A store that keeps what the port promises, whatever trouble is chosen at each of its calls: worker after worker, with
 * answers lost and writes that land later. All that it does to keys is in the history.
 */
class SimulatedStore implements KeyStore<List<Effect>> {
    private static final Comparator<KeyId> BY_SCOPE_AND_VALUE =
            Comparator.comparing(KeyId::scope).thenComparing(KeyId::value);

    final SimulatedWorld world;
    final Map<KeyId, StoredKey> keys = new TreeMap<>(BY_SCOPE_AND_VALUE);

    /** What stages have committed. */
    final List<Effect> effects = new ArrayList<>();

    /** The creations that were deleted, or replaced by another one. */
    private final Set<UUID> givenWay = new HashSet<>();

    /** The keys that a single stage's transaction holds. */
    final Set<KeyId> taken = new HashSet<>();

    /** Transactions that nobody waits for any more. */
    final List<Late> late = new ArrayList<>();

    /** A write whose answer was lost, or that a dead worker left; without one it only ends. */
    record Late(SimulatedWorker by, Object what, BooleanSupplier write) {}

    SimulatedStore(SimulatedWorld world) {
        this.world = world;
    }

    /** Nobody else goes on meanwhile: a reading is wrong by as much as passes in it. */
    @Override
    public Instant time() {
        return world.storeTime();
    }

    @Override
    public Duration timeHolds() {
        return world.timeHolds();
    }

    @Override
    public boolean isInProcess() {
        return world.isInProcess();
    }

    @Override
    public Set<Isolation> isolations() {
        return Set.of(Isolation.SERIALIZABLE);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return world.reads(() -> Optional.ofNullable(keys.get(id)));
    }

    @Override
    public boolean insert(StoredKey key) {
        return write(key, () -> insertIfAbsent(key, List.of()));
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return write(next, () -> compareAndSet(expected, next, List.of()));
    }

    boolean write(StoredKey next, BooleanSupplier write) {
        SimulatedWorker me = world.me();
        Trouble trouble = world.trouble(Trouble.OF_WRITES);
        switch (trouble) {
            case TRANSIENT -> throw world.failure(StoreFailure.Kind.TRANSIENT);
            case LOST_BEFORE -> throw world.failure(StoreFailure.Kind.UNKNOWN);
            case BUSY -> {
                late.add(new Late(me, next.revision(), write));
                throw world.failure(StoreFailure.Kind.BUSY);
            }
            case LATE -> {
                late.add(new Late(me, next.revision(), write));
                throw world.failure(StoreFailure.Kind.UNKNOWN);
            }
            default -> {}
        }
        boolean done = write.getAsBoolean();
        switch (trouble) {
            case CRASH_AFTER -> throw world.crash();
            case LOST_AFTER -> throw world.failure(StoreFailure.Kind.UNKNOWN);
            default -> {}
        }
        me.saw(done ? 1 : 2);
        return done;
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<List<Effect>, StoredProgress> work) {
        SimulatedWorker me = world.me();
        me.runsWith(held.revision());
        List<Effect> written = new ArrayList<>();
        StoredKey next;
        try {
            next = held.with(work.apply(written));
        } catch (Exception e) {
            return rolledBack(e, written);
        }
        return commit(next, () -> compareAndSet(held.revision(), next, written), new boolean[1]);
    }

    /** The key is read before it is taken, as in stores where that can't be helped, and others go on in between. */
    @Override
    public StageCommit commitSingle(
            StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<Effect>> stage) {
        world.pass();
        StoredKey stored = keys.get(taking.id());
        world.me().saw(stored == null ? 3 : stored.revision().hashCode());
        world.pass();
        if (!taken.add(taking.id())) {
            world.me().saw(4);
            return StageCommit.held();
        }
        boolean[] isOpen = new boolean[1];
        try {
            return single(taking, stored, stage, isOpen);
        } catch (SimulatedWorld.Gone e) {
            // The store notices later that nobody is there any more.
            isOpen[0] = true;
            abandon(taking.id());
            throw e;
        } finally {
            if (!isOpen[0]) {
                end(taking.id());
            }
        }
    }

    private StageCommit single(
            StoredKey taking, @Nullable StoredKey stored, SingleStage<List<Effect>> stage, boolean[] isOpen) {
        if (stored != null && !stage.replaces(stored)) {
            return StageCommit.fencedOff();
        }
        List<Effect> written = new ArrayList<>();
        StoredKey next;
        try {
            next = taking.with(stage.work(written));
        } catch (Exception e) {
            return rolledBack(e, written);
        }
        return commit(
                next,
                () -> {
                    boolean done = stored == null
                            ? insertIfAbsent(next, written)
                            : compareAndSet(stored.revision(), next, written);
                    end(taking.id());
                    return done;
                },
                isOpen);
    }

    /** The transaction that holds the key ends; by itself that writes nothing. */
    boolean end(KeyId id) {
        taken.remove(id);
        return false;
    }

    /** A dead worker's transaction holds the key until the store ends it. */
    void abandon(KeyId id) {
        late.add(new Late(world.me(), id, () -> end(id)));
    }

    StageCommit rolledBack(Exception failure, List<Effect> written) {
        return StageCommit.rolledBack(failure);
    }

    StageCommit commit(StoredKey next, BooleanSupplier commit, boolean[] isOpen) {
        SimulatedWorker me = world.me();
        Trouble trouble;
        try {
            trouble = world.trouble(Trouble.OF_WRITES);
        } catch (StoreFailure e) {
            return StageCommit.transientlyRolledBack(e);
        }
        switch (trouble) {
            case TRANSIENT, BUSY -> {
                return conflicting(next, commit);
            }
            case LOST_BEFORE -> {
                return unanswered(me);
            }
            case LATE -> {
                isOpen[0] = true;
                late.add(new Late(me, next.revision(), commit));
                return unanswered(me);
            }
            default -> {}
        }
        boolean committed = commit.getAsBoolean();
        switch (trouble) {
            case CRASH_AFTER -> throw world.crash();
            case LOST_AFTER -> {
                return unanswered(me);
            }
            default -> {}
        }
        me.saw(committed ? 5 : 6);
        return committed ? StageCommit.committed() : StageCommit.fencedOff();
    }

    StageCommit conflicting(StoredKey next, BooleanSupplier commit) {
        return StageCommit.transientlyRolledBack(world.failure(StoreFailure.Kind.TRANSIENT));
    }

    StageCommit unanswered(SimulatedWorker me) {
        me.answerLost = true;
        return StageCommit.unknown(world.failure(StoreFailure.Kind.UNKNOWN));
    }

    boolean insertIfAbsent(StoredKey key, List<Effect> written) {
        return keys.get(key.id()) == null && put(key, written);
    }

    boolean compareAndSet(Revision expected, StoredKey next, List<Effect> written) {
        StoredKey stored = keys.get(next.id());
        return stored != null && stored.revision().equals(expected) && put(next, written);
    }

    /** Stores a key and what a stage wrote, whatever is there. */
    boolean put(StoredKey next, List<Effect> written) {
        keep(written);
        StoredKey before = keys.put(next.id(), next);
        if (before != null && !before.key().creationId().equals(next.key().creationId())) {
            givenWay.add(before.key().creationId());
        }
        world.wrote(before, next);
        return true;
    }

    boolean hasGivenWay(UUID creation) {
        return givenWay.contains(creation);
    }

    void keep(List<Effect> written) {
        if (!written.isEmpty()) {
            effects.addAll(written);
            world.committed(written);
        }
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return world.reads(() -> {
            List<StoredKey> due = keys.values().stream()
                    .filter(key -> afterScope == null || key.id().scope().compareTo(afterScope) > 0)
                    .filter(key -> operations.isEmpty()
                            || operations
                                    .getOrDefault(key.key().operation(), Set.of())
                                    .contains(key.key().recoveryPoint()))
                    .filter(key -> dueAt(key).isBefore(before))
                    .sorted(Comparator.comparing((StoredKey key) -> key.id().scope())
                            .thenComparing(this::dueAt))
                    .toList();
            return due.stream()
                    .takeWhile(key -> key.id().scope().equals(due.get(0).id().scope()))
                    .limit(limit)
                    .toList();
        });
    }

    Instant dueAt(StoredKey key) {
        KeyState state = key.key().state();
        if (state instanceof KeyState.Open open) {
            return open.resumableFrom();
        }
        return state instanceof KeyState.Locked locked ? locked.leaseEnds() : Instant.MAX;
    }

    /** The roles of the simulation ask for the first keys of all scopes. */
    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(this::dueAt, limit);
    }

    /** As {@link #findUnfinished}. */
    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(
                key -> key.key().state() instanceof KeyState.Quarantined quarantined
                        ? quarantined.since()
                        : Instant.MAX,
                limit);
    }

    private List<StoredKey> oldest(Function<StoredKey, Instant> instant, int limit) {
        return world.reads(() -> keys.values().stream()
                .filter(key -> instant.apply(key).isBefore(Instant.MAX))
                .sorted(Comparator.comparing(instant))
                .limit(limit)
                .toList());
    }

    /** No role of the simulation asks for it. */
    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Backlog backlog(Instant before) {
        return world.reads(() -> {
            List<Instant> since = keys.values().stream()
                    .map(this::dueAt)
                    .filter(from -> from.isBefore(before))
                    .sorted()
                    .toList();
            int quarantined = (int) keys.values().stream()
                    .filter(key -> key.key().state() instanceof KeyState.Quarantined)
                    .count();
            return new Backlog(before, since.size(), since.stream().findFirst(), quarantined);
        });
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return world.reads(() -> {
            List<StoredKey> expired = keys.values().stream()
                    .filter(key -> isExpired(key, at))
                    .limit(limit)
                    .toList();
            expired.forEach(key -> {
                keys.remove(key.id());
                givenWay.add(key.key().creationId());
                world.deleted(key);
            });
            return expired.size();
        });
    }

    boolean isExpired(StoredKey key, Instant at) {
        return Transitions.isExpired(key.key(), at);
    }

    /** The same for all worlds that go on alike, and no other. */
    long state() {
        long state = 0;
        for (StoredKey key : keys.values()) {
            state = SimulatedWorld.mixed(
                    state,
                    key.revision().value().getMostSignificantBits()
                            + key.progress().progress().hashCode());
        }
        for (Effect effect : effects) {
            state = SimulatedWorld.mixed(state, effect.hashCode());
        }
        for (Late each : late) {
            state = SimulatedWorld.mixed(state, each.what().hashCode());
        }
        return SimulatedWorld.mixed(state, taken.hashCode());
    }
}
