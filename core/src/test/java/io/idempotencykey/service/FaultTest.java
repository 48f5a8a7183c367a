package io.idempotencykey.service;

import static io.idempotencykey.service.World.claimed;
import static io.idempotencykey.service.World.isInFlight;
import static io.idempotencykey.service.World.isReplay;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A fault at every call that core makes of the store: what the caller is told, and how the key stands afterwards. */
class FaultTest {
    /** An operation of the service that writes once, from a key as it was left by others. */
    enum Action {
        CREATE(State.ABSENT, Call.INSERT),
        CREATE_ANEW(State.EXPIRED, Call.REPLACE),
        INITIALIZE(State.ABSENT, Call.INSERT),
        CLAIM_NEW(State.ABSENT, Call.INSERT),
        CLAIM_OPEN(State.OPEN, Call.REPLACE),
        CLAIM_TAKEOVER(State.LEASE_OVER, Call.REPLACE),
        CLAIM_ANEW(State.EXPIRED, Call.REPLACE),
        LOCK(State.OPEN, Call.REPLACE),
        RENEW(State.OPEN, Call.REPLACE),
        UNLOCK(State.OPEN, Call.REPLACE),
        ADVANCE(State.OPEN, Call.REPLACE),
        RESPOND(State.OPEN, Call.REPLACE),
        WORK_STAGE(State.OPEN, Call.COMMIT_STAGE);

        final State from;
        final Call write;

        Action(State from, Call write) {
            this.from = from;
            this.write = write;
        }

        static final Set<Action> BY_HOLDERS = EnumSet.of(RENEW, UNLOCK, ADVANCE, RESPOND, WORK_STAGE);
        static final Set<Action> CLAIMS = EnumSet.of(CLAIM_NEW, CLAIM_OPEN, CLAIM_TAKEOVER, CLAIM_ANEW);

        /** Leaves the key as the action meets it, and returns the action. */
        ThrowingCallable prepare(World world) {
            world.put(from);
            if (BY_HOLDERS.contains(this)) {
                HeldKey held = world.other.lock(world.id);
                return () -> change(world, held);
            }
            return switch (this) {
                case CREATE, CREATE_ANEW -> () -> world.service.create(world.scope, world.id.value(), World.REQUEST);
                case INITIALIZE -> () -> world.service.initializeRequest(world.scope, world.id.value(), World.REQUEST);
                case LOCK -> () -> world.service.lock(world.id);
                default ->
                    () -> {
                        Claim claim = world.service.claim(world.id, World.REQUEST);
                        if (isInFlight(claim)) {
                            throw new IdempotencyException.Locked(world.id, World.LEASE);
                        }
                    };
            };
        }

        private void change(World world, HeldKey held) {
            switch (this) {
                case RENEW -> world.service.renew(held);
                case UNLOCK -> world.service.unlock(held);
                case ADVANCE -> world.service.update(held, StageOutcome.advanceTo(World.TAXED));
                case RESPOND -> world.service.update(held, World.respond());
                case WORK_STAGE -> world.service.workStage(held, world.inserting("a", World.respond()));
                default -> throw new IllegalStateException("a holder's change is expected");
            }
        }

        /** The key is as the action leaves it, made once. */
        void assertDone(World world) {
            KeyState state = world.state();
            boolean anew = from == State.ABSENT || from == State.EXPIRED;
            long attempts = anew ? 0 : 3;
            switch (this) {
                case CREATE, CREATE_ANEW, INITIALIZE -> assertThat(state).isInstanceOf(KeyState.Open.class);
                case UNLOCK -> {
                    attempts++;
                    assertThat(state).isInstanceOf(KeyState.Open.class);
                }
                case RESPOND, WORK_STAGE -> {
                    attempts++;
                    assertThat(state).isInstanceOf(KeyState.Finished.class);
                }
                default -> {
                    attempts++;
                    assertThat(state).isInstanceOf(KeyState.Locked.class);
                }
            }
            assertThat(world.key().attempts()).isEqualTo(attempts);
            assertThat(world.key().recoveryPoint())
                    .isEqualTo(
                            this == ADVANCE
                                    ? World.TAXED
                                    : state instanceof KeyState.Finished
                                            ? RecoveryPoint.FINISHED
                                            : RecoveryPoint.STARTED);
            assertThat(world.read("a").isPresent()).isEqualTo(this == WORK_STAGE);
        }
    }

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
    @MethodSource("actionsWithPassingFaults")
    void aFaultThatPassesIsNotNoticedAndTheChangeIsMadeOnce(Action action, Fault fault) throws Throwable {
        World world = new World();
        ThrowingCallable act = action.prepare(world);
        world.store.lateChangesLandAfter(action == Action.WORK_STAGE ? Call.FIND : action.write, 1);
        world.store.next(action.write, fault);

        act.call();

        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource
    void transientFailuresOfAWriteAreRetriedAfterAPause(Action action) throws Throwable {
        World world = new World();
        ThrowingCallable act = action.prepare(world);
        world.store.next(action.write, Fault.TRANSIENT, Fault.TRANSIENT, Fault.TRANSIENT);

        act.call();

        assertThat(world.pauses()).hasSize(3);
        assertThat(world.store.count(action.write)).isEqualTo(4);
        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource
    void aWriteIsTriedOnlySoManyTimes(Action action) {
        World world = new World();
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
    void aStoreThatIsDownIsToldAndNothingIsChanged(Action action) {
        World world = new World();
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
    void aStoreWhoseTimeCanNotBeReadIsToldAndNothingIsChanged(Action action) {
        World world = new World();
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.always(Call.TIME, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(act);

        assertThat(world.find()).isEqualTo(before);
        assertThat(world.read("a")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_ANEW", "CLAIM_OPEN", "CLAIM_TAKEOVER", "CLAIM_ANEW", "LOCK"})
    void aKeyThatCanNotBeReadIsNotTakenForAbsent(Action action) {
        World world = new World();
        ThrowingCallable act = action.prepare(world);
        Optional<StoredKey> before = world.find();
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(act);

        assertThat(world.store.count(Call.REPLACE)).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_ANEW", "CLAIM_OPEN", "CLAIM_TAKEOVER", "CLAIM_ANEW", "LOCK"})
    void aReadIsTriedAgain(Action action) throws Throwable {
        World world = new World();
        ThrowingCallable act = action.prepare(world);
        world.store.next(Call.FIND, Fault.TRANSIENT, Fault.LOST, Fault.UNTRANSLATED);

        act.call();

        action.assertDone(world);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "WORK_STAGE")
    void aRowThatATransactionHoldsIsLocked(Action action) {
        World world = new World();
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
    void aFullStoreIsToldAndKeepsNothingOfTheKey(Action action) {
        World world = new World();
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
    void answersThatStayLostAreAnUnknownOutcome(Action action) {
        World world = new World();
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
    void aChangeThatCanNotBeLookedForIsAnUnknownOutcome(Action action) {
        World world = new World();
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
    @MethodSource("actionsWithCrashes")
    void aCrashLeavesAKeyThatTheNextRequestBringsToItsEnd(Action action, Fault crash) {
        World world = new World();
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
        if (!isReplay(claim)) {
            world.other.workStage(claimed(claim), world.inserting("a", World.respond()));
            assertThat(world.read("a")).contains("written");
        }
        assertThat(isReplay(world.other.claim(world.id, World.REQUEST))).isTrue();
    }
}
