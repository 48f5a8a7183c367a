package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Requests of one stage in one transaction, with a fault at every call of the store: what the caller is told, and what
 * is stored.
 */
class SingleFaultTest {
    private static final Response NO_SUCH_CART = Response.of(404, "text/plain", "there is no such cart");
    private static final int NEVER = 1_000;

    private final World world = new World();
    private final AtomicInteger runs = new AtomicInteger();

    @AfterEach
    void endInterruption() {
        boolean unused = Thread.interrupted();
    }

    /** What the second run and those after it do. */
    @FunctionalInterface
    private interface ReRun {
        Response run() throws Exception;
    }

    /** Runs that can be told apart: each writes a row of its own, and answers with its number. */
    private Response numbered(StageContext<List<String>> stage) {
        int run = runs.incrementAndGet();
        world.insert(stage, "run " + run);
        return response(run);
    }

    private static Response response(int run) {
        return Response.of(200, "text/plain", Integer.toString(run));
    }

    private Operation.Builder<List<String>> numbered() {
        return world.service.operation(NAME).respond(STARTED, this::numbered);
    }

    /** The first run writes and answers; the others do something else. */
    private Operation.Builder<List<String>> then(ReRun reRun) {
        return world.service
                .operation(NAME)
                .respond(STARTED, stage -> runs.get() == 0 ? numbered(stage) : again(reRun));
    }

    private Response again(ReRun reRun) throws Exception {
        runs.incrementAndGet();
        return reRun.run();
    }

    private Operation.Builder<List<String>> failing(Throwable failure) {
        return world.service.operation(NAME).respond(STARTED, stage -> {
            world.insert(stage, "run " + runs.incrementAndGet());
            throw World.<RuntimeException>asItIs(failure);
        });
    }

    private Operation.Builder<List<String>> notFound() {
        return failing(new IOException("gone")).answering(IOException.class, e -> NO_SUCH_CART);
    }

    private Execution run(Operation.Builder<List<String>> operation) {
        return world.service.run(operation.build(), world.id, REQUEST);
    }

    private void assertOnlyRunCommitted(int run) {
        for (int i = 1; i <= World.MAX_TRIES; i++) {
            assertThat(world.read("run " + i).isPresent()).as("run %d", i).isEqualTo(i == run);
        }
        assertThat(((KeyState.Finished) world.state()).response()).isEqualTo(response(run));
    }

    private void assertNothingIsStored() {
        assertThat(world.find()).isEmpty();
        for (int i = 1; i <= World.MAX_TRIES; i++) {
            assertThat(world.read("run " + i)).as("run %d", i).isEmpty();
        }
    }

    /** The next caller gets the answer of the run, or runs itself if there is none. */
    private void assertNextCallGets(boolean replayed, int run) {
        Execution next = run(numbered());

        assertThat(next.replayed()).isEqualTo(replayed);
        assertThat(next.response()).isEqualTo(response(run));
        assertOnlyRunCommitted(run);
    }

    // The transaction

    @ParameterizedTest
    @CsvSource({
        "TRANSIENT, 2",
        "LOST, 2",
        "UNTRANSLATED, 2",
        "MADE_BUT_UNANSWERED, 1",
        // Nothing was run.
        "UNAVAILABLE, 1",
        "BUSY, 1",
        "BUSY_BUT_MADE, 1",
        "FULL, 1"
    })
    void aFaultThatPassesIsNotNoticedAndOneRunIsCommitted(Fault fault, int committed) {
        world.store.next(Call.COMMIT_SINGLE, fault);

        Execution execution = run(numbered());

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(response(committed));
        assertThat(execution.key()).isEqualTo(world.key());
        assertOnlyRunCommitted(committed);
        assertThat(world.pauses()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, World.MAX_TRIES - 1})
    void theKeyIsReadBeforeEveryRun(int failures) {
        for (int i = 0; i < failures; i++) {
            world.store.next(Call.COMMIT_SINGLE, i % 2 == 0 ? Fault.TRANSIENT : Fault.LOST);
        }

        Execution execution = run(numbered());

        assertThat(execution.response()).isEqualTo(response(failures + 1));
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(failures + 1);
        assertThat(world.store.count(Call.FIND)).isEqualTo(failures);
        assertThat(world.pauses()).hasSize(failures);
        assertOnlyRunCommitted(failures + 1);
    }

    @Test
    void transientFailuresThatDoNotEndExhaustTheTriesAndNothingIsKept() {
        world.store.always(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> run(numbered()))
                .satisfies(e -> assertThat(e.tries()).isEqualTo(World.MAX_TRIES))
                .havingCause()
                .withMessageContaining("TRANSIENT");

        assertThat(runs).hasValue(World.MAX_TRIES);
        assertNothingIsStored();
    }

    @ParameterizedTest
    @EnumSource(names = {"LOST", "UNTRANSLATED", "UNAVAILABLE", "BUSY", "FULL"})
    void answersThatStayLostAreAnUnknownOutcomeThatTheNextCallSettles(Fault fault) {
        world.store.always(Call.COMMIT_SINGLE, fault);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class).isThrownBy(() -> run(numbered()));

        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(World.MAX_TRIES);
        assertNothingIsStored();
        world.store.always(Call.COMMIT_SINGLE, Fault.NONE);
        assertNextCallGets(false, runs.get() + 1);
    }

    @ParameterizedTest
    @EnumSource(names = {"CRASH_BEFORE", "CRASH_AFTER"})
    void aCrashLeavesAllOrNothing(Fault crash) {
        world.store.next(Call.COMMIT_SINGLE, crash);

        assertThatExceptionOfType(Crash.class).isThrownBy(() -> run(numbered()));

        assertThat(world.find().isPresent()).isEqualTo(crash == Fault.CRASH_AFTER);
        assertNextCallGets(crash == Fault.CRASH_AFTER, crash == Fault.CRASH_AFTER ? 1 : 2);
    }

    /** It may have been committed, have expired and be reaped since; a call doesn't do anew what it has done. */
    @Test
    void noTryBeginsWhenWhatAnEarlierOneCommittedMayHaveExpired() {
        Duration lease = World.TIME_TO_LIVE.plusHours(1);
        IdempotencyKeyService<List<String>> slow =
                world.builder(world.store).lease(lease).build();
        world.store.next(Call.COMMIT_SINGLE, Fault.MADE_BUT_UNANSWERED);
        world.store.before(Call.FIND, () -> {
            world.pass(World.TIME_TO_LIVE);
            assertThat(world.store.deleteExpired(world.now(), 1)).isEqualTo(1);
        });

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> slow.run(numbered().build(), world.id, REQUEST));

        assertThat(runs).hasValue(1);
        assertThat(world.read("run 1")).isPresent();
    }

    @Test
    void noTryBeginsPastTheLease() {
        IdempotencyKeyService<List<String>> patient = world.builder(world.store)
                .lease(Duration.ofMillis(1))
                .pauses(Duration.ofMinutes(1), Duration.ofMinutes(1))
                .build();
        world.store.always(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                .isThrownBy(() -> patient.run(numbered().build(), world.id, REQUEST))
                .satisfies(e -> assertThat(e.tries()).isEqualTo(1));

        assertThat(runs).hasValue(1);
        assertThat(world.pauses()).isEmpty();
        assertNothingIsStored();
    }

    @Test
    void aLaterTrysTransactionMayLiveForTheRestOfTheLease() {
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);
        Duration work = Duration.ofSeconds(10);
        Operation.Builder<List<String>> operation = world.service
                .operation(NAME)
                .respond(STARTED, stage -> {
                    world.pass(work);
                    return RESPONSE;
                });

        run(operation);

        assertThat(world.store.lease())
                .isEqualTo(World.LEASE.minus(work).minus(world.pauses().get(0)));
    }

    @Test
    void theLeaseBeginsWhenTheWaitingForAnotherWorkerEnds() {
        world.take();
        world.store.before(Call.COMMIT_SINGLE, () -> {});
        world.store.before(Call.COMMIT_SINGLE, world::release);

        world.service.run(numbered().build(), world.id, REQUEST, Duration.ofMinutes(1));

        assertThat(world.pauses()).hasSize(1);
        assertThat(world.store.lease()).isEqualTo(World.LEASE);
    }

    /** A thread that is told to stop begins no other try, and yet finds out what became of this one. */
    @ParameterizedTest
    @EnumSource(names = {"TRANSIENT", "LOST", "MADE_BUT_UNANSWERED"})
    void aThreadThatIsInterruptedBetweenTriesEndsTheCall(Fault fault) {
        world.stopping = true;
        world.store.next(Call.COMMIT_SINGLE, fault);

        Throwable thrown = catchThrowable(() -> run(numbered()));

        assertThat(Thread.interrupted()).isTrue();
        assertThat(runs).hasValue(1);
        switch (fault) {
            case TRANSIENT -> assertThat(thrown).isInstanceOf(IdempotencyException.RetriesExhausted.class);
            case LOST -> assertThat(thrown).isInstanceOf(IdempotencyException.OutcomeUnknown.class);
            default -> {
                assertThat(thrown).isNull();
                assertOnlyRunCommitted(1);
            }
        }
    }

    // Commits that land late

    /** The transaction still holds the key, so that the next tries wait their turn until it has ended. */
    @ParameterizedTest
    @CsvSource({
        "FIND, 1, 2", "FIND, 2, 3", "FIND, 3, 4",
        "COMMIT_SINGLE, 2, 2", "COMMIT_SINGLE, 3, 3", "COMMIT_SINGLE, 4, 4"
    })
    void aCommitThatLandsLateIsTheOutcome(Call call, int lands, int tries) {
        world.store.lateChangesLandAfter(call, lands);
        world.store.next(Call.COMMIT_SINGLE, Fault.LATE);

        Execution execution = run(numbered());

        assertThat(world.store.landed()).containsExactly(StageCommit.committed());
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(tries);
        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(response(1));
        assertThat(execution.key()).isEqualTo(world.key());
        assertThat(runs).hasValue(1);
        assertOnlyRunCommitted(1);
    }

    /** Not finding a key says nothing as long as the former transaction may still commit. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aTransactionThatStaysOpenIsAnUnknownOutcomeThatLaterCallsSettle(boolean lands) {
        world.store.lateChangesLandAfter(Call.COMMIT_SINGLE, NEVER);
        world.store.next(Call.COMMIT_SINGLE, Fault.LATE);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> world.service.run(numbered().build(), world.id, REQUEST, Duration.ofMinutes(1)))
                .satisfies(e -> assertThat(e.getSuppressed()[0]).hasMessage("another transaction holds the key"))
                .havingCause()
                .withMessageContaining("UNKNOWN");

        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(World.MAX_TRIES);
        assertNothingIsStored();
        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> run(numbered()));
        if (lands) {
            world.store.land();
        } else {
            world.release();
        }
        assertNextCallGets(lands, lands ? 1 : 2);
    }

    @Test
    void aTransactionThatEndsWithoutACommitLetsTheNextTryRun() {
        world.store.lateChangesLandAfter(Call.COMMIT_SINGLE, NEVER);
        world.store.next(Call.COMMIT_SINGLE, Fault.LATE, Fault.NONE);
        world.store.before(Call.COMMIT_SINGLE, world::release);

        Execution execution = run(numbered());

        assertThat(execution.response()).isEqualTo(response(2));
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(3);
        assertOnlyRunCommitted(2);
    }

    /** As where a connection was lost before the commit, and the server hasn't noticed yet. */
    @Test
    void aReRunThatMeetsItsOwnTransactionThatCanNotCommitAnyMoreWaitsItsTurn() {
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);
        world.store.before(Call.COMMIT_SINGLE, world::take);
        world.store.before(Call.COMMIT_SINGLE, world::release);

        assertThat(run(numbered()).response()).isEqualTo(response(2));

        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(3);
        assertOnlyRunCommitted(2);
    }

    @Test
    void aReRunThatWaitsItsTurnFindsWhatAnotherWorkerHasFinishedMeanwhile() {
        Operation<List<String>> elsewhere =
                world.other.operation(NAME).respond(STARTED, stage -> RESPONSE).build();
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);
        world.store.before(Call.COMMIT_SINGLE, world::take);
        world.store.before(Call.FIND, () -> {});
        world.store.before(Call.FIND, () -> {
            world.release();
            world.other.run(elsewhere, world.id, REQUEST);
        });

        Execution execution = run(numbered());

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(RESPONSE);
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(2);
    }

    /** A try that began held the key, so that every earlier one has ended; it may hold the key still itself. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aKeyThatIsHeldAfterALaterTryBeganIsWaitedForWithinTheBounds(boolean waits) {
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST, Fault.TRANSIENT);
        world.store.before(Call.COMMIT_SINGLE, world::take);
        if (waits) {
            world.store.before(Call.COMMIT_SINGLE, world::release);
            assertThat(world.service
                            .run(numbered().build(), world.id, REQUEST, Duration.ofMinutes(1))
                            .response())
                    .isEqualTo(response(3));
        } else {
            assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class)
                    .isThrownBy(() -> run(numbered()));
            assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(World.MAX_TRIES);
            assertNothingIsStored();
        }
    }

    @Test
    void aLostAnswerIsSettledByALaterTryThatIsRolledBackForCertain() {
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST);
        world.store.always(Call.COMMIT_SINGLE, Fault.TRANSIENT);

        assertThatExceptionOfType(IdempotencyException.RetriesExhausted.class).isThrownBy(() -> run(numbered()));

        assertNothingIsStored();
    }

    @Test
    void aThirdTryCommitsThoughTheFirstOnesAnswerWasLost() {
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST, Fault.TRANSIENT);

        assertThat(run(numbered()).response()).isEqualTo(response(3));

        assertOnlyRunCommitted(3);
    }

    @Test
    void aThirdTrysLostAnswerIsFound() {
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST, Fault.LOST, Fault.MADE_BUT_UNANSWERED);

        assertThat(run(numbered()).response()).isEqualTo(response(3));

        assertOnlyRunCommitted(3);
    }

    /** The store looks for the key before it takes it; in between, the former transaction commits and lets go of it. */
    private void theFirstCommitLandsWhenTheKeyWasLookedForAgain() {
        world.store.lateChangesLandAfter(Call.COMMIT_SINGLE, NEVER);
        world.store.next(Call.COMMIT_SINGLE, Fault.LATE);
        world.store.before(Call.COMMIT_SINGLE, () -> world.afterNextLook(world.store::land));
    }

    @Test
    void everyProposedRevisionIsRememberedAndNotOnlyTheLatest() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();

        Execution execution = run(numbered());

        assertThat(runs).hasValue(2);
        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(response(1));
        assertThat(execution.key()).isEqualTo(world.key());
        assertOnlyRunCommitted(1);
    }

    @Test
    void aDuplicateOfItsOwnEarlierInsertIsNotReportedButTheEarlierOutcome() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();

        Execution execution = run(then(() -> {
            throw new IllegalStateException("there is a row 'run 1'");
        }));

        assertThat(runs).hasValue(2);
        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(response(1));
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(2);
        assertOnlyRunCommitted(1);
    }

    @Test
    void aLateCommitWinsOverAnAnswer() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();

        Execution execution = run(then(() -> {
                    throw new IOException("there is a row 'run 1'");
                })
                .answering(IOException.class, e -> NO_SUCH_CART));

        assertThat(runs).hasValue(2);
        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(response(1));
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(2);
        assertOnlyRunCommitted(1);
    }

    @Test
    void aLateCommitWinsOverAnAnswerThatIsTooLong() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();

        Execution execution = run(then(() -> {
                    throw new IOException("there is a row 'run 1'");
                })
                .answering(IOException.class, e -> Response.of(404, new byte[1024 * 1024 + 1])));

        assertThat(runs).hasValue(2);
        assertThat(execution.response()).isEqualTo(response(1));
        assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(2);
        assertOnlyRunCommitted(1);
    }

    @Test
    void aLateCommitWinsOverAResponseThatIsTooLarge() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();

        Execution execution = run(then(() -> Response.of(200, new byte[1024 * 1024 + 1])));

        assertThat(execution.response()).isEqualTo(response(1));
        assertOnlyRunCommitted(1);
    }

    @Test
    void whatAReRunThrowsIsReportedOnceItIsKnownThatNothingWasCommitted() {
        IllegalStateException thrown = new IllegalStateException("thrown by the second run");
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST);

        assertThat(catchThrowable(() -> run(then(() -> {
                    throw thrown;
                }))))
                .isSameAs(thrown)
                .hasNoSuppressedExceptions();

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.FIND, Call.COMMIT_SINGLE, Call.FIND);
        assertNothingIsStored();
    }

    /** It says of another store what this library's own would say of the key's. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAReRunThrowsIsReportedAsItIsEvenIfItIsAnExceptionOfTheLibrary(boolean full) {
        IdempotencyException thrown = full
                ? new IdempotencyException.StoreFull(world.id("another"), null)
                : new IdempotencyException.StoreUnavailable(world.id("another"), null);
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST);

        assertThat(catchThrowable(() -> run(then(() -> {
                    throw thrown;
                }))))
                .isSameAs(thrown);
    }

    // The look

    @ParameterizedTest
    @EnumSource(names = {"TRANSIENT", "LOST", "UNTRANSLATED", "BUSY", "FULL"})
    void aLookIsTriedAgain(Fault fault) {
        world.store.next(Call.COMMIT_SINGLE, Fault.MADE_BUT_UNANSWERED);
        world.store.next(Call.FIND, fault, fault);

        assertThat(run(numbered()).response()).isEqualTo(response(1));

        assertThat(world.store.count(Call.FIND)).isEqualTo(3);
        assertOnlyRunCommitted(1);
    }

    @Test
    void aTryThatWasRolledBackAndAfterWhichTheKeyCanNotBeReadIsNoUnknownOutcome() {
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> run(numbered()))
                .satisfies(e -> assertThat(e.getSuppressed())
                        .extracting(Throwable::getMessage)
                        .containsExactly("injected: TRANSIENT"));

        assertNothingIsStored();
    }

    @ParameterizedTest
    @EnumSource(names = {"LOST", "MADE_BUT_UNANSWERED"})
    void aCommitThatCanNotBeLookedForIsAnUnknownOutcomeThatTheNextCallSettles(Fault fault) {
        world.store.next(Call.COMMIT_SINGLE, fault);
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class).isThrownBy(() -> run(numbered()));

        boolean made = fault == Fault.MADE_BUT_UNANSWERED;
        assertNextCallGets(made, made ? 1 : 2);
    }

    @Test
    void aStageThatFailsWhileTheStoreIsDownThrowsItsOwnError() {
        IllegalStateException thrown = new IllegalStateException("its own");
        world.store.always(Call.FIND, Fault.UNAVAILABLE);

        assertThat(catchThrowable(() -> run(failing(thrown))))
                .isSameAs(thrown)
                .satisfies(e -> assertThat(e.getSuppressed())
                        .hasSize(1)
                        .hasOnlyElementsOfType(IdempotencyException.StoreUnavailable.class));

        assertNothingIsStored();
    }

    @Test
    void aFailureIsNotReportedAsLongAsAnEarlierCommitCanNotBeLookedFor() {
        theFirstCommitLandsWhenTheKeyWasLookedForAgain();
        world.store.next(Call.FIND, Fault.NONE, Fault.UNAVAILABLE);
        IllegalStateException thrown = new IllegalStateException("there is a row 'run 1'");

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> run(then(() -> {
                    throw thrown;
                })))
                .satisfies(e -> assertThat(StoreFailure.chain(e)).contains(thrown));

        assertNextCallGets(true, 1);
    }

    // What keeps a transaction from beginning, as adapters tell it

    private final Queue<StageCommit> told = new ArrayDeque<>();
    private final MapKeyStore telling = new MapKeyStore() {
        @Override
        public StageCommit commitSingle(
                StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            StageCommit next = told.poll();
            return next == null ? super.commitSingle(taking, isolation, lease, stage) : next;
        }
    };

    private Throwable thrownAfter(StageCommit... ends) {
        told.addAll(List.of(ends));
        IdempotencyKeyService<List<String>> service = world.builder(telling).build();
        Operation<List<String>> operation = service.operation(NAME)
                .respond(STARTED, this::numbered)
                .answering(Exception.class, e -> NO_SUCH_CART)
                .build();
        Throwable thrown = catchThrowable(() -> service.run(operation, world.id, REQUEST));
        assertThat(telling.keys).isEmpty();
        assertThat(runs).hasValue(0);
        assertThat(told).isEmpty();
        return thrown;
    }

    private static StoreFailure failure(StoreFailure.Kind kind) {
        return new StoreFailure(kind, "told: " + kind, null);
    }

    @ParameterizedTest
    @EnumSource
    void aTransactionThatTheStoreDoesNotBeginIsToldAsTheStoresTrouble(StoreFailure.Kind kind) {
        Throwable thrown = thrownAfter(StageCommit.rolledBack(failure(kind)));

        assertThat(thrown).isExactlyInstanceOf(World.toldOf(kind)).cause().hasMessage("told: " + kind);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatElseKeepsATransactionFromBeginningIsThrownAsItIsAndNoAnswer(boolean isError) {
        Throwable thrown = isError ? new AssertionError("no transaction") : new IllegalStateException("no transaction");

        assertThat(thrownAfter(StageCommit.rolledBack(thrown))).isSameAs(thrown);
    }

    @ParameterizedTest
    @EnumSource(names = {"FULL", "UNAVAILABLE", "UNREADABLE", "REFUSED"})
    void aTransactionThatDoesNotBeginAfterALostAnswerIsAnUnknownOutcome(StoreFailure.Kind kind) {
        assertThat(thrownAfter(
                        StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN)), StageCommit.rolledBack(failure(kind))))
                .isInstanceOf(IdempotencyException.OutcomeUnknown.class)
                .satisfies(e -> assertThat(StoreFailure.chain(e))
                        .anyMatch(cause -> ("told: " + kind).equals(cause.getMessage())));
    }

    @Test
    void whatElseKeepsATransactionFromBeginningAfterALostAnswerIsAnUnknownOutcome() {
        IllegalStateException thrown = new IllegalStateException("no transaction");

        assertThat(thrownAfter(StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN)), StageCommit.rolledBack(thrown)))
                .isInstanceOf(IdempotencyException.OutcomeUnknown.class)
                .hasSuppressedException(thrown)
                .cause()
                .hasMessage("told: UNKNOWN");
    }

    // A stage that has committed its transaction behind the library's back

    /** Keeps what the stage and its key have written by then, and tells what it is told of its end. */
    private final MapKeyStore kept = new MapKeyStore() {
        @Override
        public StageCommit commitSingle(
                StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            StageCommit next = told.poll();
            if (next == null) {
                return super.commitSingle(taking, isolation, lease, stage);
            }
            var unused = stage.work(rows);
            keys.put(taking.id(), taking);
            return next;
        }
    };

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStageThatHasCommittedItsTakenKeyFailsOnceAndGivesTheKeyBack(boolean isTransient) {
        IllegalStateException thrown = new IllegalStateException("conflict");
        told.add(isTransient ? StageCommit.transientlyRolledBack(thrown) : StageCommit.rolledBack(thrown));
        IdempotencyKeyService<List<String>> service = world.builder(kept).build();
        Operation<List<String>> operation = numbered().build();

        assertThat(catchThrowable(() -> service.run(operation, world.id, REQUEST)))
                .isSameAs(thrown);

        assertThat(runs).hasValue(1);
        assertThat(service.retrieve(world.id).state()).isInstanceOf(KeyState.Failed.class);
        assertThat(service.run(operation, world.id, REQUEST).response()).isEqualTo(response(2));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anAnswerToAStageThatHasCommittedItsTakenKeyIsStored(boolean isTransient) {
        IllegalStateException thrown = new IllegalStateException("conflict");
        told.add(isTransient ? StageCommit.transientlyRolledBack(thrown) : StageCommit.rolledBack(thrown));
        IdempotencyKeyService<List<String>> service = world.builder(kept).build();
        Operation<List<String>> operation =
                numbered().answering(Exception.class, e -> NO_SUCH_CART).build();

        assertThat(service.run(operation, world.id, REQUEST).response()).isEqualTo(NO_SUCH_CART);

        assertThat(runs).hasValue(1);
        assertThat(service.run(operation, world.id, REQUEST).replayed()).isTrue();
    }

    /** A bounded store may have no room when the key is written, after the work. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStoreThatHasNoRoomForTheKeyIsToldAsSuchAndNothingIsKept(boolean afterALostAnswer) {
        MapKeyStore full = new MapKeyStore() {
            @Override
            public StageCommit commitSingle(
                    StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
                var unused = stage.work(new ArrayList<>());
                return afterALostAnswer && runs.get() == 1
                        ? StageCommit.unknown(failure(StoreFailure.Kind.UNKNOWN))
                        : StageCommit.rolledBack(failure(StoreFailure.Kind.FULL));
            }
        };
        IdempotencyKeyService<List<String>> service = world.builder(full).build();

        assertThatExceptionOfType(IdempotencyException.StoreFull.class)
                .isThrownBy(() -> service.run(numbered().build(), world.id, REQUEST))
                .havingCause()
                .withMessage("told: FULL");

        assertThat(full.keys).isEmpty();
    }

    @Test
    void aStoreWhoseTimeCanNotBeReadIsToldAndNothingIsRun() {
        world.store.always(Call.TIME, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(() -> run(numbered()));

        assertThat(world.store.calls()).isEmpty();
        assertThat(runs).hasValue(0);
    }

    @ParameterizedTest
    @EnumSource(names = {"TRANSIENT", "LOST", "UNTRANSLATED", "BUSY", "MADE_BUT_UNANSWERED"})
    void theTimeIsReadAgain(Fault fault) {
        world.store.next(Call.TIME, fault);

        assertThat(run(numbered()).response()).isEqualTo(response(1));
    }

    /** Only liveness depends on the time. */
    @Test
    void aTimeThatCanNotBeReadAnewIsCarriedOn() {
        run(numbered());
        world.pass(World.TIME_TO_LIVE);
        world.store.always(Call.TIME, Fault.UNAVAILABLE);

        Execution execution = run(numbered());

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.key().createdAt()).isEqualTo(world.millis());
    }

    // Answers

    @ParameterizedTest
    @EnumSource(names = {"TRANSIENT", "LOST", "MADE_BUT_UNANSWERED", "UNTRANSLATED", "LATE", "BUSY_BUT_MADE"})
    void aFaultThatPassesAtTheWriteOfAnAnswerIsNotNoticed(Fault fault) {
        for (State state : List.of(State.ABSENT, State.EXPIRED, State.FAILED_EXPIRED)) {
            World world = new World();
            Call write = state == State.ABSENT ? Call.INSERT : Call.REPLACE;
            world.put(state, NAME, STARTED);
            world.store.lateChangesLandAfter(write, 1);
            world.store.next(write, fault);
            Operation<List<String>> operation = world.service
                    .operation(NAME)
                    .respond(STARTED, stage -> {
                        world.insert(stage, "order");
                        throw new IOException("gone");
                    })
                    .answering(IOException.class, e -> NO_SUCH_CART)
                    .build();

            Execution execution = world.service.run(operation, world.id, REQUEST);

            assertThat(execution.replayed()).isFalse();
            assertThat(execution.response()).isEqualTo(NO_SUCH_CART);
            assertThat(execution.key()).isEqualTo(world.key());
            assertThat(world.read("order")).isEmpty();
            assertThat(world.store.count(Call.COMMIT_SINGLE)).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "INSERT, UNAVAILABLE, StoreUnavailable",
        "INSERT, TRANSIENT, StoreUnavailable",
        "INSERT, FULL, StoreFull",
        "INSERT, BUSY, Locked",
        "INSERT, LOST, OutcomeUnknown",
        "REPLACE, UNAVAILABLE, StoreUnavailable",
        "REPLACE, TRANSIENT, StoreUnavailable",
        "REPLACE, BUSY, Locked",
        "REPLACE, LOST, OutcomeUnknown"
    })
    void anAnswerThatCanNotBeStoredIsNotGiven(Call write, Fault fault, String told) {
        world.put(write == Call.INSERT ? State.ABSENT : State.EXPIRED, NAME, STARTED);
        Optional<StoredKey> before = world.find();
        world.store.always(write, fault);

        Throwable thrown = catchThrowable(() -> run(notFound()));

        assertThat(thrown).isInstanceOf(IdempotencyException.class);
        assertThat(thrown.getClass().getSimpleName()).isEqualTo(told);
        assertThat(thrown.getSuppressed()).hasAtLeastOneElementOfType(IOException.class);
        assertThat(world.find()).isEqualTo(before);
        assertThat(runs).hasValue(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"CRASH_BEFORE", "CRASH_AFTER"})
    void aCrashAroundAnAnswerLeavesItOrNothing(Fault crash) {
        world.store.next(Call.INSERT, crash);

        assertThatExceptionOfType(Crash.class).isThrownBy(() -> run(notFound()));

        Execution next = run(notFound());
        assertThat(next.replayed()).isEqualTo(crash == Fault.CRASH_AFTER);
        assertThat(next.response()).isEqualTo(NO_SUCH_CART);
    }

    @Test
    void anAnswerThatMayHaveBeenStoredAndCanNotBeLookedForIsAnUnknownOutcomeThatTheNextCallSettles() {
        world.store.next(Call.INSERT, Fault.MADE_BUT_UNANSWERED);
        world.store.next(Call.FIND, Fault.UNAVAILABLE);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class).isThrownBy(() -> run(notFound()));

        assertThat(run(notFound()).replayed()).isTrue();
    }

    /** What holds the row may be the try whose answer was lost, or not; nobody can tell. */
    @ParameterizedTest
    @EnumSource(names = {"UNAVAILABLE", "FULL", "BUSY"})
    void anAnswerThatCanNotBeStoredAfterALostCommitIsAnUnknownOutcome(Fault fault) {
        world.store.next(Call.COMMIT_SINGLE, Fault.LOST);
        world.store.always(Call.INSERT, fault);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> run(then(() -> {
                            throw new IOException("gone");
                        })
                        .answering(IOException.class, e -> NO_SUCH_CART)));

        assertNothingIsStored();
    }

    /** Between the rollback and the write of the answer, another worker may take the key. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoWaitsAlsoWaitsForAWorkerThatMeetsItsAnswer(boolean finishes) {
        world.store.next(Call.INSERT, Fault.BUSY);
        Operation<List<String>> elsewhere =
                world.other.operation(NAME).respond(STARTED, stage -> RESPONSE).build();
        world.store.before(Call.COMMIT_SINGLE, () -> {});
        world.store.before(Call.COMMIT_SINGLE, () -> {
            if (finishes) {
                world.other.run(elsewhere, world.id, REQUEST);
            }
        });

        Execution execution = world.service.run(notFound().build(), world.id, REQUEST, Duration.ofMinutes(1));

        assertThat(execution.replayed()).isEqualTo(finishes);
        assertThat(execution.response()).isEqualTo(finishes ? RESPONSE : NO_SUCH_CART);
        assertThat(world.pauses()).hasSize(1);
        assertThat(world.store.lease()).isEqualTo(World.LEASE);
    }
}
