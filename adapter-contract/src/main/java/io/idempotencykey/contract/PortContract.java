package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import java.io.IOException;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the store port promises, method by method. */
interface PortContract<T> extends StoreFixture<T> {
    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void anInsertedKeyIsFoundAsItWas(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey key = sample.apply(world.id);

        assertThat(store().insert(key)).isTrue();

        assertThat(store().find(world.id)).contains(key);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void aReplacedKeyIsFoundAsItWas(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey old = world.put(State.LOCKED).orElseThrow();
        StoredKey key = sample.apply(world.id);

        assertThat(store().replace(old.revision(), key)).isTrue();

        assertThat(store().find(world.id)).contains(key);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void aKeyCommittedWithAStageIsFoundAsItWas(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey old = world.put(State.LOCKED).orElseThrow();
        StoredKey key = sample.apply(world.id);

        assertThat(commit(old, transaction -> key)).isEqualTo(StageCommit.committed());

        assertThat(store().find(world.id)).contains(old.with(key.progress()));
    }

    /** Every state can follow every other as far as a store is concerned, and leaves nothing of the old one behind. */
    static Stream<KeyState> states() {
        RecoveryPoint at = World.PAID;
        Instant time = World.START;
        return Stream.of(
                new KeyState.Open(at, time),
                new KeyState.Locked(at, time, time.plusSeconds(1)),
                new KeyState.Finished(World.RESPONSE, time, time.plusSeconds(2)),
                new KeyState.Quarantined(at, time, "reason"));
    }

    @Test
    default void everyStateReplacesEveryOther() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(State.OPEN).orElseThrow();

        for (KeyState from : states().toList()) {
            for (KeyState to : states().toList()) {
                StoredKey first = world.with(old, from);
                StoredKey second = world.with(old, to);
                assertThat(store().replace(old.revision(), first)).isTrue();
                assertThat(store().replace(first.revision(), second)).isTrue();
                assertThat(store().find(world.id)).contains(second);
                old = second;
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#parameters")
    default void parametersAreKeptWithoutLoss(Map<String, @Nullable Object> parameters) {
        World<T> world = new World<>(this);
        Request request = Request.of("POST", "/", parameters);

        world.service.create(world.scope, world.id.value(), request);

        assertThat(world.key().request().parameters()).isEqualTo(request.parameters());
        assertThat(world.service
                        .initializeRequest(world.scope, world.id.value(), Request.of("POST", "/", parameters))
                        .id())
                .isEqualTo(world.id);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#responses")
    default void responsesAreKeptByteForByte(Response response) {
        World<T> world = new World<>(this);
        StoredKey old = world.put(State.LOCKED).orElseThrow();
        StoredKey key = world.with(old, new KeyState.Finished(response, World.START, World.START));

        assertThat(commit(old, transaction -> key)).isEqualTo(StageCommit.committed());

        Response kept = ((KeyState.Finished) world.state()).response();
        assertThat(kept.status()).isEqualTo(response.status());
        assertThat(kept.body()).isEqualTo(response.body());
        assertThat(kept.headers().toString()).isEqualTo(response.headers().toString());
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#values")
    default void aKeyIsFoundByItsExactValue(String value) {
        World<T> world = new World<>(this);
        KeyId id = world.id(value);
        KeyId swapped = new KeyId(value, world.scope);

        world.service.create(id.scope(), id.value(), World.REQUEST);
        assertThat(store().find(swapped)).isEmpty();
        world.service.create(swapped.scope(), swapped.value(), World.OTHER_REQUEST);

        assertThat(world.service.retrieve(id).id()).isEqualTo(id);
        assertThat(world.service.retrieve(swapped).id()).isEqualTo(swapped);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#similarNames")
    default void similarNamesAreDifferentKeys(String scope, String value, String otherScope, String otherValue) {
        World<T> world = new World<>(this);
        KeyId one = new KeyId(world.scope + scope, value);
        KeyId another = new KeyId(world.scope + otherScope, otherValue);

        world.service.create(one.scope(), one.value(), World.REQUEST);
        assertThat(store().find(another)).isEmpty();
        world.service.create(another.scope(), another.value(), World.OTHER_REQUEST);
        world.service.update(world.service.lock(one), World.respond());

        assertThat(world.service.retrieve(one).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        assertThat(world.service.retrieve(another).recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    @Test
    default void theEmptyScopeIsAScopeOfItsOwn() {
        World<T> world = new World<>(this);
        KeyId unscoped = KeyId.of(world.scope + "-key");

        world.service.create("", unscoped.value(), World.REQUEST);

        assertThat(world.service.retrieve(unscoped).id()).isEqualTo(unscoped);
        assertThat(store().find(new KeyId(world.scope, unscoped.value()))).isEmpty();
    }

    @Test
    default void aMissingKeyIsNotFound() {
        World<T> world = new World<>(this);

        assertThat(store().find(world.id)).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.PortContract#states")
    default void insertLeavesAKeyAsItIs(KeyState state) {
        World<T> world = new World<>(this);
        StoredKey open = world.put(State.OPEN).orElseThrow();
        StoredKey key = world.with(open, state);
        store().replace(open.revision(), key);

        assertThat(store().insert(world.with(open, new KeyState.Open(World.TAXED, World.START))))
                .isFalse();

        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void replaceWithAnotherRevisionChangesNothing() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED).orElseThrow();

        assertThat(store().replace(world.revision(), world.with(key, key.key().state())))
                .isFalse();

        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void replaceWithAnEarlierRevisionChangesNothing() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(State.LOCKED).orElseThrow();
        StoredKey second = world.with(first, first.key().state());
        store().replace(first.revision(), second);

        assertThat(store().replace(
                                first.revision(), world.with(first, first.key().state())))
                .isFalse();

        assertThat(store().find(world.id)).contains(second);
    }

    @Test
    default void revisionsThatDifferInOneBitAreDifferent() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED).orElseThrow();
        UUID value = key.revision().value();

        for (UUID near : new UUID[] {
            new UUID(value.getMostSignificantBits() ^ Long.MIN_VALUE, value.getLeastSignificantBits()),
            new UUID(value.getMostSignificantBits() ^ 1, value.getLeastSignificantBits()),
            new UUID(value.getMostSignificantBits(), value.getLeastSignificantBits() ^ Long.MIN_VALUE),
            new UUID(value.getMostSignificantBits(), value.getLeastSignificantBits() ^ 1)
        }) {
            assertThat(store().replace(
                                    new Revision(near),
                                    world.with(key, key.key().state())))
                    .isFalse();
        }

        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void replaceOfAMissingKeyMakesNone() {
        World<T> world = new World<>(this);
        StoredKey elsewhere = world.put(State.LOCKED).orElseThrow();
        KeyId absent = world.id("absent");
        StoredKey key = Samples.stored(
                absent,
                "",
                World.REQUEST,
                elsewhere.key().fingerprint(),
                World.START,
                elsewhere.key().state());

        assertThat(store().replace(elsewhere.revision(), key)).isFalse();

        assertThat(store().find(absent)).isEmpty();
        assertThat(store().find(world.id)).contains(elsewhere);
    }

    @Test
    default void theStoresTimeDoesNotGoBack() {
        Instant before = store().time();

        assertThat(store().time()).isAfterOrEqualTo(before);
    }

    @Test
    default void theStoreSaysWhichIsolationsItHas() {
        assertThat(store().isolations()).isNotEmpty().isEqualTo(store().isolations());
    }

    @Test
    default void aStageCommitsInEveryIsolationThatTheStoreHas() {
        for (Isolation isolation : store().isolations()) {
            World<T> world = new World<>(this);
            StoredKey old = world.put(State.LOCKED).orElseThrow();
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
        StoredKey old = world.put(State.LOCKED).orElseThrow();
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
        StoredKey key = world.put(State.LOCKED).orElseThrow();
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
        StoredKey key = world.put(State.LOCKED).orElseThrow();
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
        StoredKey old = world.put(State.LOCKED).orElseThrow();
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
    @MethodSource("io.idempotencykey.contract.PortContract#thrown")
    default void whatAStageThrowsRollsItBackAndComesBackAsItIs(Throwable thrown) {
        World<T> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED).orElseThrow();
        AtomicReference<Throwable> cause = new AtomicReference<>();

        StageCommit end = commit(key, transaction -> {
            insert(transaction, world.row("a"), "1");
            throw World.<RuntimeException>asItIs(thrown);
        });

        assertThat(nameOf(end, cause)).isEqualTo("rolled back");
        assertThat(cause.get()).isSameAs(thrown);
        assertThat(world.read("a")).isEmpty();
        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void aDuplicateOfTheApplicationsOwnIsTheApplicationsError() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(State.LOCKED).orElseThrow();
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
        StoredKey first = world.put(State.LOCKED).orElseThrow();
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
        StoredKey old = world.put(State.LOCKED).orElseThrow();
        AtomicInteger calls = new AtomicInteger();

        commit(old, transaction -> {
            calls.incrementAndGet();
            assertThat(Thread.currentThread().getName()).isEqualTo(Threads.NAME);
            return world.with(old, old.key().state());
        });

        assertThat(calls).hasValue(1);
    }

    @Test
    default void aStoreGoesOnAfterAFailedStage() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(State.LOCKED).orElseThrow();
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
        KeyStore<T> store = store();
        return Threads.elsewhere(() -> store.commitStage(
                held, Collections.max(store.isolations()), World.LEASE, work.andThen(StoredKey::progress)));
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
            case ROLLED_BACK -> "rolled back";
            case TRANSIENTLY_ROLLED_BACK -> "transiently rolled back";
            case UNKNOWN -> "unknown";
        };
    }
}
