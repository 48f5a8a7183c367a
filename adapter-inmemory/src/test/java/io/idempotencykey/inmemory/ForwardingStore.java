package io.idempotencykey.inmemory;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Another store, which a subclass changes in one respect. */
class ForwardingStore<T> implements KeyStore<T> {
    final KeyStore<T> right;

    ForwardingStore(KeyStore<T> right) {
        this.right = right;
    }

    @Override
    public Instant time() {
        return right.time();
    }

    @Override
    public Duration timeHolds() {
        return right.timeHolds();
    }

    @Override
    public boolean isInProcess() {
        return right.isInProcess();
    }

    @Override
    public Set<Isolation> isolations() {
        return right.isolations();
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return right.find(id);
    }

    @Override
    public boolean insert(StoredKey key) {
        return right.insert(key);
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return right.replace(expected, next);
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<T, StoredProgress> work) {
        return right.commitStage(held, isolation, lease, work);
    }

    @Override
    public StageCommit commitSingle(StoredKey taken, Isolation isolation, Duration lease, SingleStage<T> stage) {
        return right.commitSingle(taken, isolation, lease, stage);
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return right.findResumable(operations, afterScope, before, limit);
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return right.findUnfinished(scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return right.findQuarantined(scope, after, since, limit);
    }

    @Override
    public Backlog backlog(Instant before) {
        return right.backlog(before);
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        return right.countByOperation(before, most);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return right.deleteExpired(at, limit);
    }
}
