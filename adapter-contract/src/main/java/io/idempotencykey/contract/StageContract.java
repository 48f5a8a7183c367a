package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import io.idempotencykey.service.WorkStage;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * One stage: committed together with its key, rolled back with it, fenced off, run again, and resolved when unknown.
 */
interface StageContract<T> extends StoreFixture<T> {
    @Test
    default void aStageThatAdvancesCommitsWithTheKeyAndHoldsItForTheNextStage() {
        World<T> world = new World<>(this);
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(3));

        HeldKey next =
                World.held(world.service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key()).isEqualTo(next.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(3), World.START.plusSeconds(33)));
        assertThat(next.key().attempts()).isEqualTo(4);
        assertThat(next.key().failedAttempts()).isZero();
        assertThat(next.key().lastError()).isEmpty();
        assertThat(world.stageRuns()).isEqualTo(1);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#responses")
    default void aStageThatRespondsFinishesTheKeyAndTheReplayIsTheSame(Response response) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.pass(Duration.ofSeconds(3));

        StageResult result = world.service.workStage(held, world.inserting("a", StageOutcome.respond(response)));

        assertThat(World.response(result)).isEqualTo(response);
        assertThat(world.read("a")).contains("written");
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(
                        response,
                        World.START.plusSeconds(3),
                        World.START.plusSeconds(3).plus(World.TIME_TO_LIVE)));
        Response replayed = ((Claim.Replay) world.other.claim(world.id, World.REQUEST)).response();
        assertThat(replayed.status()).isEqualTo(response.status());
        assertThat(replayed.headers().toString()).isEqualTo(response.headers().toString());
        assertThat(replayed.body()).isEqualTo(response.body());
    }

    @Test
    default void aStageSeesItsKeyAndItsRequest() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        world.service.workStage(held, stage -> {
            assertThat(stage.key()).isEqualTo(held.key());
            assertThat(stage.request()).isEqualTo(World.REQUEST);
            return World.respond();
        });

        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    default void othersSeeNothingOfAStageBeforeItsCommit() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        world.service.workStage(held, stage -> {
            world.insert(stage, "a");
            assertThat(read(stage.transaction(), world.row("a"))).contains("written");
            assertThat(Threads.elsewhere(() -> world.read("a"))).isEmpty();
            assertThat(Threads.elsewhere(() -> world.other.retrieve(world.id))).isEqualTo(held.key());
            return World.respond();
        });

        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void aStageThatThrowsLeavesNothingBehindAndGivesTheKeyBack() {
        World<T> world = new World<>(this);
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(3));
        IllegalStateException thrown = new IllegalStateException("no such cart");

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    world.insert(stage, "a");
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(World.TAXED, World.START.plusSeconds(3)));
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.key().failedAttempts()).isEqualTo(2);
        assertThat(world.key().lastError()).isEqualTo("java.lang.IllegalStateException: no such cart");
        assertThat(world.other.lock(world.id).recoveryPoint()).isEqualTo(World.TAXED);
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.PortContract#thrown")
    default void whateverAStageThrowsReachesTheCallerAsItIs(Throwable thrown) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    throw World.<RuntimeException>asItIs(thrown);
                }))
                .isSameAs(thrown);

        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    /** Text that some stores can't keep, in the place where nobody looks after it. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "a\u0000b",
                "a\nb\tc\u0085",
                "half a pair: \ud83d",
                "\ud83d\ude00",
                "'; drop table keys; --",
            })
    default void whateverAStagesErrorSaysTheKeyIsGivenBack(String message) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        for (String text : List.of(message, message + "x".repeat(100_000), "x".repeat(968) + message)) {
            IllegalStateException thrown = new IllegalStateException(text);
            HeldKey mine = text.equals(message) ? held : world.service.lock(world.id);
            assertThatThrownBy(() -> world.service.workStage(mine, stage -> {
                        throw thrown;
                    }))
                    .isSameAs(thrown)
                    .hasNoSuppressedExceptions();
        }

        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
        assertThat(world.key().lastError())
                .startsWith("java.lang.IllegalStateException")
                .hasSizeLessThan(1_001);
        assertThat(world.key().failedAttempts()).isEqualTo(3);
    }

    @Test
    default void failedAttemptsAreCountedSinceTheLastCommittedStage() {
        World<T> world = new World<>(this);
        HeldKey first = world.hold();
        assertThatThrownBy(() -> world.service.workStage(first, failing("1"))).hasMessage("1");
        HeldKey second = world.service.lock(world.id);
        assertThatThrownBy(() -> world.service.workStage(second, failing("2"))).hasMessage("2");
        assertThat(world.key().failedAttempts()).isEqualTo(2);
        assertThat(world.key().lastError()).endsWith(": 2");

        HeldKey third = World.held(world.service.workStage(
                world.service.lock(world.id), world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.key().failedAttempts()).isZero();
        assertThatThrownBy(() -> world.service.workStage(third, failing("3"))).hasMessage("3");

        assertThat(world.key().failedAttempts()).isEqualTo(1);
        assertThat(world.key().attempts()).isEqualTo(3);
    }

    @Test
    default void aStageThatReturnsNothingIsRolledBackAndTold() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        assertThatExceptionOfType(NullPointerException.class)
                .isThrownBy(() -> world.service.workStage(held, returningNull(world)))
                .withMessageContaining("returned null");

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    @SuppressWarnings("NullAway") // As a caller does that has no such checks.
    private WorkStage<T> returningNull(World<T> world) {
        return stage -> {
            world.insert(stage, "a");
            return null;
        };
    }

    @Test
    default void aResponseAtTheLimitIsStored() {
        World<T> world = new World<>(this);
        Response longest = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES]);

        world.service.workStage(world.hold(), world.inserting("a", StageOutcome.respond(longest)));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    default void aResponseOneByteOverTheLimitRollsTheStageBack() {
        World<T> world = new World<>(this);
        Response tooLong = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]);
        HeldKey held = world.hold();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", StageOutcome.respond(tooLong))))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(500));

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    @Test
    default void aStageWhoseLeaseRanOutBeforeItCommitsWhileNobodyTookOver() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.pass(World.LEASE.multipliedBy(2));

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    default void aStageWhoseLeaseRunsOutMeanwhileCommitsWhileNobodyTookOver() {
        World<T> world = new World<>(this);

        world.service.workStage(world.hold(), stage -> {
            world.insert(stage, "a");
            world.pass(World.LEASE.multipliedBy(2));
            return World.respond();
        });

        assertThat(world.read("a")).contains("written");
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }

    @Test
    default void aZombieThatWakesAfterATakeoverIsFencedOff() {
        World<T> world = new World<>(this);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.insert(stage, "zombie");
                    world.pass(World.LEASE);
                    Threads.elsewhere(() ->
                            world.other.workStage(world.other.lock(world.id), world.inserting("a", World.respond())));
                    return StageOutcome.respond(Response.of(500, new byte[0]));
                }));

        assertThat(world.read("zombie")).isEmpty();
        assertThat(world.read("a")).contains("written");
        assertThat(World.isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @Test
    default void aZombieThatFailsAfterATakeoverDoesNotReleaseTheKeyOfAnother() {
        World<T> world = new World<>(this);
        IllegalStateException thrown = new IllegalStateException("thrown by the zombie");

        assertThatThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.lock(world.id));
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(
                        RecoveryPoint.STARTED,
                        World.START.plus(World.LEASE),
                        World.START.plus(World.LEASE.multipliedBy(3))));
        assertThat(world.key().failedAttempts()).isZero();
    }

    @Test
    default void aZombieOfAKeyThatWasCreatedAnewIsFencedOff() {
        World<T> world = new World<>(this);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(world.hold(), stage -> {
                    world.insert(stage, "zombie");
                    world.pass(World.LEASE);
                    Threads.elsewhere(() -> world.other.update(world.other.lock(world.id), World.respond()));
                    world.pass(World.TIME_TO_LIVE);
                    Threads.elsewhere(() -> world.other.claim(world.id, World.OTHER_REQUEST));
                    return World.respond();
                }));

        assertThat(world.read("zombie")).isEmpty();
        assertThat(world.key().request()).isEqualTo(World.OTHER_REQUEST);
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
    }

    @Test
    default void anIsolationThatTheStoreDoesNotHaveIsRefusedBeforeAnythingRuns() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.allow(EnumSet.of(Isolation.READ_COMMITTED));
        world.store.forget();

        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        world.service.workStage(held, Isolation.SERIALIZABLE, world.inserting("a", World.respond())))
                .withMessageContaining("SERIALIZABLE");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> world.builder(world.store).isolation(Isolation.SNAPSHOT));

        assertThat(world.store.calls()).isEmpty();
        assertThat(world.stageRuns()).isZero();
        assertThat(world.key()).isEqualTo(held.key());
    }

    @Test
    default void aStageHasTheStrongestIsolationUnlessItAsksForAnother() {
        World<T> world = new World<>(this);
        Isolation weakest = Collections.min(store().isolations());

        HeldKey next = World.held(
                world.service.workStage(world.hold(), world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.store.isolation()).isEqualTo(Collections.max(store().isolations()));
        world.service.workStage(next, weakest, world.inserting("b", World.respond()));

        assertThat(world.store.isolation()).isEqualTo(weakest);
        assertThat(world.read("b")).contains("written");
    }

    @Test
    default void aTransactionMayLiveAsLongAsTheLeaseAndAtLeastASecond() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.pass(Duration.ofSeconds(20));

        HeldKey next =
                World.held(world.service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))));
        assertThat(world.store.lease()).isEqualTo(Duration.ofSeconds(10));
        world.pass(World.LEASE.multipliedBy(2));
        world.service.workStage(next, world.inserting("b", World.respond()));

        assertThat(world.store.lease()).isEqualTo(Duration.ofSeconds(1));
    }

    // Rule 4: transient failures.

    @ParameterizedTest
    @ValueSource(ints = {1, 2, World.MAX_TRIES - 1})
    default void aStageIsRunAgainAfterTransientFailures(int failures) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        IntStream.range(0, failures).forEach(i -> world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT));

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.stageRuns()).isEqualTo(failures + 1);
        assertThat(world.pauses()).hasSize(failures);
        assertThat(world.read("a")).contains("written");
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    default void theKeyIsReadBeforeEveryRun() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT, Fault.TRANSIENT);
        world.store.forget();

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.store.calls())
                .containsExactly(Call.COMMIT_STAGE, Call.FIND, Call.COMMIT_STAGE, Call.FIND, Call.COMMIT_STAGE);
    }

    @Test
    default void aStageThatWasTakenOverIsNotRunAgain() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);
        world.store.before(Call.FIND, () -> {
            world.pass(World.LEASE);
            world.other.lock(world.id);
        });

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())));

        assertThat(world.stageRuns()).isEqualTo(1);
        assertThat(world.read("a")).isEmpty();
    }

    @Test
    default void transientFailuresThatDoNotEndExhaustTheTries() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())))
                .satisfies(e -> assertThat(e.tries()).isEqualTo(World.MAX_TRIES))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503))
                .satisfies(e -> assertThat(e.retryAfter()).isPresent())
                .withMessageContaining("transient")
                .havingCause()
                .withMessageContaining("TRANSIENT");

        assertThat(world.stageRuns()).isEqualTo(World.MAX_TRIES);
        assertThat(world.read("a")).isEmpty();
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(2);
    }

    @Test
    default void triesWaitLongerAndLongerUpToABound() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())));

        List<Duration> bounds = List.of(Duration.ofMillis(8), Duration.ofMillis(16), Duration.ofMillis(20));
        assertThat(world.pauses()).hasSameSizeAs(bounds);
        for (int i = 0; i < bounds.size(); i++) {
            assertThat(world.pauses().get(i)).isBetween(Duration.ZERO, bounds.get(i));
        }
    }

    @Test
    default void noTryBeginsPastTheLease() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> patient = world.builder(world.store)
                .lease(Duration.ofMillis(1))
                .pauses(Duration.ofMinutes(1), Duration.ofMinutes(1))
                .build();
        patient.create(world.scope, world.id.value(), World.REQUEST);
        HeldKey held = patient.lock(world.id);
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> patient.workStage(held, world.inserting("a", World.respond())))
                .satisfies(e -> assertThat(e.tries()).isEqualTo(1));

        assertThat(world.stageRuns()).isEqualTo(1);
        assertThat(world.pauses()).isEmpty();
        assertThat(world.state()).isEqualTo(new KeyState.Open(RecoveryPoint.STARTED, World.START));
    }

    // Rule 5: commits whose answer is lost.

    @ParameterizedTest
    @EnumSource(names = {"MADE_BUT_UNANSWERED", "LOST", "UNTRANSLATED", "TRANSIENT", "UNAVAILABLE", "BUSY"})
    default void aStageThatMayOrMayNotHaveCommittedIsCommittedOnce(Fault fault) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, fault);

        StageResult result = world.service.workStage(held, numbered(world));

        int committedRun =
                fault == Fault.MADE_BUT_UNANSWERED || fault == Fault.UNAVAILABLE || fault == Fault.BUSY ? 1 : 2;
        assertThat(body(World.response(result))).isEqualTo(committedRun);
        assertThat(world.read("run " + committedRun)).contains("written");
        assertThat(world.read("run " + (3 - committedRun))).isEmpty();
        assertThat(world.key()).isEqualTo(finishedKey(result));
    }

    /** The commit lands after the first look, or after the second, when the stage is about to run again. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    default void aCommitThatLandsAfterItWasLookedForIsTheOutcome(int looks) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.lateChangesLandAfter(Call.FIND, looks);
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);

        StageResult result = world.service.workStage(held, numbered(world));

        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(body(World.response(result))).isEqualTo(1);
        assertThat(world.read("run 1")).contains("written");
        assertThat(world.read("run 2")).isEmpty();
        assertThat(world.key()).isEqualTo(finishedKey(result));
    }

    @Test
    default void aDuplicateOfItsOwnEarlierInsertIsNotReportedButTheEarlierOutcome() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.lateChangesLandAfter(Call.FIND, 2);
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);

        StageResult result = world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(world.stageRuns()).isEqualTo(2);
        assertThat(World.response(result)).isEqualTo(World.RESPONSE);
        assertThat(world.key()).isEqualTo(finishedKey(result));
    }

    @Test
    default void anErrorOfTheReRunIsReportedOnceTheLateCommitCanNotLandAnyMore() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.lateChangesLandAfter(Call.REPLACE, 1);
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);
        AtomicInteger runs = new AtomicInteger();
        IllegalStateException thrown = new IllegalStateException("thrown by the second run");

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    if (runs.incrementAndGet() == 2) {
                        throw thrown;
                    }
                    world.insert(stage, "a");
                    return World.respond();
                }))
                .isSameAs(thrown);

        assertThat(world.store.landed()).hasSize(1).doesNotContain(StageCommit.committed());
        assertThat(world.read("a")).isEmpty();
        assertThat(world.key().state().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(2);
    }

    @Test
    default void anUnknownCommitThatCanNotBeLookedForStaysUnknownAndALaterRequestSettlesIt() {
        for (Fault fault : List.of(Fault.MADE_BUT_UNANSWERED, Fault.LOST)) {
            World<T> world = new World<>(this);
            HeldKey held = world.hold();
            world.store.next(Call.COMMIT_STAGE, fault);
            world.store.next(Call.FIND, Fault.UNAVAILABLE);

            assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                    .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())))
                    .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503))
                    .satisfies(e -> assertThat(e.retryAfter()).isPresent());

            world.pass(World.LEASE);
            Claim claim = world.service.claim(world.id, World.REQUEST);
            assertThat(World.isReplay(claim)).isEqualTo(fault == Fault.MADE_BUT_UNANSWERED);
            if (!World.isReplay(claim)) {
                world.service.workStage(World.claimed(claim), world.inserting("a", World.respond()));
            }
            assertThat(world.read("a")).contains("written");
        }
    }

    @Test
    default void aTransientFailureAfterWhichTheKeyCanNotBeReadIsNoUnknownOutcome() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())));

        assertThat(world.read("a")).isEmpty();
        assertThat(world.key()).isEqualTo(held.key());
    }

    @Test
    default void anUnknownCommitAfterWhichAnotherWorkerCameIsStale() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.LOST);
        world.store.before(Call.FIND, () -> {
            world.pass(World.LEASE);
            world.other.lock(world.id);
        });

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())))
                .havingCause()
                .withMessageContaining("UNKNOWN");

        assertThat(world.read("a")).isEmpty();
    }

    @Test
    default void aStageThatFailsWhileTheStoreIsDownThrowsItsOwnErrorAndItsLeaseRunsOut() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.always(Call.REPLACE, Fault.UNAVAILABLE);

        assertThatThrownBy(() -> world.service.workStage(held, failing("its own")))
                .hasMessage("its own")
                .satisfies(e -> assertThat(e.getSuppressed())
                        .hasSize(1)
                        .hasOnlyElementsOfType(IdempotencyException.StoreUnavailable.class));

        assertThat(world.key()).isEqualTo(held.key());
        world.pass(World.LEASE);
        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(2);
    }

    @Test
    default void aSwallowedDatabaseErrorNeverMovesTheKeyWithoutTheStagesWrites() {
        World<T> world = new World<>(this);
        HeldKey first = World.held(
                world.service.workStage(world.hold(), world.inserting("taken", StageOutcome.advanceTo(World.TAXED))));
        StoredKey before = world.stored();
        boolean moved;
        try {
            world.service.workStage(first, stage -> {
                world.insert(stage, "a");
                try {
                    world.insert(stage, "taken");
                } catch (RuntimeException swallowed) {
                    assertThat(swallowed).isNotNull();
                }
                return World.respond();
            });
            moved = true;
        } catch (RuntimeException doomed) {
            moved = false;
        }

        assertThat(world.read("a").isPresent()).isEqualTo(moved);
        assertThat(world.key().recoveryPoint()).isEqualTo(moved ? RecoveryPoint.FINISHED : World.TAXED);
        assertThat(world.stored().revision()).isNotEqualTo(before.revision());
        assertThat(World.isInFlight(world.other.claim(world.id, World.REQUEST))).isFalse();
    }

    /** A stage whose runs can be told apart. */
    private WorkStage<T> numbered(World<T> world) {
        AtomicInteger runs = new AtomicInteger();
        return stage -> {
            int run = runs.incrementAndGet();
            world.insert(stage, "run " + run);
            return StageOutcome.respond(Response.of(200, "text/plain", Integer.toString(run)));
        };
    }

    private static int body(Response response) {
        return Integer.parseInt(new String(response.body(), StandardCharsets.UTF_8));
    }

    private static IdempotencyKey finishedKey(StageResult result) {
        return ((StageResult.Finished) result).key();
    }

    private static <T> WorkStage<T> failing(String message) {
        return stage -> {
            throw new IllegalStateException(message);
        };
    }
}
