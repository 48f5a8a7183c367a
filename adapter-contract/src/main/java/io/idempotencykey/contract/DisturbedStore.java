package io.idempotencykey.contract;

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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A real store whose time is given by the test, and whose next stage can meet a fault. */
final class DisturbedStore<T> implements KeyStore<T> {
    /** What can go wrong with a stage. */
    enum Fault {
        /** Nothing. */
        NONE,
        /** What was done is rolled back: a serialization failure, a deadlock. */
        TRANSIENT,
        /** What was done is rolled back, and the answer is lost. */
        LOST,
        /** The stage is committed, and the answer is lost. */
        MADE_BUT_UNANSWERED,
        /** The answer is lost, and the stage is committed after one or more later calls. */
        LATE
    }

    /** The calls after which a late commit can land. */
    enum Call {
        FIND,
        REPLACE
    }

    private final KeyStore<T> store;
    private final Supplier<Instant> clock;
    private final AtomicReference<Fault> next = new AtomicReference<>(Fault.NONE);
    private final AtomicReference<Runnable> then = new AtomicReference<>(() -> {});
    private @Nullable Runnable landing;
    private Call landsAfter = Call.FIND;
    private int landsAfterCalls = 1;
    private @Nullable StageCommit landed;

    /** Ends a transaction in which the stage's work is done. */
    private static final class Aborted extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    DisturbedStore(KeyStore<T> store, Supplier<Instant> clock) {
        this.store = store;
        this.clock = clock;
    }

    /** The next stage meets this fault. */
    void next(Fault fault) {
        next.set(fault);
    }

    /** The next stage's answer is lost, and it is committed at the end of the last of so many calls of a kind. */
    void commitLateAfter(Call call, int calls) {
        next(Fault.LATE);
        landsAfter = call;
        landsAfterCalls = calls;
    }

    /** Something happens when the next stage has ended, before its caller learns how. */
    void afterNext(Runnable event) {
        then.set(event);
    }

    /** What became of the stage whose commit came late; null while it hasn't come. */
    @Nullable
    StageCommit landed() {
        return landed;
    }

    @Override
    public Instant time() {
        return clock.get();
    }

    @Override
    public Duration timeHolds() {
        return Duration.ofMinutes(1);
    }

    @Override
    public boolean isInProcess() {
        return store.isInProcess();
    }

    @Override
    public Set<Isolation> isolations() {
        return store.isolations();
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        Optional<StoredKey> found = store.find(id);
        landAfter(Call.FIND);
        return found;
    }

    @Override
    public boolean insert(StoredKey key) {
        return store.insert(key);
    }

    @Override
    public Optional<StoredKey> insertOrFind(StoredKey key) {
        Optional<StoredKey> stored = store.insertOrFind(key);
        landAfter(Call.FIND);
        return stored;
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        boolean replaced = store.replace(expected, next);
        landAfter(Call.REPLACE);
        return replaced;
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
            StoredKey held, Isolation isolation, Duration lease, Function<T, StoredProgress> work) {
        return disturbed(around -> store.commitStage(held, isolation, lease, around.apply(work)));
    }

    @Override
    public StageCommit commitSingle(StoredKey taken, Isolation isolation, Duration lease, SingleStage<T> stage) {
        return disturbed(
                around -> store.commitSingle(taken, isolation, lease, new Wrapped<>(stage, around.apply(stage::work))));
    }

    /** A single stage with something around its work. */
    private record Wrapped<T>(SingleStage<T> stage, Function<T, StoredProgress> work) implements SingleStage<T> {
        @Override
        public boolean replaces(StoredKey stored) {
            return stage.replaces(stored);
        }

        @Override
        public StoredProgress work(T transaction) {
            return work.apply(transaction);
        }
    }

    /** A stage's commit, with something around the stage's work. */
    private interface Commit<T> {
        StageCommit apply(UnaryOperator<Function<T, StoredProgress>> around);
    }

    /** Commits a stage with the fault that the test said. */
    private StageCommit disturbed(Commit<T> commit) {
        StageCommit end = switch (next.getAndSet(Fault.NONE)) {
            case NONE -> commit.apply(UnaryOperator.identity());
            case TRANSIENT -> aborted(commit, StageCommit.transientlyRolledBack(failure(StoreFailure.Kind.TRANSIENT)));
            case LOST -> aborted(commit, unknown());
            case MADE_BUT_UNANSWERED -> {
                StageCommit made = commit.apply(UnaryOperator.identity());
                yield made.equals(StageCommit.committed()) ? unknown() : made;
            }
            case LATE -> late(commit);
        };
        then.getAndSet(() -> {}).run();
        return end;
    }

    /** Does the work in a transaction that is rolled back, and tells something else. */
    private StageCommit aborted(Commit<T> commit, StageCommit told) {
        StageCommit end = commit.apply(work -> transaction -> {
            StoredProgress unused = work.apply(transaction);
            throw new Aborted();
        });
        return end.cause() instanceof Aborted ? told : end;
    }

    /** Does the work in a thread of its own, whose commit goes on when its time has come. */
    private StageCommit late(Commit<T> commit) {
        CountDownLatch goOn = new CountDownLatch(1);
        CompletableFuture<Void> worked = new CompletableFuture<>();
        CompletableFuture<StageCommit> end = new CompletableFuture<>();
        Threads.start(() -> {
            try {
                end.complete(commit.apply(work -> transaction -> {
                    StoredProgress next = work.apply(transaction);
                    worked.complete(null);
                    Threads.await(goOn);
                    return next;
                }));
            } catch (Throwable e) {
                end.completeExceptionally(e);
            }
        });
        Threads.get(CompletableFuture.anyOf(worked, end));
        if (!worked.isDone()) {
            return Threads.get(end);
        }
        landing = () -> {
            goOn.countDown();
            landed = Threads.get(end);
        };
        return unknown();
    }

    /** Lets the late commit come now. */
    void land() {
        Runnable change = landing;
        if (change != null) {
            landing = null;
            change.run();
        }
    }

    private void landAfter(Call call) {
        if (landing != null && landsAfter == call && --landsAfterCalls == 0) {
            land();
        }
    }

    private static StageCommit unknown() {
        return StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN));
    }

    private static StoreFailure failure(StoreFailure.Kind kind) {
        return new StoreFailure(kind, "injected: " + kind, null);
    }
}
