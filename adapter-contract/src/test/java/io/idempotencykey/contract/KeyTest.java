package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The service's operations on a key, in every state that it can be met in. */
class KeyTest extends MapFixture {
    @Test
    void createMakesAnOpenKey() {
        World<List<String>> world = new World<>(this);

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
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.KeyExists.class)
                .isThrownBy(() -> world.service.create(world.scope, world.id.value(), World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id));

        assertThat(world.find()).contains(key);
    }

    @Test
    void createReplacesAnExpiredKey() {
        World<List<String>> world = new World<>(this);
        StoredKey expired = world.put(State.EXPIRED).orElseThrow();

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.OTHER_REQUEST);

        assertThat(world.key()).isEqualTo(key);
        assertThat(key.request()).isEqualTo(World.OTHER_REQUEST);
        assertThat(key.creationId()).isNotEqualTo(expired.key().creationId());
        assertThat(key.attempts()).isZero();
    }

    @Test
    void createMakesAValueWhereNoneIsGiven() {
        World<List<String>> world = new World<>(this);

        IdempotencyKey one = world.service.create(world.scope, null, World.REQUEST);
        IdempotencyKey another = world.service.create(world.scope, null, World.REQUEST);

        assertThat(one.id().value()).hasSize(36).isNotEqualTo(another.id().value());
        assertThat(world.service.retrieve(one.id())).isEqualTo(one);
        assertThat(world.service.retrieve(another.id())).isEqualTo(another);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#illegalNames")
    void anIllegalValueIsRefusedBeforeAnythingIsReadOrWritten(String value) {
        World<List<String>> world = new World<>(this);

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
    @MethodSource("io.idempotencykey.contract.Samples#illegalNames")
    void anIllegalScopeIsRefusedBeforeAnythingIsReadOrWritten(String scope) {
        World<List<String>> world = new World<>(this);

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.create(scope, world.id.value(), World.REQUEST))
                .withMessageContaining("scope");
        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(scope, world.id.value(), World.REQUEST));
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\"\"", " ", "\"a", "\"a\"b", "\"a\\b\"", "\"a\";p=1"})
    void anIllegalHeaderIsRefusedBeforeAnythingIsReadOrWritten(String header) {
        World<List<String>> world = new World<>(this);

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, header, World.REQUEST));
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void initializeRequestMakesAKeyThatNobodyHolds(State state) {
        World<List<String>> world = new World<>(this);
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
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state).orElseThrow();

        assertThat(world.service.initializeRequest(world.scope, world.id.value(), World.REQUEST))
                .isEqualTo(key.key());

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void initializeRequestRefusesAnotherRequestInEveryState(State state) {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, world.id.value(), World.OTHER_REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(422))
                .satisfies(e -> assertThat(e.expected()).isEqualTo(key.key().fingerprint()))
                .satisfies(e -> assertThat(e.actual()).isEqualTo(Fingerprint.of("", World.OTHER_REQUEST)));

        assertThat(world.find()).contains(key);
    }

    @Test
    void initializeRequestForARequestWithoutAKeyMakesANewOneEachTime() {
        World<List<String>> world = new World<>(this);

        KeyId one = world.service.initializeRequest(world.scope, World.REQUEST).id();
        KeyId another =
                world.service.initializeRequest(world.scope, World.REQUEST).id();

        assertThat(one).isNotEqualTo(another);
        assertThat(world.service.retrieve(one).attempts()).isZero();
    }

    @Test
    void initializeRequestRefusesAHeaderThatIsMissing() {
        World<List<String>> world = new World<>(this);

        assertThatExceptionOfType(IdempotencyException.InvalidKey.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, null, World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(400));
        assertThat(world.store.calls()).isEmpty();
    }

    @Test
    void aQuotedHeaderAndABareOneNameTheSameKey() {
        World<List<String>> world = new World<>(this);

        IdempotencyKey quoted = world.service.initializeRequest(world.scope, " \"a\\\\b\" ", World.REQUEST);
        IdempotencyKey bare = world.service.initializeRequest(world.scope, "a\\b", World.REQUEST);

        assertThat(bare).isEqualTo(quoted);
    }

    @Test
    void initializeRequestTakesTheRequestInParts() {
        World<List<String>> world = new World<>(this);
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
    @MethodSource("io.idempotencykey.contract.Samples#sameParameters")
    void theSameRequestInAnotherSpellingIsNoMismatch(Object one, Object same) {
        World<List<String>> world = new World<>(this);
        world.service.create(world.scope, world.id.value(), Request.of("POST", "/", Samples.one(one)));

        assertThat(world.service
                        .initializeRequest(world.scope, world.id.value(), Request.of("POST", "/", Samples.one(same)))
                        .id())
                .isEqualTo(world.id);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#differentParameters")
    void aSimilarRequestIsAMismatch(Object one, Object another) {
        World<List<String>> world = new World<>(this);
        world.service.create(world.scope, world.id.value(), Request.of("POST", "/", Samples.one(one)));
        Request similar = Request.of("POST", "/", Samples.one(another));

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.initializeRequest(world.scope, world.id.value(), similar));
    }

    @Test
    void parametersOneLevelTooDeepAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Request.of("POST", "/", Samples.mapsDeep(101)))
                .withMessageContaining("100 levels");
        assertThatIllegalArgumentException().isThrownBy(() -> Request.of("POST", "/", Samples.listsDeep(101)));
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void retrieveReturnsTheKeyInWhateverStateItIs(State state) {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state).orElseThrow();

        assertThat(world.service.retrieve(world.id)).isEqualTo(key.key());

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void retrieveAndLockFindNoKeyThatCountsAsAbsent(State state) {
        World<List<String>> world = new World<>(this);
        world.put(state);

        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(404));
        assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> world.service.lock(world.id));
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "LEASE_OVER"})
    void lockTakesAKeyThatIsFree(State state) {
        World<List<String>> world = new World<>(this);
        StoredKey before = world.put(state, "", World.TAXED).orElseThrow();

        HeldKey held = world.service.lock(world.id);

        StoredKey after = world.stored();
        assertThat(held.key()).isEqualTo(after.key());
        assertThat(held.recoveryPoint()).isEqualTo(World.TAXED);
        assertThat(after.revision()).isNotEqualTo(before.revision());
        assertThat(after.key().state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START, World.START.plus(state.nextLease())));
        assertThat(after.key().attempts()).isEqualTo(before.key().attempts() + 1);
        assertThat(after.key().creationId()).isEqualTo(before.key().creationId());
        assertThat(after.key().createdAt()).isEqualTo(before.key().createdAt());
        assertThat(after.key().updatedAt()).isEqualTo(World.START);
        assertThat(after.key().failedAttempts()).isEqualTo(before.key().failedAttempts());
    }

    @Test
    void lockTellsWhenToAskAgainForAKeyThatAnotherHolds() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(1)));

        assertThat(world.find()).contains(key);
    }

    @Test
    void lockOfAFinishedKeyHandsOutItsResponse() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.FINISHED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.AlreadyFinished.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.response()).isEqualTo(World.RESPONSE));

        assertThat(world.find()).contains(key);
    }

    @Test
    void lockRefusesAQuarantinedKey() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.QUARANTINED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.reason()).isEqualTo("a person has to look at it"));

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 86_400_001})
    void aLeaseOutOfBoundsIsRefusedBeforeAnythingIsReadOrWritten(long millis) {
        World<List<String>> world = new World<>(this);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> world.service.lock(world.id, Duration.ofMillis(millis)))
                .withMessageContaining("lease");
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 86_400_000})
    void aLeaseHoldsUntilItsLastMillisecond(long millis) {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        world.service.lock(world.id, Duration.ofMillis(millis));

        world.pass(Duration.ofMillis(millis).minusNanos(1));
        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.other.lock(world.id));
        world.pass(Duration.ofNanos(1));

        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(5);
    }

    @Test
    void lockReadsAgainWhenItLosesARaceToAHolder() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id, Duration.ofSeconds(7)));

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(1)));
        assertThat(leaseOf(world.state())).isEqualTo(Duration.ofSeconds(7));
    }

    @Test
    void lockReadsAgainWhenItLosesARaceToAResponse() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.update(world.other.lock(world.id), World.respond()));

        assertThatExceptionOfType(IdempotencyException.AlreadyFinished.class)
                .isThrownBy(() -> world.service.lock(world.id));
    }

    @Test
    void lockTakesAKeyThatWasGivenBackWhileItTried() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.unlock(world.other.lock(world.id)));

        assertThat(world.service.lock(world.id).key().attempts()).isEqualTo(5);
    }

    @Test
    void lockGivesUpAfterAsManyLostRacesAsThereAreTries() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        for (int i = 0; i < World.MAX_TRIES; i++) {
            world.store.before(Call.REPLACE, () -> world.other.unlock(world.other.lock(world.id)));
        }

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.service.lock(world.id));
        assertThat(world.store.count(Call.REPLACE)).isEqualTo(World.MAX_TRIES);
    }

    @Test
    void unlockLeavesTheKeyOpenWhereItStood() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofMillis(5));

        IdempotencyKey key = world.service.unlock(held);

        assertThat(world.key()).isEqualTo(key);
        assertThat(key.state()).isEqualTo(new KeyState.Open(World.TAXED, World.START.plusMillis(5)));
        assertThat(key.attempts()).isEqualTo(4);
        assertThat(key.failedAttempts()).isEqualTo(1);
        assertThat(key.lastError()).isEqualTo("an earlier error");
    }

    @Test
    void renewBeginsTheLeaseAnew() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(20));

        HeldKey renewed = world.service.renew(held, Duration.ofSeconds(15));

        assertThat(world.key()).isEqualTo(renewed.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(20), World.START.plusSeconds(35)));
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.service.unlock(renewed).attempts()).isEqualTo(4);
    }

    @Test
    void aLeaseThatRanOutCanBeRenewedWhileNobodyTookTheKeyOver() {
        World<List<String>> world = new World<>(this);
        HeldKey held = world.hold();
        world.pass(World.LEASE.multipliedBy(2));

        world.service.renew(held);

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.other.lock(world.id));
        assertThat(leaseOf(world.state())).isEqualTo(World.LEASE);
    }

    @Test
    void updateAdvancesAHeldKey() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(1));

        HeldKey next = World.held(world.service.update(held, StageOutcome.advanceTo(World.TAXED)));

        assertThat(world.key()).isEqualTo(next.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(1), World.START.plusSeconds(31)));
        assertThat(world.key().failedAttempts()).isZero();
        assertThat(world.key().lastError()).isEmpty();
        assertThat(world.key().attempts()).isEqualTo(4);
    }

    @Test
    void updateFinishesAHeldKey() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);

        StageResult result = world.service.update(held, World.respond());

        assertThat(World.response(result)).isEqualTo(World.RESPONSE);
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(World.RESPONSE, World.START, World.START.plus(World.TIME_TO_LIVE)));
    }

    @Test
    void updateRefusesAResponseThatIsTooLargeAndChangesNothing() {
        World<List<String>> world = new World<>(this);
        HeldKey held = world.hold();
        StoredKey before = world.stored();
        Response oneTooMany = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]);

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.update(held, StageOutcome.respond(oneTooMany)))
                .satisfies(e -> assertThat(e.length()).isEqualTo(1_048_577))
                .satisfies(e -> assertThat(e.limit()).isEqualTo(1_048_576));

        assertThat(world.find()).contains(before);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 1_234_567_890_123L})
    void timesAreTheStoresAndCutToMilliseconds(long nanos) {
        World<List<String>> world = new World<>(this);
        world.pass(Duration.ofNanos(nanos));

        IdempotencyKey key = world.service.create(world.scope, world.id.value(), World.REQUEST);

        assertThat(key.createdAt()).isEqualTo(World.START.plusMillis(nanos / 1_000_000));
        assertThat(world.key()).isEqualTo(key);
    }

    @Test
    void aKeyIsReplayableUntilTheInstantOfItsExpiry() {
        World<List<String>> world = new World<>(this);
        world.service.update(world.hold(), World.respond());

        world.pass(World.TIME_TO_LIVE.minusNanos(1));
        assertThat(world.service.retrieve(world.id).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        world.pass(Duration.ofNanos(1));
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        world.pass(Duration.ofDays(1));
        assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> world.other.retrieve(world.id));
    }

    @Test
    void anUnfinishedKeyNeverExpires() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        world.pass(Duration.ofDays(10_000));

        assertThat(world.service.retrieve(world.id).attempts()).isEqualTo(3);
    }

    /** What a holder may want to do with its key. */
    enum Change {
        ADVANCE {
            @Override
            <T> void make(World<List<String>> world, HeldKey held) {
                world.service.update(held, StageOutcome.advanceTo(World.PAID));
            }
        },
        RESPOND {
            @Override
            <T> void make(World<List<String>> world, HeldKey held) {
                world.service.update(held, StageOutcome.respond(Response.of(500, new byte[0])));
            }
        },
        UNLOCK {
            @Override
            <T> void make(World<List<String>> world, HeldKey held) {
                world.service.unlock(held);
            }
        },
        RENEW {
            @Override
            <T> void make(World<List<String>> world, HeldKey held) {
                world.service.renew(held);
            }
        },
        WORK_STAGE {
            @Override
            <T> void make(World<List<String>> world, HeldKey held) {
                world.service.workStage(held, world.inserting("stale", World.respond()));
            }
        };

        abstract <T> void make(World<List<String>> world, HeldKey held);
    }

    /** How a holder can lose its key. */
    enum Loss {
        UNLOCKED {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.other.unlock(held);
            }
        },
        RENEWED {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.other.renew(held);
            }
        },
        ADVANCED {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.other.update(held, StageOutcome.advanceTo(World.TAXED));
            }
        },
        FINISHED {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.other.update(held, World.respond());
            }
        },
        TAKEN_OVER {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.pass(World.LEASE);
                world.other.lock(world.id);
            }
        },
        TAKEN_OVER_AND_GIVEN_BACK {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.pass(World.LEASE);
                world.other.unlock(world.other.lock(world.id));
            }
        },
        CREATED_ANEW_AND_HELD {
            @Override
            <T> void happen(World<List<String>> world, HeldKey held) {
                world.other.update(held, World.respond());
                world.pass(World.TIME_TO_LIVE);
                world.other.claim(world.id, World.REQUEST);
            }
        };

        abstract <T> void happen(World<List<String>> world, HeldKey held);
    }

    static Stream<Arguments> changesAfterLosses() {
        return Arrays.stream(Change.values())
                .flatMap(change -> Arrays.stream(Loss.values()).map(loss -> Arguments.of(change, loss)));
    }

    @ParameterizedTest
    @MethodSource("changesAfterLosses")
    void aStaleHolderChangesNothing(Change change, Loss loss) {
        World<List<String>> world = new World<>(this);
        HeldKey held = world.hold();
        loss.happen(world, held);
        StoredKey after = world.stored();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> change.make(world, held))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id));

        assertThat(world.find()).contains(after);
        assertThat(world.read("stale")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void everyChangeOfAKeyHasARevisionOfItsOwn(Change change) {
        World<List<String>> world = new World<>(this);
        HeldKey held = world.hold();
        StoredKey before = world.stored();

        change.make(world, held);

        assertThat(world.stored().revision()).isNotEqualTo(before.revision());
        assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> world.service.unlock(held));
    }

    private static Duration leaseOf(KeyState state) {
        KeyState.Locked locked = (KeyState.Locked) state;
        return Duration.between(locked.lockedAt(), locked.leaseEnds());
    }
}
