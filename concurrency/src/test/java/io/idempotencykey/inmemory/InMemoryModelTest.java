package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Isolation;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.ManagedStrategyGuaranteeKt;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.junit.jupiter.api.Test;

/** However threads interleave, the in-memory store answers as if one asked after the other. */
class InMemoryModelTest {
    private static final Duration LEASE = Duration.ofSeconds(30);

    @Test
    void everyInterleavingIsExplainedByAnOrder() {
        options(Integer.getInteger("model.scenarios", 5)).check(Store.class);
    }

    @Test
    void aStoreThatComparesInOneStepAndReplacesInAnotherIsFound() {
        assertThatExceptionOfType(LincheckAssertionError.class)
                .isThrownBy(() -> options(1_000).check(StoreOfTwoSteps.class));
    }

    private static ModelCheckingOptions options(int scenarios) {
        return new ModelCheckingOptions()
                .iterations(scenarios)
                .invocationsPerIteration(100)
                .threads(2)
                .actorsBefore(2)
                .actorsPerThread(3)
                .actorsAfter(2)
                // What never changes once it is made needs no switching in between.
                .addGuarantee(ManagedStrategyGuaranteeKt.forClasses(InMemoryModelTest::isValue)
                        .allMethods()
                        .ignore())
                .sequentialSpecification(Specification.class);
    }

    /** A state has visitors, by which the store's own code is called. */
    private static boolean isValue(String type) {
        return type.startsWith("io.idempotencykey.")
                && !type.startsWith("io.idempotencykey.inmemory.")
                && !type.startsWith("io.idempotencykey.KeyState");
    }

    /** The store under test, asked again as long as another stage of the key is committing. */
    @Param(name = "key", gen = IntGen.class, conf = "0:1")
    @Param(name = "revision", gen = IntGen.class, conf = "1:4")
    public static class Store {
        final InMemoryKeyStore<Object> store = InMemoryKeyStore.withoutRollback(Object::new);

        @Operation
        public int find(@Param(name = "key") int key) {
            return store.find(Keys.id(key)).map(Keys::number).orElse(0);
        }

        @Operation
        public boolean insert(@Param(name = "key") int key, @Param(name = "revision") int next) {
            return unlessBusy(() -> store.insert(Keys.stored(key, next)));
        }

        @Operation
        public boolean replace(
                @Param(name = "key") int key,
                @Param(name = "revision") int expected,
                @Param(name = "revision") int next) {
            return unlessBusy(() -> store.replace(Keys.revision(expected), Keys.stored(key, next)));
        }

        @Operation
        public boolean commitStage(
                @Param(name = "key") int key,
                @Param(name = "revision") int expected,
                @Param(name = "revision") int next) {
            while (true) {
                StageCommit commit = store.commitStage(
                        Keys.stored(key, expected),
                        Isolation.SERIALIZABLE,
                        LEASE,
                        transaction -> Keys.stored(key, next).progress());
                switch (commit.kind()) {
                    case COMMITTED -> {
                        return true;
                    }
                    case FENCED_OFF -> {
                        return false;
                    }
                    case TRANSIENTLY_ROLLED_BACK -> Thread.onSpinWait();
                    case HELD, ROLLED_BACK, UNKNOWN -> throw new AssertionError(commit);
                }
            }
        }

        /** Makes the key, or replaces an expired one. */
        @Operation
        public boolean commitSingle(@Param(name = "key") int key, @Param(name = "revision") int next) {
            while (true) {
                Single stage = new Single(Keys.stored(key, next).progress());
                StageCommit commit = store.commitSingle(Keys.stored(key, next), Isolation.SERIALIZABLE, LEASE, stage);
                switch (commit.kind()) {
                    case COMMITTED -> {
                        return true;
                    }
                    case FENCED_OFF -> {
                        if (stage.left) {
                            return false;
                        }
                    }
                    case HELD, TRANSIENTLY_ROLLED_BACK -> Thread.onSpinWait();
                    case ROLLED_BACK, UNKNOWN -> throw new AssertionError(commit);
                }
            }
        }

        @Operation
        public int deleteExpired() {
            return store.deleteExpired(Keys.NOW, 9);
        }

        @Operation
        public long backlog() {
            return store.backlog(Keys.NOW.plusMillis(1)).waiting();
        }

        @Operation
        public String findResumable() {
            Map<Integer, Integer> found = new TreeMap<>();
            for (StoredKey key : store.findResumable(Map.of(), null, Keys.NOW.plusMillis(1), 9)) {
                found.put(key.id().equals(Keys.id(0)) ? 0 : 1, Keys.number(key));
            }
            return found.toString();
        }

        private static boolean unlessBusy(Supplier<Boolean> write) {
            while (true) {
                try {
                    return write.get();
                } catch (StoreFailure e) {
                    if (e.kind() != StoreFailure.Kind.BUSY) {
                        throw e;
                    }
                    Thread.onSpinWait();
                }
            }
        }
    }

    /** Is wrong, for the model checker to find. */
    public static class StoreOfTwoSteps {
        private final Store store = new Store();

        @Operation
        public boolean insert() {
            return store.insert(0, 1);
        }

        @Operation
        public boolean replace() {
            return store.find(0) == 1 && store.replace(0, store.find(0), 2);
        }
    }

    private static final class Single implements KeyStore.SingleStage<Object> {
        private final StoredProgress next;
        private boolean left;

        Single(StoredProgress next) {
            this.next = next;
        }

        @Override
        public boolean replaces(StoredKey stored) {
            left = !Keys.isExpired(Keys.number(stored));
            return !left;
        }

        @Override
        public StoredProgress work(Object transaction) {
            return next;
        }
    }

    /** What a store is, to one thread. */
    public static class Specification {
        private final Map<Integer, Integer> revisions = new TreeMap<>();

        public int find(int key) {
            return revisions.getOrDefault(key, 0);
        }

        public boolean insert() {
            return insert(0, 1);
        }

        public boolean insert(int key, int next) {
            return revisions.putIfAbsent(key, next) == null;
        }

        public boolean replace() {
            return replace(0, 1, 2);
        }

        public boolean replace(int key, int expected, int next) {
            return revisions.replace(key, expected, next);
        }

        public boolean commitStage(int key, int expected, int next) {
            return revisions.replace(key, expected, next);
        }

        public boolean commitSingle(int key, int next) {
            boolean stores = !revisions.containsKey(key) || Keys.isExpired(find(key));
            if (stores) {
                revisions.put(key, next);
            }
            return stores;
        }

        public int deleteExpired() {
            int before = revisions.size();
            revisions.values().removeIf(Keys::isExpired);
            return before - revisions.size();
        }

        public long backlog() {
            return revisions.values().stream()
                    .filter(revision -> !Keys.isExpired(revision))
                    .count();
        }

        public String findResumable() {
            Map<Integer, Integer> found = new TreeMap<>(revisions);
            found.values().removeIf(Keys::isExpired);
            return found.toString();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Specification that && revisions.equals(that.revisions);
        }

        @Override
        public int hashCode() {
            return Objects.hashCode(revisions);
        }
    }
}
