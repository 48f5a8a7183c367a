package io.idempotencykey.inmemory;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.inmemory.InMemoryContractTest.Rows;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/** Stores that are wrong about single stages. */
final class WrongSingleStages {
    private WrongSingleStages() {}

    // Their building blocks

    /** A single stage that is to be committed. */
    private interface SingleStages {
        StageCommit commit(StoredKey taken, Isolation isolation, Duration lease, SingleStage<Rows> stage);
    }

    private static KeyStore<Rows> committingSingle(KeyStore<Rows> right, SingleStages wrong) {
        return new ForwardingStore<>(right) {
            @Override
            public StageCommit commitSingle(
                    StoredKey taken, Isolation isolation, Duration lease, SingleStage<Rows> stage) {
                return wrong.commit(taken, isolation, lease, stage);
            }
        };
    }

    /** A single stage that answers for the store whether it replaces a key. */
    private record Replacing(SingleStage<Rows> stage, boolean replaces) implements SingleStage<Rows> {
        @Override
        public boolean replaces(StoredKey stored) {
            boolean unused = stage.replaces(stored);
            return replaces;
        }

        @Override
        public StoredProgress work(Rows transaction) {
            return stage.work(transaction);
        }
    }

    /** A single stage's last write, which says whether it matched. */
    private interface LastWrite {
        boolean store(Optional<StoredKey> stored, StoredKey next);
    }

    /** Runs single stages without holding their keys, and stores them by the given last write. */
    private static KeyStore<Rows> storingSingle(
            KeyStore<Rows> right, InMemoryTransactions<Rows> application, LastWrite last) {
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            Optional<StoredKey> stored = right.find(taken.id());
            if (stored.isPresent() && !stage.replaces(stored.get())) {
                return StageCommit.fencedOff();
            }
            return WrongStages.byHand(
                    application, stage::work, next -> last.store(stored, taken.with(next)), WrongStages::nothing);
        });
    }

    // Isolation

    static KeyStore<Rows> promisesAnIsolationOfSingleStages(KeyStore<Rows> right) {
        return committingSingle(
                right,
                (taken, isolation, lease, stage) -> WrongStages.isPromised(right, isolation)
                        ? WrongStages.refused()
                        : right.commitSingle(taken, isolation, lease, stage));
    }

    // How a single stage holds its key

    static KeyStore<Rows> doesNotHold(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return storingSingle(
                right,
                application,
                (stored, next) ->
                        stored.map(old -> right.replace(old.revision(), next)).orElseGet(() -> right.insert(next)));
    }

    static KeyStore<Rows> holdsEveryKey(KeyStore<Rows> right) {
        AtomicBoolean held = new AtomicBoolean();
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            if (!held.compareAndSet(false, true)) {
                return StageCommit.held();
            }
            try {
                return right.commitSingle(taken, isolation, lease, stage);
            } finally {
                held.set(false);
            }
        });
    }

    static KeyStore<Rows> holdsReplays(KeyStore<Rows> right) {
        Set<KeyId> held = ConcurrentHashMap.newKeySet();
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            if (!held.add(taken.id())) {
                return StageCommit.held();
            }
            try {
                return right.commitSingle(taken, isolation, lease, stage);
            } finally {
                held.remove(taken.id());
            }
        });
    }

    static KeyStore<Rows> neverFrees(KeyStore<Rows> right) {
        Set<KeyId> dead = ConcurrentHashMap.newKeySet();
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            if (dead.contains(taken.id())) {
                return StageCommit.held();
            }
            StageCommit end = right.commitSingle(taken, isolation, lease, stage);
            if (end.kind() == StageCommit.Kind.ROLLED_BACK) {
                dead.add(taken.id());
            }
            return end;
        });
    }

    // What a single stage stores

    static KeyStore<Rows> showsTheKey(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            WrongKeys.overwrite(right, taken);
            return WrongStages.byHand(
                    application,
                    stage::work,
                    next -> right.replace(taken.revision(), taken.with(next)),
                    WrongStages::nothing);
        });
    }

    static KeyStore<Rows> leavesTheKey(KeyStore<Rows> right) {
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            StageCommit end = right.commitSingle(taken, isolation, lease, stage);
            if (end.kind() == StageCommit.Kind.ROLLED_BACK) {
                WrongKeys.overwrite(right, taken);
            }
            return end;
        });
    }

    static KeyStore<Rows> storesWhatWasTaken(KeyStore<Rows> right) {
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            StageCommit end = right.commitSingle(taken, isolation, lease, stage);
            if (end.kind() == StageCommit.Kind.COMMITTED) {
                WrongKeys.overwrite(right, taken);
            }
            return end;
        });
    }

    static KeyStore<Rows> replacesEverything(KeyStore<Rows> right) {
        return committingSingle(
                right,
                (taken, isolation, lease, stage) ->
                        right.commitSingle(taken, isolation, lease, new Replacing(stage, true)));
    }

    static KeyStore<Rows> replacesNothing(KeyStore<Rows> right) {
        return committingSingle(
                right,
                (taken, isolation, lease, stage) ->
                        right.commitSingle(taken, isolation, lease, new Replacing(stage, false)));
    }

    static KeyStore<Rows> keepsTheCreation(KeyStore<Rows> right) {
        return committingSingle(right, (taken, isolation, lease, stage) -> {
            Optional<StoredKey> before = right.find(taken.id());
            StageCommit end = right.commitSingle(taken, isolation, lease, stage);
            Optional<StoredKey> after = right.find(taken.id());
            if (before.isPresent() && after.isPresent()) {
                WrongKeys.overwrite(
                        right,
                        new StoredKey(
                                new IdempotencyKey(
                                        before.get().key().creation(),
                                        after.get().key().progress()),
                                after.get().revision()));
            }
            return end;
        });
    }

    static KeyStore<Rows> overwritesWhatCame(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return storingSingle(right, application, (stored, next) -> {
            WrongKeys.overwrite(right, next);
            return true;
        });
    }

    static KeyStore<Rows> revivesWhatWent(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return storingSingle(
                right,
                application,
                (stored, next) -> stored.filter(old -> right.replace(old.revision(), next))
                                .isPresent()
                        || right.insert(next));
    }
}
