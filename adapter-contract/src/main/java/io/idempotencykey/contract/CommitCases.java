package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Stages at the port: committed together with their key, or rolled back with it. */
interface CommitCases<T> extends StoreFixture<T> {
    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void aKeyCommittedWithAStageIsFoundAsItWas(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        StoredKey key = sample.apply(world.id);

        assertThat(commit(old, transaction -> key)).isEqualTo(StageCommit.committed());

        assertThat(store().find(world.id)).contains(old.with(key.progress()));
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#responses")
    default void responsesAreKeptByteForByte(Response response) {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        StoredKey key = world.with(old, new KeyState.Finished(response, World.START, World.START));

        assertThat(commit(old, transaction -> key)).isEqualTo(StageCommit.committed());

        Response kept = ((KeyState.Finished) world.state()).response();
        assertThat(kept.status()).isEqualTo(response.status());
        assertThat(kept.body()).isEqualTo(response.body());
        assertThat(kept.headers().toString()).isEqualTo(response.headers().toString());
    }

    @Test
    default void aStageCommitsInEveryIsolationThatTheStoreHas() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = new World<>(this);
            StoredKey old = world.put(World.LOCKED);
            StoredKey next = world.with(old, old.key().state());

            StageCommit end = store().commitStage(old, isolation, World.LEASE, transaction -> {
                insert(transaction, world.row("a"), "1");
                return next.progress();
            });

            assertThat(end).as("in %s", isolation).isEqualTo(StageCommit.committed());
            assertThat(world.read("a")).contains("1");
            assertThat(store().find(world.id)).contains(next);
        }
    }

    @Test
    default void aStageSeesWhatItWroteAndNobodyElseDoes() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        StoredKey next = world.with(old, old.key().state());

        StageCommit end = commit(old, transaction -> {
            insert(transaction, world.row("a"), "1");
            assertThat(read(transaction, world.row("a"))).contains("1");
            update(transaction, world.row("a"), "2");
            assertThat(read(transaction, world.row("a"))).contains("2");
            assertThat(Threads.elsewhere(() -> world.read("a"))).isEmpty();
            assertThat(Threads.elsewhere(() -> store().find(world.id))).contains(old);
            return next;
        });

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(world.read("a")).contains("2");
    }

    @Test
    default void aStageIsFencedOffByAnotherRevision() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(World.LOCKED);
        StoredKey stale = world.with(key, key.key().state());

        StageCommit end =
                commit(stale, inserting(world, "a", world.with(key, key.key().state())));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void aStageOfAMissingKeyIsFencedOff() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(World.LOCKED);
        StoredKey absent = Samples.stored(
                world.id("absent"),
                "",
                World.REQUEST,
                key.key().fingerprint(),
                World.START,
                key.key().state());

        StageCommit end = commit(
                absent, inserting(world, "a", world.with(absent, absent.key().state())));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(absent.id())).isEmpty();
    }

    /** The change is not seen by the stage's snapshot in some stores: they tell of a conflict instead of the fence. */
    @Test
    default void aStageWhoseKeyChangesMeanwhileIsNotCommitted() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        StoredKey takenOver = world.with(old, old.key().state());

        StageCommit end = commit(old, transaction -> {
            insert(transaction, world.row("a"), "1");
            assertThat(Threads.elsewhere(() -> store().replace(old.revision(), takenOver)))
                    .isTrue();
            return world.with(old, old.key().state());
        });

        assertThat(nameOf(end)).isIn("fenced off", "transiently rolled back");
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(world.id)).contains(takenOver);
    }

    /** What a stage may throw, checked exceptions of a careless caller among it. */
    static Stream<Named<Throwable>> thrown() {
        return Stream.of(
                Named.of("an exception", new IllegalStateException("thrown by the stage")),
                Named.of("a checked exception", new IOException("thrown by the stage")),
                Named.of("an error", new AssertionError("thrown by the stage")),
                Named.of("a circle of causes", circle()),
                Named.of("an exception without a message to be had", new Unspeakable()));
    }

    private static Throwable circle() {
        Throwable one = new IllegalStateException("thrown by the stage");
        return one.initCause(new IllegalStateException("its cause, and the other way round", one));
    }

    class Unspeakable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no message");
        }
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.CommitCases#thrown")
    default void whatAStageThrowsRollsItBackAndComesBackAsItIs(Throwable thrown) {
        World<T> world = new World<>(this);
        StoredKey key = world.put(World.LOCKED);
        AtomicReference<Throwable> cause = new AtomicReference<>();

        StageCommit end = commit(key, transaction -> {
            insert(transaction, world.row("a"), "1");
            throw Threads.<RuntimeException>asItIs(thrown);
        });

        assertThat(nameOf(end, cause)).isEqualTo("rolled back");
        assertThat(cause.get()).isSameAs(thrown);
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void aDuplicateOfTheApplicationsOwnIsTheApplicationsError() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(World.LOCKED);
        StoredKey second = world.with(first, first.key().state());
        commit(first, inserting(world, "a", second));

        StageCommit end = commit(
                second, inserting(world, "a", world.with(second, second.key().state())));

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(store().find(world.id)).contains(second);
    }

    /** Some stores go on after an error and some don't: none commits a half. */
    @Test
    default void aSwallowedErrorNeverMovesTheKeyWithoutTheStagesWrites() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(World.LOCKED);
        StoredKey second = world.with(first, first.key().state());
        commit(first, inserting(world, "taken", second));
        StoredKey third = world.with(second, second.key().state());

        StageCommit end = commit(second, transaction -> {
            insert(transaction, world.row("a"), "1");
            try {
                insert(transaction, world.row("taken"), "1");
            } catch (RuntimeException swallowed) {
                assertThat(swallowed).isNotNull();
            }
            return third;
        });

        boolean committed = end.equals(StageCommit.committed());
        assertThat(store().find(world.id)).contains(committed ? third : second);
        assertThat(world.read("a").isPresent()).isEqualTo(committed);
    }

    @Test
    default void aStagesWorkIsCalledOnceOnTheCallersThread() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        AtomicInteger calls = new AtomicInteger();

        StageCommit end = commit(old, transaction -> {
            calls.incrementAndGet();
            assertThat(Thread.currentThread().getName()).isEqualTo(Threads.NAME);
            return world.with(old, old.key().state());
        });

        assertThat(calls).hasValue(1);
        assertThat(end).isEqualTo(StageCommit.committed());
    }

    /** The second waits for the first one's row, or is refused it, or makes the first one's commit fail. */
    @Test
    default void ofTwoStagesThatInsertOneRowOneIsCommittedWithItsKey() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(world.id("first"), "", World.LOCKED);
        StoredKey second = world.put(world.id("second"), "", World.LOCKED);
        StoredKey firstNext = world.with(first, first.key().state());
        StoredKey secondNext = world.with(second, second.key().state());
        List<Future<StageCommit>> other = new ArrayList<>();

        StageCommit firstEnd = commit(first, transaction -> {
            insert(transaction, world.row("a"), "first");
            other.add(Threads.begin(() -> commit(second, otherTransaction -> {
                insert(otherTransaction, world.row("a"), "second");
                return secondNext;
            })));
            Threads.waitFor(other.get(0), Duration.ofSeconds(1));
            return firstNext;
        });

        boolean firstCommitted = firstEnd.equals(StageCommit.committed());
        boolean secondCommitted = Threads.get(other.get(0)).equals(StageCommit.committed());
        assertThat(firstCommitted).isNotEqualTo(secondCommitted);
        assertThat(world.read("a")).contains(firstCommitted ? "first" : "second");
        assertThat(store().find(first.id())).contains(firstCommitted ? firstNext : first);
        assertThat(store().find(second.id())).contains(secondCommitted ? secondNext : second);
    }

    @Test
    default void aStageDoesNotWaitForTheStageOfAnotherKey() {
        World<T> world = new World<>(this);
        Isolation weakest = Collections.min(store().isolations());
        StoredKey first = world.put(world.id("first"), "", World.LOCKED);
        StoredKey second = world.put(world.id("second"), "", World.LOCKED);
        StoredKey firstNext = world.with(first, first.key().state());
        StoredKey secondNext = world.with(second, second.key().state());

        StageCommit end = commit(first, weakest, transaction -> {
            insert(transaction, world.row("a"), "written");
            assertThat(commit(second, weakest, inserting(world, "b", secondNext)))
                    .isEqualTo(StageCommit.committed());
            return firstNext;
        });

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store().find(first.id())).contains(firstNext);
        assertThat(store().find(second.id())).contains(secondNext);
    }

    @Test
    default void aStoreGoesOnAfterAFailedStage() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.LOCKED);
        StoredKey next = world.with(old, old.key().state());

        for (int i = 0; i < 20; i++) {
            commit(old, transaction -> {
                insert(transaction, world.row("a"), "1");
                throw new IllegalStateException("thrown by the stage");
            });
        }

        assertThat(commit(old, inserting(world, "a", next))).isEqualTo(StageCommit.committed());
        assertThat(world.read("a")).contains("written");
    }

    /** Runs a stage in the strongest isolation, on a thread of its own. */
    private StageCommit commit(StoredKey held, Function<T, StoredKey> work) {
        return commit(held, Collections.max(store().isolations()), work);
    }

    private StageCommit commit(StoredKey held, Isolation isolation, Function<T, StoredKey> work) {
        KeyStore<T> store = store();
        return Threads.elsewhere(() -> {
            try {
                return store.commitStage(held, isolation, World.LEASE, work.andThen(StoredKey::progress));
            } catch (Throwable e) {
                throw new AssertionError("commitStage throws, instead of returning what became of the stage", e);
            }
        });
    }

    private Function<T, StoredKey> inserting(World<T> world, String row, StoredKey next) {
        return transaction -> {
            insert(transaction, world.row(row), "written");
            return next;
        };
    }

    private static String nameOf(StageCommit end) {
        return nameOf(end, new AtomicReference<>());
    }

    private static String nameOf(StageCommit end, AtomicReference<Throwable> cause) {
        if (end.kind() == StageCommit.Kind.ROLLED_BACK) {
            cause.set(end.cause());
        }
        return switch (end.kind()) {
            case COMMITTED -> "committed";
            case FENCED_OFF -> "fenced off";
            case HELD -> "held";
            case ROLLED_BACK -> "rolled back";
            case TRANSIENTLY_ROLLED_BACK -> "transiently rolled back";
            case UNKNOWN -> "unknown";
        };
    }
}
