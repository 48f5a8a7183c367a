package io.idempotencykey.inmemory;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Optional;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** What one thread has written before it stores a key is seen by every thread that finds the key. */
public final class Publication {
    private static final Duration LEASE = Duration.ofSeconds(30);

    private Publication() {}

    /** A key that is found is found whole. */
    @JCStressTest
    @Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "not stored yet")
    @Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "found as it was stored")
    @State
    public static class AKeyIsFoundWhole {
        private final InMemoryKeyStore<Object> store = InMemoryKeyStore.withoutRollback(Object::new);

        @Actor
        public void insert() {
            store.insert(Keys.make(0, 2));
        }

        @Actor
        public void find(I_Result result) {
            Optional<StoredKey> found = store.find(Keys.id(0));
            result.r1 = found.map(key -> key.equals(Keys.stored(0, 2)) ? 1 : 2).orElse(0);
        }
    }

    /** Who finds a finished key sees what its stage wrote in memory, without any synchronisation of the stage's. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "not finished, and nothing seen yet")
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "not finished, and the write seen already")
    @Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "finished, and the write seen")
    @State
    public static class WhatAStageWroteIsSeenWithItsKey {
        private final InMemoryKeyStore<Object> store = InMemoryKeyStore.withoutRollback(Object::new);
        private int written;

        public WhatAStageWroteIsSeenWithItsKey() {
            store.insert(Keys.stored(0, 2));
        }

        @Actor
        public void commit() {
            StageCommit unused = store.commitStage(Keys.stored(0, 2), Isolation.SERIALIZABLE, LEASE, transaction -> {
                written = 1;
                return Keys.stored(0, 3).progress();
            });
        }

        @Actor
        public void find(II_Result result) {
            boolean isFinished = store.find(Keys.id(0))
                    .filter(key -> key.key().state() instanceof KeyState.Finished)
                    .isPresent();
            result.r1 = isFinished ? 1 : 0;
            result.r2 = written;
        }
    }

    /** Single stages of one key run one after the other, and each sees what the one before it wrote in memory. */
    @JCStressTest
    @Outcome(
            id = "1, 1",
            expect = Expect.ACCEPTABLE,
            desc = "one was told that the other holds the key, or has moved it")
    @Outcome(id = "2, 2", expect = Expect.ACCEPTABLE, desc = "both were committed")
    @State
    public static class SingleStagesTakeTurns {
        private final InMemoryKeyStore<Object> store = InMemoryKeyStore.withoutRollback(Object::new);
        private int written;
        private boolean one;
        private boolean other;

        @Actor
        public void one() {
            one = isCommitted(2);
        }

        @Actor
        public void other() {
            other = isCommitted(4);
        }

        private boolean isCommitted(int revision) {
            StoredKey taken = Keys.stored(0, revision);
            StageCommit commit = store.commitSingle(taken, Isolation.SERIALIZABLE, LEASE, new KeyStore.SingleStage<>() {
                @Override
                public boolean replaces(StoredKey stored) {
                    return true;
                }

                @Override
                public StoredProgress work(Object transaction) {
                    written++;
                    return taken.progress();
                }
            });
            return commit.kind() == StageCommit.Kind.COMMITTED;
        }

        @Arbiter
        public void count(II_Result result) {
            result.r1 = (one ? 1 : 0) + (other ? 1 : 0);
            result.r2 = written;
        }
    }
}
