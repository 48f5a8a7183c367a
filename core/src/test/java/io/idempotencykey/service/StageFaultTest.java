package io.idempotencykey.service;

import static io.idempotencykey.service.StageTest.failing;
import static io.idempotencykey.service.World.claimed;
import static io.idempotencykey.service.World.isReplay;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One stage that the store rolls back, or whose answer is lost: run again, and resolved when unknown. */
class StageFaultTest {
    // Rule 4: transient failures.

    @ParameterizedTest
    @ValueSource(ints = {1, 2, World.MAX_TRIES - 1})
    void aStageIsRunAgainAfterTransientFailures(int failures) {
        World world = new World();
        HeldKey held = world.hold();
        IntStream.range(0, failures).forEach(i -> world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT));

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.stageRuns()).isEqualTo(failures + 1);
        assertThat(world.pauses()).hasSize(failures);
        assertThat(world.read("a")).contains("written");
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    void theKeyIsReadBeforeEveryRun() {
        World world = new World();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT, Fault.TRANSIENT);
        world.store.forget();

        world.service.workStage(held, world.inserting("a", World.respond()));

        assertThat(world.store.calls())
                .containsExactly(Call.COMMIT_STAGE, Call.FIND, Call.COMMIT_STAGE, Call.FIND, Call.COMMIT_STAGE);
    }

    @Test
    void aStageThatWasTakenOverIsNotRunAgain() {
        World world = new World();
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
    void transientFailuresThatDoNotEndExhaustTheTries() {
        World world = new World();
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
    void triesWaitLongerAndLongerUpToABound() {
        World world = new World();
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
    void noTryBeginsPastTheLease() {
        World world = new World();
        IdempotencyKeyService<List<String>> patient = world.builder(world.store)
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
    void aStageThatMayOrMayNotHaveCommittedIsCommittedOnce(Fault fault) {
        World world = new World();
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
    void aCommitThatLandsAfterItWasLookedForIsTheOutcome(int looks) {
        World world = new World();
        HeldKey held = world.hold();
        world.store.lateChangesLandAfter(Call.FIND, looks);
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);

        StageResult result = world.service.workStage(held, numbered(world));

        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(body(World.response(result))).isEqualTo(1);
        assertThat(world.read("run 1")).contains("written");
        assertThat(world.read("run 2")).isEmpty();
        assertThat(world.key()).isEqualTo(finishedKey(result));
        assertThat(world.store.count(Call.COMMIT_STAGE)).isEqualTo(looks);
    }

    /** It has given up by then, and finds it when it gives the key back. */
    @Test
    void aCommitThatLandsWhenTheTriesAreUsedUpIsTheOutcome() {
        World world = new World();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);
        world.store.always(Call.COMMIT_STAGE, Fault.TRANSIENT);
        world.store.lateChangesLandAfter(Call.TIME, Integer.MAX_VALUE);
        world.store.before(Call.REPLACE, world.store::land);

        StageResult result = world.service.workStage(held, numbered(world));

        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(world.store.count(Call.COMMIT_STAGE)).isEqualTo(World.MAX_TRIES);
        assertThat(body(World.response(result))).isEqualTo(1);
        assertThat(world.key()).isEqualTo(finishedKey(result));
    }

    /** The application's answer to its exception is no response: that ends the attempt, as the exception would. */
    @Test
    void aCommitThatLandsWhenAnAnswerIsTooLongIsTheOutcome() {
        World world = new World();
        AtomicInteger runs = new AtomicInteger();
        Operation<List<String>> operation = world.service
                .operation("op")
                .staged()
                .answering(IllegalStateException.class, e -> Response.of(404, new byte[1024 * 1024 + 1]))
                .respond(RecoveryPoint.STARTED, stage -> {
                    if (runs.incrementAndGet() == 2) {
                        throw new IllegalStateException("there is a row 'a'");
                    }
                    world.insert(stage, "a");
                    return World.RESPONSE;
                })
                .build();
        world.store.next(Call.COMMIT_STAGE, Fault.LATE);
        world.store.lateChangesLandAfter(Call.TIME, Integer.MAX_VALUE);
        world.store.before(Call.REPLACE, world.store::land);

        Execution execution = world.service.run(operation, world.id, World.REQUEST);

        assertThat(runs).hasValue(2);
        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(execution.response()).isEqualTo(World.RESPONSE);
        assertThat(execution.key()).isEqualTo(world.key());
    }

    @Test
    void aDuplicateOfItsOwnEarlierInsertIsNotReportedButTheEarlierOutcome() {
        World world = new World();
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
    void anErrorOfTheReRunIsReportedOnceTheLateCommitCanNotLandAnyMore() {
        World world = new World();
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
    void anUnknownCommitThatCanNotBeLookedForStaysUnknownAndALaterRequestSettlesIt() {
        for (Fault fault : List.of(Fault.MADE_BUT_UNANSWERED, Fault.LOST)) {
            World world = new World();
            HeldKey held = world.hold();
            world.store.next(Call.COMMIT_STAGE, fault);
            world.store.next(Call.FIND, Fault.UNAVAILABLE);

            assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                    .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())))
                    .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(503))
                    .satisfies(e -> assertThat(e.retryAfter()).isPresent());

            world.pass(World.LEASE);
            Claim claim = world.service.claim(world.id, World.REQUEST);
            assertThat(isReplay(claim)).isEqualTo(fault == Fault.MADE_BUT_UNANSWERED);
            if (!isReplay(claim)) {
                world.service.workStage(claimed(claim), world.inserting("a", World.respond()));
            }
            assertThat(world.read("a")).contains("written");
        }
    }

    @Test
    void aTransientFailureAfterWhichTheKeyCanNotBeReadIsNoUnknownOutcome() {
        World world = new World();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("a", World.respond())));

        assertThat(world.read("a")).isEmpty();
        assertThat(world.key()).isEqualTo(held.key());
    }

    /** It may have committed, and the other worker may have gone on from there: so nobody says that it is stale. */
    @ParameterizedTest
    @EnumSource(names = {"MADE_BUT_UNANSWERED", "LOST"})
    void anUnknownCommitAfterWhichAnotherWorkerCameStaysUnknown(Fault fault) {
        World world = new World();
        List<KeyEvent> events = new ArrayList<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, fault);
        world.store.before(Call.FIND, () -> takeOver(world));

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))))
                .satisfies(e -> assertThat(e.retryAfter()).isPresent())
                .havingCause()
                .withMessageContaining("UNKNOWN");

        assertThat(world.read("a").isPresent()).isEqualTo(fault == Fault.MADE_BUT_UNANSWERED);
        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
        assertThat(events).doesNotHaveAnyElementsOfTypes(KeyEvent.FencedOff.class);
    }

    /** A committed response would still stand there, and a commit that lands later is fenced off. */
    @Test
    void anUnknownCommitOfAResponseAfterWhichAnotherWorkerCameIsStale() {
        World world = new World();
        HeldKey held = world.hold();
        world.store.next(Call.COMMIT_STAGE, Fault.LOST);
        world.store.before(Call.FIND, () -> takeOver(world));

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() ->
                        world.service.workStage(held, world.inserting("a", StageOutcome.respond(World.RESPONSE))));

        assertThat(world.read("a")).isEmpty();
        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }

    @ParameterizedTest
    @EnumSource(names = {"TRANSIENT", "NONE", "LOST"})
    void theFirstLostAnswerIsTheCauseWhateverTheNextTryMeets(Fault next) {
        World world = new World();
        HeldKey held = world.hold();
        StoreFailure first = new StoreFailure(StoreFailure.Kind.UNKNOWN, "the first", null);
        AtomicInteger runs = new AtomicInteger();
        IdempotencyKeyService<List<String>> service = world.builder(new MapKeyStore() {
                    @Override
                    public StageCommit commitStage(
                            StoredKey held,
                            Isolation isolation,
                            Duration lease,
                            Function<List<String>, StoredProgress> work) {
                        if (runs.incrementAndGet() == 1) {
                            return StageCommit.unknown(first);
                        }
                        takeOver(world);
                        return world.store.commitStage(held, isolation, lease, work);
                    }

                    @Override
                    public Optional<StoredKey> find(KeyId id) {
                        return world.find();
                    }
                })
                .build();
        world.store.next(Call.COMMIT_STAGE, next);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> service.workStage(held, world.inserting("a", StageOutcome.advanceTo(World.TAXED))))
                .withCause(first);

        assertThat(runs).hasValue(2);
    }

    /** What keeps the key from being read says that nothing was changed, and that isn't known. */
    @ParameterizedTest
    @EnumSource(
            value = StoreFailure.Kind.class,
            names = {"UNREADABLE", "REFUSED", "UNAVAILABLE"})
    void anUnknownCommitStaysUnknownWhateverKeepsTheKeyFromBeingRead(StoreFailure.Kind kind) {
        StoreFailure lost = new StoreFailure(StoreFailure.Kind.UNKNOWN, "lost", null);
        StoreFailure unread = new StoreFailure(kind, "unread", null);
        World world = new World();
        for (boolean isStaged : new boolean[] {true, false}) {
            AtomicBoolean readable = new AtomicBoolean(true);
            IdempotencyKeyService<List<String>> service = world.builder(new MapKeyStore() {
                        @Override
                        public Optional<StoredKey> find(KeyId id) {
                            if (readable.get()) {
                                return super.find(id);
                            }
                            throw unread;
                        }

                        @Override
                        public StageCommit commitStage(
                                StoredKey held,
                                Isolation isolation,
                                Duration lease,
                                Function<List<String>, StoredProgress> work) {
                            readable.set(false);
                            return StageCommit.unknown(lost);
                        }

                        @Override
                        public StageCommit commitSingle(
                                StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
                            readable.set(false);
                            return StageCommit.unknown(lost);
                        }
                    })
                    .build();
            Operation.Builder<List<String>> operation =
                    service.operation("op").respond(RecoveryPoint.STARTED, stage -> World.RESPONSE);

            Throwable told = catchThrowable(
                    () -> service.run((isStaged ? operation.staged() : operation).build(), world.id, World.REQUEST));

            assertThat(told)
                    .isInstanceOf(IdempotencyException.OutcomeUnknown.class)
                    .hasCause(lost);
            assertThat(StoreFailure.chain(told)).contains(unread);
        }
    }

    private static void takeOver(World world) {
        world.pass(World.LEASE);
        world.other.lock(world.id);
    }

    @Test
    void aStageThatFailsWhileTheStoreIsDownThrowsItsOwnErrorAndItsLeaseRunsOut() {
        World world = new World();
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

    @ParameterizedTest
    @EnumSource
    void aTransactionThatTheStoreDoesNotBeginIsToldAsTheStoresTroubleAndTheKeyIsGivenBack(StoreFailure.Kind kind) {
        World world = new World();
        StoreFailure failure = new StoreFailure(kind, "no transaction", null);
        MapKeyStore store = new MapKeyStore() {
            @Override
            public StageCommit commitStage(
                    StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
                return StageCommit.rolledBack(failure);
            }
        };
        IdempotencyKeyService<List<String>> service = world.builder(store).build();
        service.create(world.id.scope(), world.id.value(), World.REQUEST);

        Throwable told = catchThrowable(() ->
                service.workStage(service.lock(world.id), world.inserting("a", StageOutcome.respond(World.RESPONSE))));

        assertThat(told).isExactlyInstanceOf(World.toldOf(kind)).hasCause(failure);
        assertThat(service.retrieve(world.id).state()).isInstanceOf(KeyState.Open.class);
    }

    /** Else the rows that a vanished worker has written would be held for as long as the clock went back. */
    @Test
    void aStagesTransactionMayLiveForALeaseThoughTheClockWasSetBack() {
        World world = new World();
        HeldKey held = world.hold();
        world.pass(Duration.ofHours(-1));

        world.builder(world.store).build().workStage(held, world.inserting("a", World.respond()));

        assertThat(world.store.lease()).isEqualTo(World.LEASE);
    }

    /** A stage whose runs can be told apart. */
    private WorkStage<List<String>> numbered(World world) {
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

    @ParameterizedTest
    @EnumSource(names = {"UNAVAILABLE", "BUSY", "LOST"})
    void aFailureIsNotReportedWhileAnEarlierCommitMayStillLand(Fault release) {
        World world = new World();
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
