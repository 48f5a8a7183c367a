package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Single stages at the port: their key is taken first, stored last, and visible to nobody in between. */
interface SingleCommitCases<T> extends StoreFixture<T> {
    // What is stored

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#responses")
    default void aSingleStagesResponseIsKeptByteForByteWithItsRows(Response response) {
        World<T> world = new World<>(this);
        StoredKey taken = world.taken();
        StoredKey next = world.finished(taken, response);

        assertThat(commit(taken, inserting(world, "a", next))).isEqualTo(StageCommit.committed());

        assertThat(store().find(world.id)).contains(taken.with(next.progress()));
        Response kept = ((KeyState.Finished) world.state()).response();
        assertThat(kept.status()).isEqualTo(response.status());
        assertThat(kept.body()).isEqualTo(response.body());
        assertThat(kept.headers().toString()).isEqualTo(response.headers().toString());
        assertThat(world.read("a")).contains("written");
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void aKeyStoredByASingleStageIsFoundAsItWas(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey taken = sample.apply(world.id);
        StoredKey next = world.finished(taken, World.RESPONSE);

        assertThat(commit(taken, inserting(world, "a", next))).isEqualTo(StageCommit.committed());

        assertThat(store().find(world.id)).contains(next);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#parameters")
    default void aSingleStagesParametersAreKeptAsTheyAre(Map<String, @Nullable Object> parameters) {
        World<T> world = new World<>(this);
        Request request = Request.of("POST", "/carts/42/complete", parameters);
        StoredKey taken = Samples.stored(world.id, "", request, Fingerprint.of("", request), World.START, World.LOCKED);
        StoredKey next = world.finished(taken, World.RESPONSE);

        assertThat(commit(taken, inserting(world, "a", next))).isEqualTo(StageCommit.committed());

        assertThat(world.key().request()).isEqualTo(request);
    }

    @Test
    default void aSingleStageCommitsInEveryIsolationThatTheStoreHas() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = new World<>(this);
            StoredKey taken = world.taken();
            StoredKey next = world.finished(taken, World.RESPONSE);

            StageCommit end = commit(taken, isolation, inserting(world, "a", next));

            assertThat(end).as("in %s", isolation).isEqualTo(StageCommit.committed());
            assertThat(world.read("a")).contains("written");
            assertThat(store().find(world.id)).contains(next);
        }
    }

    @Test
    default void nothingOfASingleStagesKeyIsVisibleBeforeItsCommit() {
        World<T> world = new World<>(this);
        StoredKey taken = world.taken();
        StoredKey next = world.finished(taken, World.RESPONSE);

        StageCommit end = commit(taken, stage(transaction -> {
            insert(transaction, world.row("a"), "1");
            assertThat(read(transaction, world.row("a"))).contains("1");
            assertThat(Threads.elsewhere(() -> world.read("a"))).isEmpty();
            assertThat(Threads.elsewhere(() -> store().find(world.id))).isEmpty();
            return next;
        }));

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(world.read("a")).contains("1");
        assertThat(store().find(world.id)).contains(next);
    }

    @Test
    default void aSingleStagesWorkIsCalledOnceOnTheCallersThread() {
        World<T> world = new World<>(this);
        StoredKey taken = world.taken();
        AtomicInteger calls = new AtomicInteger();

        StageCommit end = commit(taken, stage(transaction -> {
            calls.incrementAndGet();
            assertThat(Thread.currentThread().getName()).isEqualTo(Threads.NAME);
            return world.finished(taken, World.RESPONSE);
        }));

        assertThat(calls).hasValue(1);
        assertThat(end).isEqualTo(StageCommit.committed());
    }

    // What is rolled back

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.CommitCases#thrown")
    default void whatASingleStageThrowsLeavesNoKeyAndComesBackAsItIs(Throwable thrown) {
        World<T> world = new World<>(this);

        StageCommit end = commit(world.taken(), stage(transaction -> {
            insert(transaction, world.row("a"), "1");
            throw Threads.<RuntimeException>asItIs(thrown);
        }));

        assertThat(end.kind()).isEqualTo(StageCommit.Kind.ROLLED_BACK);
        assertThat(end.cause()).isSameAs(thrown);
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(world.id)).isEmpty();
    }

    @Test
    default void aSingleStageThatThrowsLeavesTheExpiredKeyAsItWas() {
        World<T> world = new World<>(this);
        StoredKey expired = world.put(RaceCases.EXPIRED);

        StageCommit end = commit(world.taken(), stage(transaction -> {
            throw new IllegalStateException("thrown by the stage");
        }));

        assertThat(end.kind()).isEqualTo(StageCommit.Kind.ROLLED_BACK);
        assertThat(store().find(world.id)).contains(expired);
    }

    /** It must not be taken for a duplicate of the key. */
    @Test
    default void aDuplicateInASingleStageIsTheApplicationsError() {
        World<T> world = new World<>(this);
        StoredKey first = world.taken(world.id("first"));
        commit(first, inserting(world, "a", world.finished(first, World.RESPONSE)));
        StoredKey second = world.taken();

        StageCommit end = commit(second, inserting(world, "a", world.finished(second, World.RESPONSE)));

        assertThat(end.kind()).isEqualTo(StageCommit.Kind.ROLLED_BACK);
        assertThat(store().find(world.id)).isEmpty();
    }

    /** Some stores go on after an error and some don't: none commits a half. */
    @Test
    default void aSwallowedErrorNeverStoresTheKeyWithoutTheSingleStagesWrites() {
        World<T> world = new World<>(this);
        StoredKey first = world.taken(world.id("first"));
        commit(first, inserting(world, "taken", world.finished(first, World.RESPONSE)));
        StoredKey second = world.taken();
        StoredKey next = world.finished(second, World.RESPONSE);

        StageCommit end = commit(second, stage(transaction -> {
            insert(transaction, world.row("a"), "1");
            try {
                insert(transaction, world.row("taken"), "1");
            } catch (RuntimeException swallowed) {
                assertThat(swallowed).isNotNull();
            }
            return next;
        }));

        boolean committed = end.equals(StageCommit.committed());
        assertThat(store().find(world.id)).isEqualTo(committed ? Optional.of(next) : Optional.empty());
        assertThat(world.read("a").isPresent()).isEqualTo(committed);
    }

    // A key that is stored

    /** Keys in every state; none is free or taken by itself, because the store decides nothing. */
    static Stream<KeyState> states() {
        return Stream.of(
                World.OPEN,
                World.LOCKED,
                new KeyState.Failed(World.START),
                new KeyState.Finished(World.RESPONSE, World.START, World.START.plusSeconds(1)),
                new KeyState.Quarantined(RecoveryPoint.STARTED, World.START, "a person has to look at it"),
                RaceCases.EXPIRED);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.SingleCommitCases#states")
    default void aStoredKeyThatTheSingleStageLeavesFencesItOffBeforeItsWork(KeyState state) {
        World<T> world = new World<>(this);
        StoredKey stored = world.put(state);
        List<StoredKey> asked = new ArrayList<>();
        AtomicBoolean worked = new AtomicBoolean();

        StageCommit end = commit(
                world.taken(),
                new Single<>(
                        key -> {
                            asked.add(key);
                            return false;
                        },
                        transaction -> {
                            worked.set(true);
                            return world.finished(world.taken(), World.RESPONSE);
                        }));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(asked).containsExactly(stored);
        assertThat(worked).isFalse();
        assertThat(store().find(world.id)).contains(stored);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.SingleCommitCases#states")
    default void aStoredKeyThatTheSingleStageReplacesIsMadeAnew(KeyState state) {
        World<T> world = new World<>(this);
        StoredKey stored = world.put(state);
        StoredKey taken = Samples.stored(
                world.id,
                World.NAME,
                World.OTHER_REQUEST,
                Fingerprint.of(World.NAME, World.OTHER_REQUEST),
                World.START,
                World.LOCKED);
        StoredKey next = world.finished(taken, World.RESPONSE);

        StageCommit end = commit(taken, new Single<>(stored::equals, transaction -> {
            insert(transaction, world.row("a"), "written");
            assertThat(Threads.elsewhere(() -> store().find(world.id))).contains(stored);
            return next;
        }));

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store().find(world.id)).contains(next);
        assertThat(world.key().creationId()).isNotEqualTo(stored.key().creationId());
        assertThat(world.read("a")).contains("written");
    }

    // A key that is taken

    /** Rule 12: whoever comes second must not wait for the first. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    default void aKeyThatAnotherSingleStageHasTakenIsHeld(boolean stored) {
        World<T> world = new World<>(this);
        if (stored) {
            world.put(RaceCases.EXPIRED);
        }
        StoredKey taken = world.taken();
        StoredKey next = world.finished(taken, World.RESPONSE);
        AtomicBoolean worked = new AtomicBoolean();

        StageCommit end = commit(taken, weakest(), stage(transaction -> {
            insert(transaction, world.row("a"), "written");
            long begin = System.nanoTime();
            StageCommit other = commit(world.taken(), weakest(), stage(unused -> {
                worked.set(true);
                return next;
            }));
            assertThat(other).isEqualTo(StageCommit.held());
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(20));
            return next;
        }));

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(worked).isFalse();
        assertThat(store().find(world.id)).contains(next);
        assertThat(world.read("a")).contains("written");
    }

    /** Otherwise, of several retries that come at once, some would hear that the request is in flight. */
    @Test
    default void aKeyThatASingleStageLeavesIsNotHeldByIt() {
        World<T> world = new World<>(this);
        world.put(new KeyState.Finished(World.RESPONSE, World.START, World.START.plusSeconds(1)));
        List<StageCommit> others = new ArrayList<>();

        StageCommit end = commit(
                world.taken(),
                weakest(),
                new Single<>(
                        key -> {
                            others.add(commit(
                                    world.taken(), weakest(), new Single<>(same -> false, unused -> world.taken())));
                            return false;
                        },
                        unused -> world.taken()));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(others).containsExactly(StageCommit.fencedOff());
    }

    @Test
    default void keysOfAnotherValueOrScopeAreNotHeld() {
        World<T> world = new World<>(this);
        StoredKey taken = world.taken();
        List<StoredKey> others = Stream.of(
                        world.id("another"), new KeyId(world.scope + "2", world.id.value()), KeyId.of(world.scope))
                .map(world::taken)
                .map(other -> world.finished(other, World.RESPONSE))
                .toList();

        StageCommit end = commit(taken, weakest(), stage(transaction -> {
            for (StoredKey other : others) {
                String row = "other" + others.indexOf(other);
                assertThat(commit(other, weakest(), inserting(world, row, other)))
                        .isEqualTo(StageCommit.committed());
            }
            return world.finished(taken, World.RESPONSE);
        }));

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(others)
                .allSatisfy(other -> assertThat(store().find(other.id())).contains(other));
    }

    @Test
    default void aTakenKeyIsFreeAsSoonAsItsSingleStageHasEnded() {
        World<T> world = new World<>(this);
        StoredKey stored = world.put(RaceCases.EXPIRED);
        StoredKey first = world.finished(world.taken(), World.RESPONSE);
        StoredKey second = world.finished(world.taken(), World.RESPONSE);

        for (int i = 0; i < 20; i++) {
            commit(world.taken(), stage(transaction -> {
                insert(transaction, world.row("a"), "1");
                throw new IllegalStateException("thrown by the stage");
            }));
            commit(world.taken(), new Single<>(key -> false, transaction -> stored));
        }
        assertThat(commit(first, inserting(world, "a", first))).isEqualTo(StageCommit.committed());
        assertThat(commit(second, inserting(world, "b", second))).isEqualTo(StageCommit.committed());

        assertThat(store().find(world.id)).contains(second);
    }

    // A key that changes meanwhile

    @Test
    default void ofASingleStageAndAKeyThatIsInsertedMeanwhileOneIsKept() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = new World<>(this);
            StoredKey inserted = world.with(world.taken(), World.OPEN);

            assertOneIsKept(world, isolation, Optional.of(inserted), () -> {
                assertThat(store().insert(inserted)).isTrue();
                return true;
            });
        }
    }

    @Test
    default void ofASingleStageAndAKeyThatIsReplacedMeanwhileOneIsKept() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = new World<>(this);
            StoredKey expired = world.put(RaceCases.EXPIRED);
            StoredKey replaced = world.with(world.taken(), World.LOCKED);

            assertOneIsKept(world, isolation, Optional.of(replaced), () -> {
                assertThat(store().replace(expired.revision(), replaced)).isTrue();
                return true;
            });
        }
    }

    @Test
    default void ofASingleStageAndADeletionMeanwhileOneIsMade() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = World.emptyOf(this);
            world.put(RaceCases.EXPIRED);

            assertOneIsKept(world, isolation, Optional.empty(), () -> store().deleteExpired(World.START, 1) == 1);
        }
    }

    /**
     * Runs a single stage, changes the key while it runs, and makes sure that one of both is there in the end. A store
     * may refuse the change instead, or roll the stage back where its snapshot doesn't see the change.
     */
    private void assertOneIsKept(
            World<T> world, Isolation isolation, Optional<StoredKey> changed, BooleanSupplier change) {
        Optional<StoredKey> before = store().find(world.id);
        StoredKey taken = world.taken();
        StoredKey next = world.finished(taken, World.RESPONSE);
        AtomicBoolean made = new AtomicBoolean();

        StageCommit end = commit(taken, isolation, stage(transaction -> {
            insert(transaction, world.row("a"), "written");
            made.set(Threads.elsewhere(() -> {
                try {
                    return change.getAsBoolean();
                } catch (StoreFailure e) {
                    assertThat(e.kind()).isIn(StoreFailure.Kind.BUSY, StoreFailure.Kind.TRANSIENT);
                    return false;
                }
            }));
            return next;
        }));

        boolean committed = end.equals(StageCommit.committed());
        if (!committed) {
            assertThat(end.kind())
                    .as("in %s", isolation)
                    .isIn(StageCommit.Kind.FENCED_OFF, StageCommit.Kind.TRANSIENTLY_ROLLED_BACK);
        }
        assertThat(committed && made.get()).as("both, in %s", isolation).isFalse();
        assertThat(store().find(world.id))
                .as("in %s", isolation)
                .isEqualTo(committed ? Optional.of(next) : made.get() ? changed : before);
        assertThat(world.read("a").isPresent()).as("in %s", isolation).isEqualTo(committed);
    }

    /** A stage made of two functions. */
    record Single<T>(Predicate<StoredKey> replacing, Function<T, StoredKey> working) implements SingleStage<T> {
        @Override
        public boolean replaces(StoredKey stored) {
            return replacing.test(stored);
        }

        @Override
        public StoredProgress work(T transaction) {
            return working.apply(transaction).progress();
        }
    }

    /** A stage that replaces whatever is stored. */
    private static <T> SingleStage<T> stage(Function<T, StoredKey> work) {
        return new Single<>(key -> true, work);
    }

    private SingleStage<T> inserting(World<T> world, String row, StoredKey next) {
        return stage(transaction -> {
            insert(transaction, world.row(row), "written");
            return next;
        });
    }

    /** Where only the key keeps stages apart, and stores see no conflicts of different keys. */
    private Isolation weakest() {
        return Collections.min(store().isolations());
    }

    /** Runs a stage in the strongest isolation, on a thread of its own. */
    private StageCommit commit(StoredKey taken, SingleStage<T> stage) {
        return commit(taken, Collections.max(store().isolations()), stage);
    }

    private StageCommit commit(StoredKey taken, Isolation isolation, SingleStage<T> stage) {
        KeyStore<T> store = store();
        return Threads.elsewhere(() -> {
            try {
                return store.commitSingle(taken, isolation, World.LEASE, stage);
            } catch (Throwable e) {
                throw new AssertionError("commitSingle throws, instead of returning what became of the stage", e);
            }
        });
    }
}
