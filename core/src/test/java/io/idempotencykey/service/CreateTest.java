package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Named.named;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys that are made, with or without a request to compare: what is refused, and what is the same request. */
class CreateTest {
    @Test
    void createMakesAnOpenKey() {
        World world = new World();

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.REQUEST);

        assertThat(key)
                .isEqualTo(new IdempotencyKey(
                        new KeyCreation(
                                world.id,
                                key.creationId(),
                                "",
                                World.REQUEST,
                                Fingerprint.of("", World.REQUEST),
                                World.START),
                        new KeyProgress(new KeyState.Open(RecoveryPoint.STARTED, World.START), 0, 0, "", World.START)));
        assertThat(world.key()).isEqualTo(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void createRefusesAKeyThatExists(State state) {
        World world = new World();
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.KeyExists.class)
                .isThrownBy(() -> world.service.create(world.scope, world.id.value(), World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id));

        assertThat(world.find()).contains(key);
    }

    /** The insert's answer was lost; whoever knows the key goes on with it before this call looks. */
    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED"})
    void createKnowsItsOwnKeyAlsoOnceAnotherWorkerHasTakenIt(State state) {
        World world = new World();
        world.put(state);
        Call write = state == State.ABSENT ? Call.INSERT : Call.REPLACE;
        world.store.next(write, Fault.MADE_BUT_UNANSWERED);
        world.store.before(write, () -> world.other.lock(world.id));

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.REQUEST);

        assertThat(key).isEqualTo(world.key());
        assertThat(key.attempts()).isEqualTo(1);
    }

    @Test
    void createKnowsItsOwnGeneratedKeyAlsoOnceAnotherWorkerHasTakenIt() {
        World world = new World();
        List<StoredKey> inserted = new ArrayList<>();
        IdempotencyKeyService<List<String>> service = world.builder(new MapKeyStore() {
                    @Override
                    public boolean insert(StoredKey key) {
                        if (!super.insert(key)) {
                            return false;
                        }
                        inserted.add(key);
                        new IdempotencyKeyService<>(this).lock(key.id());
                        throw new StoreFailure(StoreFailure.Kind.UNKNOWN, "lost", null);
                    }
                })
                .build();

        IdempotencyKey key = service.create(world.scope, null, World.REQUEST);

        assertThat(inserted)
                .singleElement()
                .satisfies(
                        made -> assertThat(key.creation()).isEqualTo(made.key().creation()));
        assertThat(key.state()).isInstanceOf(KeyState.Locked.class);
    }

    /** It is discarded before this call looks. A creation that has ended isn't begun again, and answers nothing. */
    @Test
    void aKeyThatIsDiscardedWhileItsCreationIsUnansweredIsNeitherCreatedAgainNorReplayed() {
        for (ThrowingCallable call : List.<ThrowingCallable>of(
                () -> discardedMeanwhile().service.create("shop", "key", World.REQUEST), () -> {
                    World world = discardedMeanwhile();
                    world.service.claim(world.id, World.REQUEST);
                })) {
            assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class).isThrownBy(call);
        }
    }

    private static World discardedMeanwhile() {
        World world = new World();
        world.store.next(Call.INSERT, Fault.MADE_BUT_UNANSWERED);
        world.store.before(Call.INSERT, () -> {
            world.pass(World.LEASE);
            new OperatorActions(world.other).discard(world.key(), "alice");
        });
        return world;
    }

    @Test
    void createReplacesAnExpiredKey() {
        World world = new World();
        StoredKey expired = world.put(State.EXPIRED).orElseThrow();

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.OTHER_REQUEST);

        assertThat(world.key()).isEqualTo(key);
        assertThat(key.request()).isEqualTo(World.OTHER_REQUEST);
        assertThat(key.creationId()).isNotEqualTo(expired.key().creationId());
        assertThat(key.attempts()).isZero();
    }

    @Test
    void createMakesAValueWhereNoneIsGiven() {
        World world = new World();

        IdempotencyKey one = world.service.create(world.scope, null, World.REQUEST);
        IdempotencyKey another = world.service.create(world.scope, null, World.REQUEST);

        assertThat(one.id().value()).hasSize(36).isNotEqualTo(another.id().value());
        assertThat(world.service.retrieve(one.id())).isEqualTo(one);
        assertThat(world.service.retrieve(another.id())).isEqualTo(another);
    }

    @ParameterizedTest
    @MethodSource("illegalNames")
    void anIllegalValueIsRefusedBeforeAnythingIsReadOrWritten(String value) {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.create(world.scope, value, World.REQUEST))
                .withMessageContaining("value")
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(400));
        // Blanks around a header's value are not part of it.
        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, "\"" + value + "\"", World.REQUEST));
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("illegalNames")
    void anIllegalScopeIsRefusedBeforeAnythingIsReadOrWritten(String scope) {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.create(scope, world.id.value(), World.REQUEST))
                .withMessageContaining("scope");
        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(scope, world.id.value(), World.REQUEST));
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"\"", " ", "\"a", "\"a\"b", "\"a\\b\"", "\"a\";p=1", "a,a"})
    void anIllegalHeaderIsRefusedBeforeAnythingIsReadOrWritten(String header) {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, header, World.REQUEST));
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void initializeRequestMakesAKeyThatNobodyHolds(State state) {
        World world = new World();
        world.put(state);

        IdempotencyKey key = world.service.initializeRequest(world.scope, world.id.value(), World.OTHER_REQUEST);

        assertThat(world.key()).isEqualTo(key);
        assertThat(key.request()).isEqualTo(World.OTHER_REQUEST);
        assertThat(key.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
        assertThat(key.attempts()).isZero();
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void initializeRequestReturnsTheKeyInWhateverStateItIs(State state) {
        World world = new World();
        StoredKey key = world.put(state).orElseThrow();

        assertThat(world.service.initializeRequest(world.scope, world.id.value(), World.REQUEST))
                .isEqualTo(key.key());

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void initializeRequestRefusesAnotherRequestInEveryState(State state) {
        World world = new World();
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, world.id.value(), World.OTHER_REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(422))
                .satisfies(e -> assertThat(e.expected()).isEqualTo(key.key().fingerprint()))
                .satisfies(e -> assertThat(e.actual()).isEqualTo(Fingerprint.of("", World.OTHER_REQUEST)));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aCreateThatLosesEveryRaceForAnExpiredKeyIsLocked() {
        World world = new World();
        world.put(State.EXPIRED);
        for (int i = 0; i < World.MAX_TRIES; i++) {
            world.store.before(Call.REPLACE, () -> {
                world.other.once("op", world.id, World.OTHER_REQUEST, stage -> World.RESPONSE);
                world.pass(World.TIME_TO_LIVE);
            });
        }

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.create(world.scope, world.id.value(), World.REQUEST));

        assertThat(world.store.count(Call.REPLACE)).isEqualTo(World.MAX_TRIES);
    }

    @Test
    void createForARequestWithoutAKeyMakesANewOneEachTime() {
        World world = new World();

        KeyId one = world.service.create(world.scope, null, World.REQUEST).id();
        KeyId another = world.service.create(world.scope, null, World.REQUEST).id();

        assertThat(one).isNotEqualTo(another);
        assertThat(world.service.retrieve(one).attempts()).isZero();
    }

    @Test
    void initializeRequestRefusesAHeaderThatIsMissing() {
        World world = new World();

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, null, World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(400));
        assertThat(world.store.calls()).isEmpty();
    }

    @Test
    void aQuotedHeaderAndABareOneNameTheSameKey() {
        World world = new World();

        IdempotencyKey quoted = world.service.initializeRequest(world.scope, " \"a/b=\" ", World.REQUEST);
        IdempotencyKey bare = world.service.initializeRequest(world.scope, "a/b=", World.REQUEST);

        assertThat(bare).isEqualTo(quoted);
    }

    @Test
    void initializeRequestTakesTheRequestInParts() {
        World world = new World();
        String header = world.scope + "-header";

        IdempotencyKey made = world.service.initializeRequest(header, "POST", Map.of("a", 1), "/orders");

        assertThat(made.id()).isEqualTo(KeyId.of(header));
        assertThat(world.service.initializeRequest(header, "POST", Map.of("a", 1.0), "/orders"))
                .isEqualTo(made);
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(header, "PUT", Map.of("a", 1), "/orders"));
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(header, "POST", Map.of("a", 1), "/orders/"));
    }

    @ParameterizedTest
    @MethodSource("sameParameters")
    void theSameRequestInAnotherSpellingIsNoMismatch(Object one, Object same) {
        World world = new World();
        world.service.create(world.scope, world.id.value(), Request.of("POST", "/", one(one)));

        assertThat(world.service
                        .initializeRequest(world.scope, world.id.value(), Request.of("POST", "/", one(same)))
                        .id())
                .isEqualTo(world.id);
    }

    @ParameterizedTest
    @MethodSource("differentParameters")
    void aSimilarRequestIsAMismatch(Object one, Object another) {
        World world = new World();
        world.service.create(world.scope, world.id.value(), Request.of("POST", "/", one(one)));
        Request similar = Request.of("POST", "/", one(another));

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, world.id.value(), similar));
    }

    @Test
    void parametersOneLevelTooDeepAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Request.of("POST", "/", mapsDeep(101)))
                .withMessageContaining("100 levels");
        assertThatIllegalArgumentException().isThrownBy(() -> Request.of("POST", "/", listsDeep(101)));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 1_234_567_890_123L})
    void timesAreTheStoresAndCutToMilliseconds(long nanos) {
        World world = new World();
        world.pass(Duration.ofNanos(nanos));

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.REQUEST);

        assertThat(key.createdAt()).isEqualTo(World.START.plusMillis(nanos / 1_000_000));
        assertThat(world.key()).isEqualTo(key);
    }

    /** What neither a scope nor a value may be; an empty value is none either. */
    static Stream<Named<String>> illegalNames() {
        return Stream.of(
                named("256 characters", "x".repeat(256)),
                named("a space", "a b"),
                named("a space at the beginning", " a"),
                named("a space at the end", "a "),
                named("a tab", "a\tb"),
                named("a line feed", "a\nb"),
                named("a carriage return", "a\rb"),
                named("NUL", "a\u0000b"),
                named("the last control character", "a\u001fb"),
                named("DEL", "a\u007fb"),
                named("a control character of Latin-1", "a\u0085b"),
                named("a no-break space", "a\u00a0b"),
                named("a letter of Latin-1", "a\u00e9b"),
                named("a combining accent", "ae\u0301b"),
                named("a full-width letter", "a\uff21b"),
                named("a zero-width space", "a\u200bb"),
                named("an emoji", "a\ud83d\ude00b"),
                named("half a surrogate pair", "a\ud83db"));
    }

    /** Two spellings of one request. */
    static Stream<Arguments> sameParameters() {
        Map<String, @Nullable Object> oneOrder = new LinkedHashMap<>();
        oneOrder.put("a", 1);
        oneOrder.put("b", 2);
        Map<String, @Nullable Object> otherOrder = new LinkedHashMap<>();
        otherOrder.put("b", 2);
        otherOrder.put("a", 1);
        return Stream.of(
                same("1 and 1.0", 1, new BigDecimal("1.0")),
                same("1 and 1L", 1, 1L),
                same("100 and 1E+2", 100, new BigDecimal("1E+2")),
                same("0.1 as decimal and as double", new BigDecimal("0.10"), 0.1),
                same("0 and -0.0", 0, -0.0),
                same("10^30 as integer and as decimal", BigInteger.TEN.pow(30), new BigDecimal("1E+30")),
                same("the order of members", oneOrder, otherOrder));
    }

    private static Arguments same(String name, Object one, Object other) {
        return Arguments.of(named(name, one), named("the same", other));
    }

    /** Two values that a careless comparison takes for one. */
    static Stream<Arguments> differentParameters() {
        Map<String, @Nullable Object> withNull = new HashMap<>();
        withNull.put("a", 1);
        withNull.put("b", null);
        return Stream.of(
                different("1 and \"1\"", 1, "1"),
                different("true and \"true\"", true, "true"),
                different("0 and false", 0, false),
                different("null and a missing member", withNull, Map.of("a", 1)),
                different("a list and its element", List.of(1), 1),
                different("the order of a list", List.of(1, 2), List.of(2, 1)),
                different("empty map and empty list", Map.of(), List.of()),
                different("upper and lower case", "a", "A"),
                different("a space at the end", "a", "a "),
                different("the two Unicode normal forms", "\u00e9", "e\u0301"),
                different(
                        "40 digits, the last one", new BigDecimal("1" + "0".repeat(38) + "1"), BigInteger.TEN.pow(39)),
                different("2^53 and 2^53 + 1", 1L << 53, (1L << 53) + 1),
                different("1E+200000 and 1E+200001", new BigDecimal("1E+200000"), new BigDecimal("1E+200001")),
                different("0.1 and a little more", 0.1, new BigDecimal("0.1000000000000000055511151231257827")),
                different("NUL and nothing", "a\u0000", "a"),
                different("a nested name and a dotted one", Map.of("a", Map.of("b", 1)), Map.of("a.b", 1)));
    }

    private static Arguments different(String name, Object one, Object other) {
        return Arguments.of(named(name, one), named("another", other));
    }

    static Map<String, @Nullable Object> one(Object value) {
        Map<String, @Nullable Object> map = new HashMap<>();
        map.put("value", value);
        return map;
    }

    /** A map with so many levels of maps inside. */
    static Map<String, @Nullable Object> mapsDeep(int levels) {
        Map<String, @Nullable Object> map = Map.of("bottom", 1);
        for (int i = 0; i < levels; i++) {
            map = one(map);
        }
        return map;
    }

    /** A map with so many levels of lists inside. */
    static Map<String, @Nullable Object> listsDeep(int levels) {
        List<@Nullable Object> list = new ArrayList<>();
        for (int i = 1; i < levels; i++) {
            list = List.of(list);
        }
        return one(list);
    }
}
