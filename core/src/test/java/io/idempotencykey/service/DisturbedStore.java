package io.idempotencykey.service;

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
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A store whose calls are counted, and to which a test can do harm. */
final class DisturbedStore implements KeyStore<List<String>> {
    private final MapKeyStore store;
    private final Queue<Call> calls = new ConcurrentLinkedQueue<>();
    private final Map<Call, Queue<Disturbance>> coming = new EnumMap<>(Call.class);
    private final Map<Call, Fault> lasting = new EnumMap<>(Call.class);
    private final Queue<Landing> late = new ConcurrentLinkedQueue<>();
    private final List<StageCommit> landed = new ArrayList<>();
    private @Nullable Set<Isolation> isolations;
    private @Nullable Isolation isolation;
    private @Nullable Duration lease;
    private Call landsAfter = Call.FIND;
    private int landsAfterCalls = 1;

    private record Disturbance(Runnable before, Fault fault) {}

    private record Landing(Call after, AtomicInteger calls, Runnable change) {}

    /** Ends a transaction in which the stage's work is done. */
    private static final class Aborted extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    DisturbedStore(MapKeyStore store) {
        this.store = store;
        for (Call call : Call.values()) {
            coming.put(call, new ConcurrentLinkedQueue<>());
            lasting.put(call, Fault.NONE);
        }
    }

    /** The calls since the last {@link #forget()}, in order; reading the time apart. */
    List<Call> calls() {
        return calls.stream().filter(call -> call != Call.TIME).toList();
    }

    long count(Call call) {
        return calls.stream().filter(call::equals).count();
    }

    void forget() {
        calls.clear();
    }

    /** The next calls of a kind meet these faults, one each. */
    void next(Call call, Fault... faults) {
        for (Fault fault : faults) {
            queue(call).add(new Disturbance(() -> {}, fault));
        }
    }

    /** Something happens just before the next call of a kind. */
    void before(Call call, Runnable event) {
        queue(call).add(new Disturbance(event, Fault.NONE));
    }

    /** All calls of a kind meet this fault, after those for which another one was said. */
    void always(Call call, Fault fault) {
        lasting.put(call, fault);
    }

    /** Changes that come late are made after so many calls of a kind, at the end of the last of them. */
    void lateChangesLandAfter(Call call, int calls) {
        landsAfter = call;
        landsAfterCalls = calls;
    }

    /** Makes all changes that come late. */
    void land() {
        late.forEach(landing -> landing.change().run());
        late.clear();
    }

    /** What became of stages whose commit came late. */
    List<StageCommit> landed() {
        return landed;
    }

    /** The isolation of the last stage. */
    @Nullable
    Isolation isolation() {
        return isolation;
    }

    /** How long the last stage's transaction was allowed to live. */
    @Nullable
    Duration lease() {
        return lease;
    }

    void allow(Set<Isolation> only) {
        isolations = only;
    }

    @Override
    public Instant time() {
        return statement(Call.TIME, store::time);
    }

    @Override
    public Duration timeHolds() {
        return Duration.ofMinutes(1);
    }

    @Override
    public Set<Isolation> isolations() {
        return isolations == null ? store.isolations() : isolations;
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return statement(Call.FIND, () -> store.find(id));
    }

    @Override
    public boolean insert(StoredKey key) {
        return statement(Call.INSERT, () -> store.insert(key));
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return statement(Call.REPLACE, () -> store.replace(expected, next));
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return store.findResumable(operations, afterScope, before, limit);
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return store.findUnfinished(scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return store.findQuarantined(scope, after, since, limit);
    }

    @Override
    public Backlog backlog(Instant before) {
        return store.backlog(before);
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        return store.countByOperation(before, most);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return store.deleteExpired(at, limit);
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
        return stage(
                Call.COMMIT_STAGE,
                isolation,
                lease,
                new Commit(
                        () -> store.commitStage(held, isolation, lease, work),
                        () -> store.commitStage(held, isolation, lease, transaction -> {
                            throw instead(() -> work.apply(transaction), new Aborted());
                        }),
                        () -> late(held, work)));
    }

    @Override
    public StageCommit commitSingle(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
        return stage(
                Call.COMMIT_SINGLE,
                isolation,
                lease,
                new Commit(
                        () -> store.commitSingle(taken, isolation, lease, stage),
                        () -> store.commitSingle(taken, isolation, lease, new Aborting(stage)),
                        () -> late(taken, stage)));
    }

    /** A stage's commit as it should be, with its work done and rolled back, and with its work done and still open. */
    private record Commit(Supplier<StageCommit> made, Supplier<StageCommit> aborted, Supplier<StageCommit> late) {}

    /** A single stage whose transaction ends when its work is done. */
    private record Aborting(SingleStage<List<String>> stage) implements SingleStage<List<String>> {
        @Override
        public boolean replaces(StoredKey stored) {
            return stage.replaces(stored);
        }

        @Override
        public StoredProgress work(List<String> transaction) {
            throw instead(() -> stage.work(transaction), new Aborted());
        }
    }

    private StageCommit stage(Call call, Isolation isolation, Duration lease, Commit commit) {
        Fault fault = begin(call);
        this.isolation = isolation;
        this.lease = lease;
        StageCommit end = switch (fault) {
            case NONE -> commit.made().get();
            case TRANSIENT ->
                insteadOfAbort(
                        commit.aborted().get(),
                        StageCommit.transientlyRolledBack(failure(StoreFailure.Kind.TRANSIENT)));
            case LOST ->
                insteadOfAbort(commit.aborted().get(), StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN)));
            case MADE_BUT_UNANSWERED -> {
                StageCommit made = commit.made().get();
                yield made.equals(StageCommit.committed())
                        ? StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN))
                        : made;
            }
            case LATE -> commit.late().get();
            case CRASH_BEFORE -> throw instead(commit.aborted(), new Crash());
            case CRASH_AFTER -> throw instead(commit.made(), new Crash());
            case UNTRANSLATED -> throw instead(commit.aborted(), untranslated());
            case UNAVAILABLE -> throw failure(StoreFailure.Kind.UNAVAILABLE);
            case BUSY, BUSY_BUT_MADE -> throw failure(StoreFailure.Kind.BUSY);
            case FULL -> throw failure(StoreFailure.Kind.FULL);
        };
        land(call);
        return end;
    }

    /** The change is made, and something else is told. */
    private static <X extends Throwable> X instead(Supplier<?> change, X told) {
        Object unused = change.get();
        return told;
    }

    private static IllegalStateException untranslated() {
        return new IllegalStateException("injected: the driver's own exception");
    }

    private static StageCommit insteadOfAbort(StageCommit end, StageCommit told) {
        return end.cause() instanceof Aborted ? told : end;
    }

    /** Does the work now, and commits it when its time has come. */
    private StageCommit late(StoredKey held, Function<List<String>, StoredProgress> work) {
        List<String> written = new ArrayList<>();
        StoredProgress next;
        try {
            next = work.apply(written);
        } catch (Throwable e) {
            return StageCommit.rolledBack(e);
        }
        late.add(new Landing(
                landsAfter, new AtomicInteger(landsAfterCalls), () -> landed.add(store.commit(held, next, written))));
        return StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN));
    }

    /** Does the work now, holds the key, and commits when its time has come. */
    private StageCommit late(StoredKey taken, SingleStage<List<String>> stage) {
        if (!store.taken.add(taken.id())) {
            return StageCommit.held();
        }
        StoredKey stored = store.keys.get(taken.id());
        List<String> written = new ArrayList<>();
        StoredProgress next;
        try {
            if (stored != null && !stage.replaces(stored)) {
                store.taken.remove(taken.id());
                return StageCommit.fencedOff();
            }
            next = stage.work(written);
        } catch (Throwable e) {
            store.taken.remove(taken.id());
            return StageCommit.rolledBack(e);
        }
        late.add(new Landing(landsAfter, new AtomicInteger(landsAfterCalls), () -> {
            landed.add(store.commit(stored, taken.with(next), written));
            store.taken.remove(taken.id());
        }));
        return StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN));
    }

    private <R> R statement(Call call, Supplier<R> statement) {
        R answer = switch (begin(call)) {
            case NONE -> statement.get();
            case UNAVAILABLE -> throw failure(StoreFailure.Kind.UNAVAILABLE);
            case TRANSIENT -> throw failure(StoreFailure.Kind.TRANSIENT);
            case BUSY -> throw failure(StoreFailure.Kind.BUSY);
            case FULL -> throw failure(StoreFailure.Kind.FULL);
            case LOST -> throw failure(StoreFailure.Kind.UNKNOWN);
            case BUSY_BUT_MADE -> throw instead(statement, failure(StoreFailure.Kind.BUSY));
            case MADE_BUT_UNANSWERED -> throw instead(statement, failure(StoreFailure.Kind.UNKNOWN));
            case LATE -> {
                late.add(new Landing(landsAfter, new AtomicInteger(landsAfterCalls), () -> {
                    var unused = statement.get();
                }));
                throw failure(StoreFailure.Kind.UNKNOWN);
            }
            case UNTRANSLATED -> throw untranslated();
            case CRASH_BEFORE -> throw new Crash();
            case CRASH_AFTER -> throw instead(statement, new Crash());
        };
        land(call);
        return answer;
    }

    private Fault begin(Call call) {
        calls.add(call);
        Disturbance disturbance = queue(call).poll();
        if (disturbance == null) {
            return lasting.getOrDefault(call, Fault.NONE);
        }
        disturbance.before().run();
        return disturbance.fault();
    }

    private void land(Call call) {
        late.removeIf(landing -> {
            boolean lands = landing.after() == call && landing.calls().decrementAndGet() == 0;
            if (lands) {
                landing.change().run();
            }
            return lands;
        });
    }

    private Queue<Disturbance> queue(Call call) {
        return coming.getOrDefault(call, new ConcurrentLinkedQueue<>());
    }

    private static StoreFailure failure(StoreFailure.Kind kind) {
        return new StoreFailure(kind, "injected: " + kind, null);
    }
}
