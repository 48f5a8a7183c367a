package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Threads that ask for anything at once, and the question whether there is an order that explains all answers. */
interface LinearizabilityCases<T> extends StoreFixture<T> {
    @Test
    default void thereIsAnOrderThatExplainsWhatThreadsAreToldOfAKey() {
        World<T> world = World.emptyOf(this);
        RecordedStore<T> store = new RecordedStore<>(store());
        AtomicLong seed = new AtomicLong(Long.getLong("contract.seed", System.nanoTime()));
        String replay = "-Dcontract.seed=" + seed;
        Set<StoredKey> withRow = ConcurrentHashMap.newKeySet();

        List<Integer> answers = Threads.atOnce(
                6, () -> new Caller<>(this, world, store, withRow, new Random(seed.getAndIncrement())).call(100));

        assertThat(answers.stream().mapToInt(Integer::intValue).sum())
                .as("answers of 600 calls")
                .isGreaterThan(200);
        Set<StoredKey> made = ConcurrentHashMap.newKeySet();
        Caller.ids(world).forEach(id -> {
            Optional<StoredKey> last = store.find(id);
            History history = store.of(id);
            assertThat(history.contradiction()).as(replay).isEmpty();
            assertThat(last)
                    .as(replay)
                    .contains(history.chain().get(history.chain().size() - 1));
            made.addAll(history.chain());
        });
        assertThat(withRow)
                .as(replay)
                .anyMatch(made::contains)
                .allSatisfy(key ->
                        assertThat(world.read(Caller.row(key)).isPresent()).isEqualTo(made.contains(key)));
    }

    /** One thread, which asks for any of three keys, by what it was last told of each. */
    final class Caller<T> {
        private static final KeyState LOCKED =
                new KeyState.Locked(RecoveryPoint.STARTED, World.START, World.START.plus(World.LEASE));

        private static final Instant LATER = World.START.plus(World.LEASE).plusMillis(1);

        private final StoreFixture<T> fixture;
        private final World<T> world;
        private final RecordedStore<T> store;
        private final Set<StoredKey> withRow;
        private final Random random;
        private final List<KeyId> ids;
        private final List<Isolation> isolations;
        private final Map<KeyId, StoredKey> known = new HashMap<>();

        Caller(StoreFixture<T> fixture, World<T> world, RecordedStore<T> store, Set<StoredKey> withRow, Random random) {
            this.fixture = fixture;
            this.world = world;
            this.store = store;
            this.withRow = withRow;
            this.random = random;
            this.ids = ids(world).toList();
            this.isolations = List.copyOf(store.isolations());
        }

        static Stream<KeyId> ids(World<?> world) {
            return Stream.of("a", "b", "c").map(world::id);
        }

        static String row(StoredKey key) {
            return key.revision().value().toString();
        }

        /** Returns how many calls were answered. */
        int call(int times) {
            int answers = 0;
            for (int i = 0; i < times; i++) {
                try {
                    if (isAnswered(ids.get(random.nextInt(ids.size())))) {
                        answers++;
                    }
                } catch (StoreFailure e) {
                    // A row that is held, or a conflict: what became of the call is in the history.
                    assertThat(e.kind()).isIn(StoreFailure.Kind.BUSY, StoreFailure.Kind.TRANSIENT);
                }
            }
            return answers;
        }

        private boolean isAnswered(KeyId id) {
            StoredKey before = known.get(id);
            if (before == null || random.nextInt(4) == 0) {
                look(id);
                return true;
            }
            return switch (random.nextInt(3)) {
                case 0 -> {
                    StoredKey next = world.with(before, LOCKED);
                    if (store.replace(before.revision(), next)) {
                        known.put(id, next);
                    }
                    yield true;
                }
                case 1 -> {
                    StoredKey next = world.with(before, LOCKED);
                    yield isAnswered(next, store.commitStage(before, isolation(), World.LEASE, write(next)));
                }
                default -> {
                    StoredKey taken = world.taken(id);
                    StoredKey next = world.finished(taken, World.RESPONSE);
                    Function<T, StoredProgress> work = write(next);
                    yield isAnswered(next, store.commitSingle(taken, isolation(), World.LEASE, new SingleStage<>() {
                        @Override
                        public boolean replaces(StoredKey stored) {
                            return random.nextBoolean();
                        }

                        @Override
                        public StoredProgress work(T transaction) {
                            return work.apply(transaction);
                        }
                    }));
                }
            };
        }

        private void look(KeyId id) {
            switch (random.nextInt(4)) {
                case 0 -> store.findResumable(Map.of(), null, LATER, 9).forEach(key -> known.put(key.id(), key));
                case 1 -> {
                    StoredKey next = world.taken(id);
                    if (store.insert(next)) {
                        known.put(id, next);
                    }
                }
                case 2 -> store.insertOrFind(world.taken(id)).ifPresent(stored -> known.put(id, stored));
                default -> store.find(id).ifPresent(found -> known.put(id, found));
            }
        }

        private Function<T, StoredProgress> write(StoredKey next) {
            withRow.add(next);
            return transaction -> {
                fixture.insert(transaction, world.row(row(next)), "written");
                return next.progress();
            };
        }

        private Isolation isolation() {
            return isolations.get(random.nextInt(isolations.size()));
        }

        private boolean isAnswered(StoredKey next, StageCommit commit) {
            return switch (commit.kind()) {
                case COMMITTED -> {
                    known.put(next.id(), next);
                    yield true;
                }
                case FENCED_OFF -> true;
                case HELD, TRANSIENTLY_ROLLED_BACK, UNKNOWN -> false;
                case ROLLED_BACK -> throw new AssertionError("a stage was rolled back", commit.cause());
            };
        }
    }
}
