package io.idempotencykey.contract;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.contract.History.Answer;
import io.idempotencykey.port.KeyStore;
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
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A store that keeps the history of each key. What is deleted names no revision, and isn't recorded. */
final class RecordedStore<T> implements KeyStore<T> {
    private final KeyStore<T> store;
    private final long origin = System.nanoTime();
    private final Map<KeyId, History> histories = new ConcurrentHashMap<>();

    RecordedStore(KeyStore<T> store) {
        this.store = store;
    }

    History of(KeyId id) {
        return histories.computeIfAbsent(id, unused -> new History());
    }

    private long moment() {
        return System.nanoTime() - origin;
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        long begun = moment();
        Optional<StoredKey> found = store.find(id);
        of(id).read(found, begun, moment());
        return found;
    }

    @Override
    public boolean insert(StoredKey key) {
        return written(Optional.empty(), key, () -> store.insert(key));
    }

    @Override
    public Optional<StoredKey> insertOrFind(StoredKey key) {
        long begun = moment();
        AtomicReference<@Nullable StoredKey> stored = new AtomicReference<>();
        boolean isInserted = written(Optional.empty(), key, () -> {
            stored.set(store.insertOrFind(key).orElse(null));
            return key.equals(stored.get());
        });
        Optional<StoredKey> found = Optional.ofNullable(stored.get());
        if (!isInserted) {
            of(key.id()).read(found, begun, moment());
        }
        return found;
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return written(Optional.of(expected), next, () -> store.replace(expected, next));
    }

    private boolean written(Optional<Revision> expected, StoredKey next, Supplier<Boolean> write) {
        long begun = moment();
        try {
            boolean made = write.get();
            of(next.id()).wrote(expected, next, made ? Answer.MADE : Answer.REFUSED, begun, moment());
            return made;
        } catch (StoreFailure e) {
            switch (e.kind()) {
                case UNKNOWN, BUSY -> of(next.id()).wrote(expected, next, Answer.UNKNOWN, begun, moment());
                case TRANSIENT, FULL, UNAVAILABLE, UNREADABLE, REFUSED -> {
                    // Nothing was changed.
                }
            }
            throw e;
        }
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<T, StoredProgress> work) {
        AtomicReference<@Nullable StoredKey> next = new AtomicReference<>();
        long begun = moment();
        StageCommit commit = store.commitStage(held, isolation, lease, transaction -> {
            StoredProgress progress = work.apply(transaction);
            next.set(held.with(progress));
            return progress;
        });
        committed(commit, Optional.of(held.revision()), next.get(), begun);
        return commit;
    }

    @Override
    public StageCommit commitSingle(StoredKey taken, Isolation isolation, Duration lease, SingleStage<T> stage) {
        AtomicReference<@Nullable StoredKey> next = new AtomicReference<>();
        AtomicReference<@Nullable Revision> expected = new AtomicReference<>();
        long begun = moment();
        StageCommit commit = store.commitSingle(taken, isolation, lease, new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                of(stored.id()).read(Optional.of(stored), begun, moment());
                boolean replaces = stage.replaces(stored);
                expected.set(replaces ? stored.revision() : null);
                return replaces;
            }

            @Override
            public StoredProgress work(T transaction) {
                StoredProgress progress = stage.work(transaction);
                next.set(taken.with(progress));
                return progress;
            }
        });
        committed(commit, Optional.ofNullable(expected.get()), next.get(), begun);
        return commit;
    }

    /** A stage whose work hasn't ended has written nothing. */
    private void committed(StageCommit commit, Optional<Revision> expected, @Nullable StoredKey next, long begun) {
        if (next == null) {
            return;
        }
        History history = of(next.id());
        switch (commit.kind()) {
            case COMMITTED -> history.wrote(expected, next, Answer.MADE, begun, moment());
            case FENCED_OFF -> history.wrote(expected, next, Answer.REFUSED, begun, moment());
            case UNKNOWN -> history.wrote(expected, next, Answer.UNKNOWN, begun, moment());
            case HELD, ROLLED_BACK, TRANSIENTLY_ROLLED_BACK -> {
                // Nothing was changed.
            }
        }
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return listed(() -> store.findResumable(operations, afterScope, before, limit));
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return listed(() -> store.findUnfinished(scope, after, since, limit));
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return listed(() -> store.findQuarantined(scope, after, since, limit));
    }

    /** Each listed key was so at some moment of the call, not all of them at the same. */
    private List<StoredKey> listed(Supplier<List<StoredKey>> list) {
        long begun = moment();
        List<StoredKey> listed = list.get();
        long ended = moment();
        listed.forEach(key -> of(key.id()).read(Optional.of(key), begun, ended));
        return listed;
    }

    @Override
    public Instant time() {
        return store.time();
    }

    @Override
    public Duration timeHolds() {
        return store.timeHolds();
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
}
