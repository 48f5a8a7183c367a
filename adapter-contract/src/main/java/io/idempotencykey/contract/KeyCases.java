package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Single keys at the port: stored without loss, told apart, and changed by compare-and-set only. */
interface KeyCases<T> extends StoreFixture<T> {
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
        StoredKey old = world.put(World.LOCKED);
        StoredKey key = sample.apply(world.id);

        assertThat(store().replace(old.revision(), key)).isTrue();

        assertThat(store().find(world.id)).contains(key);
    }

    /** Every state can follow every other as far as a store is concerned, and leaves nothing of the old one behind. */
    static Stream<KeyState> states() {
        RecoveryPoint at = World.PAID;
        Instant time = World.START;
        return Stream.of(
                new KeyState.Open(at, time),
                new KeyState.Locked(at, time, time.plusSeconds(1)),
                new KeyState.Finished(World.RESPONSE, time, time.plusSeconds(2)),
                RaceCases.EXPIRED,
                new KeyState.Failed(time),
                new KeyState.Failed(Instant.EPOCH),
                new KeyState.Quarantined(at, time, "reason"));
    }

    @Test
    default void everyStateReplacesEveryOther() {
        World<T> world = new World<>(this);
        StoredKey old = world.put(World.OPEN);

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
    @MethodSource("io.idempotencykey.contract.KeyCases#states")
    default void insertLeavesAKeyAsItIs(KeyState state) {
        World<T> world = new World<>(this);
        StoredKey open = world.put(World.OPEN);
        StoredKey key = world.with(open, state);
        store().replace(open.revision(), key);

        assertThat(store().insert(world.with(open, new KeyState.Open(World.TAXED, World.START))))
                .isFalse();

        assertThat(store().find(world.id)).contains(key);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void whoInsertsOrFindsAnAbsentKeyInsertsIt(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey key = sample.apply(world.id);

        assertThat(store().insertOrFind(key)).contains(key);

        assertThat(store().find(world.id)).contains(key);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#storedKeys")
    default void whoInsertsOrFindsAStoredKeyFindsIt(Function<KeyId, StoredKey> sample) {
        World<T> world = new World<>(this);
        StoredKey key = sample.apply(world.id);
        assertThat(store().insert(key)).isTrue();

        assertThat(store().insertOrFind(world.with(key, World.OPEN))).contains(key);

        assertThat(store().find(world.id)).contains(key);
    }

    /** As does one whose answer was lost. */
    @Test
    default void whoInsertsAKeyAgainFindsIt() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(World.LOCKED);

        assertThat(store().insertOrFind(key)).contains(key);
    }

    @Test
    default void replaceWithAnotherRevisionChangesNothing() {
        World<T> world = new World<>(this);
        StoredKey key = world.put(World.LOCKED);

        assertThat(store().replace(world.revision(), world.with(key, key.key().state())))
                .isFalse();

        assertThat(store().find(world.id)).contains(key);
    }

    @Test
    default void replaceWithAnEarlierRevisionChangesNothing() {
        World<T> world = new World<>(this);
        StoredKey first = world.put(World.LOCKED);
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
        StoredKey key = world.put(World.LOCKED);
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
        StoredKey elsewhere = world.put(World.LOCKED);
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
    default void aReadingOfTheTimeIsCarriedOnForAMinuteOrSo() {
        assertThat(store().timeHolds()).isBetween(Duration.ZERO, Duration.ofMinutes(5));
    }

    @Test
    default void theStoreSaysWhichIsolationsItHas() {
        assertThat(store().isolations()).isNotEmpty().isEqualTo(store().isolations());
    }
}
