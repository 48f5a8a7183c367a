package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A fault at every call that core makes of the store: what the caller is told, and how the key stands afterwards. */
interface FaultContract<T> extends StoreFixture<T> {
    static Stream<Arguments> actionsWithPassingFaults() {
        return Arrays.stream(Action.values())
                .flatMap(action -> Stream.of(
                                Fault.TRANSIENT,
                                Fault.LOST,
                                Fault.MADE_BUT_UNANSWERED,
                                Fault.UNTRANSLATED,
                                Fault.BUSY_BUT_MADE,
                                Fault.LATE)
                        .map(fault -> Arguments.of(action, fault)));
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.FaultContract#actionsWithPassingFaults")
    default void aFaultThatPassesIsNotNoticedAndTheChangeIsMadeOnce(Action action, Fault fault) throws Throwable {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        world.store.lateChangesLandAfter(action == Action.WORK_STAGE ? Call.FIND : action.write, 1);
        world.store.next(action.write, fault);

        act.call();

        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource
    default void transientFailuresOfAWriteAreRetriedAfterAPause(Action action) throws Throwable {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        world.store.next(action.write, Fault.TRANSIENT, Fault.TRANSIENT, Fault.TRANSIENT);

        act.call();

        assertThat(world.pauses()).hasSize(3);
        assertThat(world.store.count(action.write)).isEqualTo(4);
        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource
    default void aWriteIsTriedOnlySoManyTimes(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.always(action.write, Fault.TRANSIENT);

        Throwable thrown = catchThrowable(act);

        assertThat(world.store.count(action.write)).isEqualTo(World.MAX_TRIES);
        if (action == Action.WORK_STAGE) {
            assertThat(thrown).isInstanceOf(IdempotencyException.RetriesExhausted.class);
            assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        } else {
            assertThat(thrown).isInstanceOf(IdempotencyException.StoreUnavailable.class);
            assertThat(world.find()).isEqualTo(before);
        }
        assertThat(world.read("a")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WORK_STAGE")
    default void aStoreThatIsDownIsToldAndNothingIsChanged(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.next(action.write, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(act)
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503))
                .satisfies(e -> assertThat(e.retryAfter()).isPresent());

        assertThat(world.store.count(action.write)).isEqualTo(1);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource
    default void aStoreWhoseTimeCanNotBeReadIsToldAndNothingIsChanged(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.always(Call.TIME, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(act);

        assertThat(world.find()).isEqualTo(before);
        assertThat(world.read("a")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_ANEW", "CLAIM_OPEN", "CLAIM_TAKEOVER", "CLAIM_ANEW", "LOCK"})
    default void aKeyThatCanNotBeReadIsNotTakenForAbsent(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(act);

        assertThat(world.store.count(Call.REPLACE)).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_ANEW", "CLAIM_OPEN", "CLAIM_TAKEOVER", "CLAIM_ANEW", "LOCK"})
    default void aReadIsTriedAgain(Action action) throws Throwable {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        world.store.next(Call.FIND, Fault.TRANSIENT, Fault.LOST, Fault.UNTRANSLATED);

        act.call();

        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WORK_STAGE")
    default void aRowThatATransactionHoldsIsLocked(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.next(action.write, Fault.BUSY);

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(act)
                .satisfies(e -> assertThat(e.retryAfter()).isPresent());

        assertThat(world.store.count(action.write)).isEqualTo(1);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE", "INITIALIZE", "CLAIM_NEW"})
    default void aFullStoreIsToldAndKeepsNothingOfTheKey(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        world.store.next(Call.INSERT, Fault.FULL);

        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(act)
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503))
                .satisfies(e -> assertThat(e.keyId()).contains(world.id));

        assertThat(world.find()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WORK_STAGE")
    default void answersThatStayLostAreAnUnknownOutcome(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.always(action.write, Fault.LOST);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(act)
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503));

        assertThat(world.store.count(action.write)).isEqualTo(World.MAX_TRIES);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WORK_STAGE")
    default void aChangeThatCanNotBeLookedForIsAnUnknownOutcome(Action action) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        world.store.next(action.write, Fault.MADE_BUT_UNANSWERED);
        if (action.from != State.ABSENT && !Action.BY_HOLDERS.contains(action)) {
            world.store.next(Call.FIND, Fault.NONE);
        }
        world.store.always(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class).isThrownBy(act);

        action.assertDone(world);
    }

    static Stream<Arguments> actionsWithCrashes() {
        return Arrays.stream(Action.values())
                .flatMap(action ->
                        Stream.of(Arguments.of(action, Fault.CRASH_BEFORE), Arguments.of(action, Fault.CRASH_AFTER)));
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.FaultContract#actionsWithCrashes")
    default void aCrashLeavesAKeyThatTheNextRequestBringsToItsEnd(Action action, Fault crash) {
        World<T> world = new World<>(this);
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.next(action.write, crash);

        assertThatExceptionOfType(Crash.class).isThrownBy(act);

        if (crash == Fault.CRASH_AFTER) {
            action.assertDone(world);
        } else {
            assertThat(world.find()).isEqualTo(before);
        }
        world.pass(World.LEASE.multipliedBy(10));
        Claim claim = world.other.claim(world.id, World.REQUEST);
        if (!World.isReplay(claim)) {
            world.other.workStage(World.claimed(claim), world.inserting("a", World.respond()));
            assertThat(world.read("a")).contains("written");
        }
        assertThat(World.isReplay(world.other.claim(world.id, World.REQUEST))).isTrue();
    }

    @ParameterizedTest
    @EnumSource(names = {"UNAVAILABLE", "BUSY", "LOST"})
    default void aFailureIsNotReportedWhileAnEarlierCommitMayStillLand(Fault release) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        AtomicInteger runs = new AtomicInteger();
        world.store.next(Call.COMMIT_STAGE, Fault.LOST);
        world.store.always(Call.REPLACE, release);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> world.service.workStage(held, stage -> {
                    if (runs.incrementAndGet() > 1) {
                        throw new IllegalStateException("a duplicate of what the first run wrote, for all it knows");
                    }
                    return World.respond();
                }));

        assertThat(runs).hasValue(2);
        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }
}
