package io.idempotencykey.inmemory;

import io.idempotencykey.Isolation;
import io.idempotencykey.inmemory.InMemoryContractTest.Rows;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Collections;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Stores that are wrong about stages. */
final class WrongStages {
    private WrongStages() {}

    // Their building blocks

    /** A stage that is to be committed, and how the right store does it. */
    private interface Stages {
        StageCommit commit(
                KeyStore<Rows> right, StoredKey held, Isolation isolation, Function<Rows, StoredProgress> work);
    }

    private static KeyStore<Rows> committing(KeyStore<Rows> right, Stages wrong) {
        return new ForwardingStore<>(right) {
            @Override
            public StageCommit commitStage(
                    StoredKey held, Isolation isolation, Duration lease, Function<Rows, StoredProgress> work) {
                return wrong.commit(right, held, isolation, work);
            }
        };
    }

    /** Commits a stage, as the right store does it. */
    private static StageCommit commit(
            KeyStore<Rows> right, StoredKey held, Isolation isolation, Function<Rows, StoredProgress> work) {
        return right.commitStage(held, isolation, Duration.ofSeconds(30), work);
    }

    private static KeyStore<Rows> working(KeyStore<Rows> right, UnaryOperator<Function<Rows, StoredProgress>> wrong) {
        return committing(right, (store, held, isolation, work) -> commit(store, held, isolation, wrong.apply(work)));
    }

    private static KeyStore<Rows> answering(KeyStore<Rows> right, UnaryOperator<StageCommit> wrong) {
        return committing(right, (store, held, isolation, work) -> wrong.apply(commit(store, held, isolation, work)));
    }

    /** Commits rows in a transaction of which the right store knows nothing. */
    static StageCommit byHand(
            InMemoryTransactions<Rows> application,
            Function<Rows, StoredProgress> work,
            Predicate<StoredProgress> beforeItsCommit,
            Predicate<StoredProgress> afterItsCommit) {
        Rows rows = application.begin();
        StoredProgress next;
        try {
            next = work.apply(rows);
            if (!beforeItsCommit.test(next)) {
                application.rollback(rows);
                return StageCommit.fencedOff();
            }
            application.commit(rows);
        } catch (Throwable e) {
            application.rollback(rows);
            return StageCommit.rolledBack(e);
        }
        return afterItsCommit.test(next) ? StageCommit.committed() : StageCommit.fencedOff();
    }

    /** For a store that does nothing at that point. */
    static boolean nothing(StoredProgress unused) {
        return true;
    }

    /** The application's transactions, which a subclass changes in one respect. */
    private static class ForwardingTransactions implements InMemoryTransactions<Rows> {
        final InMemoryTransactions<Rows> application;

        ForwardingTransactions(InMemoryTransactions<Rows> application) {
            this.application = application;
        }

        @Override
        public Rows begin() {
            return application.begin();
        }

        @Override
        public void commit(Rows transaction) {
            application.commit(transaction);
        }

        @Override
        public void rollback(Rows transaction) {
            application.rollback(transaction);
        }
    }

    // Isolation

    static KeyStore<Rows> promisesAnIsolation(KeyStore<Rows> right) {
        return committing(
                right,
                (store, held, isolation, work) ->
                        isPromised(store, isolation) ? refused() : commit(store, held, isolation, work));
    }

    static boolean isPromised(KeyStore<Rows> right, Isolation isolation) {
        return isolation == Collections.min(right.isolations());
    }

    static StageCommit refused() {
        return StageCommit.rolledBack(
                new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "there is no such isolation", null));
    }

    // The fence

    static KeyStore<Rows> commitsWithoutTheFence(KeyStore<Rows> right) {
        return committing(
                right,
                (store, held, isolation, work) ->
                        commit(store, store.find(held.id()).orElse(held), isolation, work));
    }

    static KeyStore<Rows> comparesBeforeTheWork(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return committing(right, (store, held, isolation, work) -> {
            boolean stands = store.find(held.id())
                    .filter(stored -> stored.revision().equals(held.revision()))
                    .isPresent();
            if (!stands) {
                return StageCommit.fencedOff();
            }
            return byHand(application, work, WrongStages::nothing, next -> {
                WrongKeys.overwrite(store, held.with(next));
                return true;
            });
        });
    }

    static KeyStore<Rows> commitsTheAbsent(KeyStore<Rows> right) {
        return committing(right, (store, held, isolation, work) -> {
            boolean unused = store.insert(held);
            return commit(store, held, isolation, work);
        });
    }

    static KeyStore<Rows> commitsRowsFirst(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return committing(
                right,
                (store, held, isolation, work) -> byHand(
                        application,
                        work,
                        WrongStages::nothing,
                        next -> store.replace(held.revision(), held.with(next))));
    }

    static KeyStore<Rows> commitsTheKeyFirst(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return committing(
                right,
                (store, held, isolation, work) -> byHand(
                        application,
                        work,
                        next -> store.replace(held.revision(), held.with(next)),
                        WrongStages::nothing));
    }

    static KeyStore<Rows> commitsAHalf(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return new InMemoryKeyStore<>(new ForwardingTransactions(application) {
            @Override
            public void commit(Rows transaction) {
                if (transaction.refused) {
                    application.rollback(transaction);
                } else {
                    application.commit(transaction);
                }
            }
        });
    }

    // What a stage throws, and what became of it

    static KeyStore<Rows> keepsRows(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return new InMemoryKeyStore<>(new ForwardingTransactions(application) {
            @Override
            public void rollback(Rows transaction) {
                application.commit(transaction);
            }
        });
    }

    static KeyStore<Rows> wrapsExceptions(KeyStore<Rows> right) {
        return answering(
                right,
                end -> end.kind() == StageCommit.Kind.ROLLED_BACK
                        ? StageCommit.rolledBack(new IllegalStateException(end.cause()))
                        : end);
    }

    static KeyStore<Rows> swallowsExceptions(KeyStore<Rows> right) {
        return answering(right, end -> end.kind() == StageCommit.Kind.ROLLED_BACK ? StageCommit.fencedOff() : end);
    }

    static KeyStore<Rows> throwsExceptions(KeyStore<Rows> right) {
        return answering(right, end -> {
            if (end.kind() == StageCommit.Kind.ROLLED_BACK) {
                throw new IllegalStateException(end.cause());
            }
            return end;
        });
    }

    static KeyStore<Rows> retriesExceptions(KeyStore<Rows> right) {
        return answering(
                right,
                end -> end.kind() == StageCommit.Kind.ROLLED_BACK
                        ? StageCommit.transientlyRolledBack(Objects.requireNonNull(end.cause()))
                        : end);
    }

    static KeyStore<Rows> losesTheAnswer(KeyStore<Rows> right) {
        return answering(
                right,
                end -> end.kind() == StageCommit.Kind.COMMITTED ? StageCommit.transientlyRolledBack(lost()) : end);
    }

    static KeyStore<Rows> guessesTheAnswer(KeyStore<Rows> right) {
        return answering(right, end -> end.kind() == StageCommit.Kind.FENCED_OFF ? StageCommit.unknown(lost()) : end);
    }

    private static StoreFailure lost() {
        return new StoreFailure(StoreFailure.Kind.UNKNOWN, "the answer was lost", null);
    }

    // The work and its handle

    static KeyStore<Rows> worksTwice(KeyStore<Rows> right) {
        return working(right, work -> transaction -> {
            StoredProgress unused = work.apply(transaction);
            return work.apply(transaction);
        });
    }

    static KeyStore<Rows> worksElsewhere(KeyStore<Rows> right) {
        return working(
                right,
                work -> transaction -> CompletableFuture.supplyAsync(() -> work.apply(transaction))
                        .join());
    }

    static KeyStore<Rows> leavesHandlesOpen(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return new InMemoryKeyStore<>(new ForwardingTransactions(application) {
            @Override
            public void commit(Rows transaction) {
                application.commit(transaction);
                transaction.ended = false;
            }
        });
    }

    static KeyStore<Rows> leavesHandlesOpenAfterAnException(
            KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        return new InMemoryKeyStore<>(new ForwardingTransactions(application) {
            @Override
            public void rollback(Rows transaction) {
                application.rollback(transaction);
                transaction.ended = false;
            }
        });
    }

    static KeyStore<Rows> runsOneStageAtATime(KeyStore<Rows> right) {
        AtomicBoolean busy = new AtomicBoolean();
        return committing(right, (store, held, isolation, work) -> {
            if (!busy.compareAndSet(false, true)) {
                return StageCommit.transientlyRolledBack(
                        new StoreFailure(StoreFailure.Kind.BUSY, "another stage runs", null));
            }
            try {
                return commit(store, held, isolation, work);
            } finally {
                busy.set(false);
            }
        });
    }

    static KeyStore<Rows> losesHandles(KeyStore<Rows> right, InMemoryTransactions<Rows> application) {
        Semaphore handles = new Semaphore(10);
        return new InMemoryKeyStore<>(new ForwardingTransactions(application) {
            @Override
            public Rows begin() {
                if (!handles.tryAcquire()) {
                    throw new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "all handles are in use", null);
                }
                return application.begin();
            }

            @Override
            public void commit(Rows transaction) {
                application.commit(transaction);
                handles.release();
            }
        });
    }
}
