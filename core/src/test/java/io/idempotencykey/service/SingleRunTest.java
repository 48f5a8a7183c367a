package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.World.OTHER_REQUEST;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests of one stage in one transaction: what each finds of its key, and what it leaves, where nothing goes wrong. */
class SingleRunTest {
    private static final Response FROM_ELSEWHERE = Response.of(201, "text/plain", "by another worker");

    private final World world = new World();

    @AfterEach
    void endInterruption() {
        boolean unused = Thread.interrupted();
    }

    private Operation.Builder<List<String>> inserting() {
        return world.service.operation(NAME).branch(STARTED, world.inserting("order", World.respond()));
    }

    private Operation.Builder<List<String>> responding(WorkStage.Answer<List<String>, Response> answer) {
        return world.service.operation(NAME).respond(STARTED, answer);
    }

    private Execution run() {
        return world.service.run(inserting().build(), world.id, REQUEST);
    }

    /** As another worker does that knows the operation stage by stage. */
    private HeldKey claimElsewhere(Request request) {
        return World.claimed(world.other.claim(
                world.other
                        .operation(NAME)
                        .staged()
                        .respond(STARTED, stage -> FROM_ELSEWHERE)
                        .build(),
                world.id,
                request));
    }

    private void finishElsewhere() {
        world.other.update(claimElsewhere(REQUEST), StageOutcome.respond(FROM_ELSEWHERE));
    }

    private void assertNothingIsStored() {
        assertThat(world.find()).isEmpty();
        assertThat(world.read("order")).isEmpty();
    }

    // Every state of the key

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void aRequestWithoutAKeyRunsAndStoresItsKeyFinished(State state) {
        Optional<StoredKey> before = world.put(state, NAME, STARTED);

        Execution execution = run();

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(RESPONSE);
        assertThat(execution.key()).isEqualTo(world.key());
        assertThat(world.read("order")).contains("written");
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(
                        RESPONSE, world.millis(), world.millis().plus(World.TIME_TO_LIVE)));
        assertThat(world.key().attempts()).isZero();
        assertThat(world.key().failedAttempts()).isZero();
        assertThat(world.key().lastError()).isEmpty();
        assertThat(world.key().operation()).isEqualTo(NAME);
        assertThat(world.key().fingerprint()).isEqualTo(Fingerprint.of(NAME, REQUEST));
        assertThat(world.key().createdAt()).isEqualTo(world.millis());
        before.ifPresent(expired -> {
            assertThat(world.stored().revision()).isNotEqualTo(expired.revision());
            assertThat(world.key().creationId()).isNotEqualTo(expired.key().creationId());
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void anotherRequestMayHaveAKeyThatIsAbsentOrExpired(State state) {
        world.put(state, NAME, STARTED);

        world.service.run(inserting().build(), world.id, OTHER_REQUEST);

        assertThat(world.key().request()).isEqualTo(OTHER_REQUEST);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LEASE_OVER"})
    void anUnfinishedKeyIsBroughtOnStageByStage(State state) {
        world.put(state, NAME, STARTED);

        Execution execution = run();

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.key().attempts()).isEqualTo(4);
        assertThat(world.store.calls())
                .containsExactly(Call.COMMIT_SINGLE, Call.INSERT, Call.FIND, Call.REPLACE, Call.COMMIT_STAGE);
        assertThat(world.stageRuns()).isEqualTo(1);
        assertThat(world.read("order")).contains("written");
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    void aFinishedKeyIsReplayed() {
        Optional<StoredKey> before = world.put(State.FINISHED, NAME, STARTED);

        Execution execution = run();

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(RESPONSE);
        assertThat(execution.key()).isEqualTo(world.key());
        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(names = {"LOCKED", "QUARANTINED"})
    void aKeyThatNobodyMayTakeIsRefusedAndLeftAsItIs(State state) {
        Optional<StoredKey> before = world.put(state, NAME, STARTED);

        assertThat(catchThrowable(this::run))
                .isInstanceOf(
                        state == State.LOCKED
                                ? IdempotencyException.Locked.class
                                : IdempotencyException.Quarantined.class);

        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void anotherRequestIsRefusedInEveryStateBeforeAnythingRuns(State state) {
        Optional<StoredKey> before = world.put(state, NAME, STARTED);

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(inserting().build(), world.id, OTHER_REQUEST));

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void aKeyOfAnotherOperationIsRefusedInEveryState(State state) {
        Optional<StoredKey> before = world.put(state, "another", STARTED);

        assertThatExceptionOfType(IdempotencyException.Mismatch.class).isThrownBy(this::run);

        assertThat(world.find()).isEqualTo(before);
    }

    // Operations that change their shape

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "LEASE_OVER"})
    void aRecoveryPointOfFormerStagesIsRefusedAndLeftAsItIs(State state) {
        Optional<StoredKey> before = world.put(state, NAME, World.UNKNOWN_POINT);

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(this::run);

        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).isEqualTo(before);
    }

    @Test
    void anOperationThatWasStagedFinishesWhatItHadBegun() {
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_BEFORE);
        assertThatExceptionOfType(Crash.class)
                .isThrownBy(() -> world.service.run(inserting().staged().build(), world.id, REQUEST));
        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(this::run);
        world.pass(World.LEASE);

        Execution execution = run();

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.key().attempts()).isEqualTo(2);
        assertThat(world.read("order")).contains("written");
    }

    @Test
    void anOperationThatIsStagedNowReplaysWhatItHasFinished() {
        run();
        Optional<StoredKey> before = world.find();

        Execution execution = world.service.run(inserting().staged().build(), world.id, REQUEST);

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(RESPONSE);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6})
    void anOperationThatNeedsItsKeyBeforeItsStageIsStaged(int which) {
        List<Operation.Builder<List<String>>> staged = List.of(
                inserting().staged(),
                inserting().completeAfterFailure(),
                inserting().resumableWithoutParameters(),
                inserting().maxAttempts(3),
                inserting().backoff(Duration.ofSeconds(1), Duration.ofSeconds(2)),
                world.service.operation(NAME).respond(STARTED, key -> "a call", (stage, input) -> RESPONSE),
                world.service
                        .operation(NAME)
                        .stage(STARTED, stage -> {})
                        .branch(World.TAXED, world.inserting("order", World.respond())));

        world.service.run(staged.get(which).build(), world.id, REQUEST);

        assertThat(world.store.calls()).contains(Call.INSERT).doesNotContain(Call.COMMIT_SINGLE);
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    void anOperationThatOnlyChoosesOptionsOfOneStageIsNotStaged() {
        Operation<List<String>> operation = inserting()
                .lease(Duration.ofSeconds(5))
                .longestLease(Duration.ofSeconds(50))
                .leaveToClientAfterFailure()
                .isolation(Isolation.READ_COMMITTED)
                .redact(parameters -> Map.of())
                .answering(IOException.class, e -> RESPONSE)
                .build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
    }

    // What comes between the look and the write

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void aKeyThatIsStoredWhileTheStageRunsIsItsAnswer(State state) {
        world.put(state, NAME, STARTED);
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    finishElsewhere();
                    return RESPONSE;
                })
                .build();

        Execution execution = world.service.run(operation, world.id, REQUEST);

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(FROM_ELSEWHERE);
        assertThat(world.read("order")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void aKeyThatIsLockedWhileTheStageRunsIsInFlight(State state) {
        world.put(state, NAME, STARTED);
        List<HeldKey> held = new ArrayList<>();
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    held.add(claimElsewhere(REQUEST));
                    return RESPONSE;
                })
                .build();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));

        assertThat(held).hasSize(1);
        assertThat(world.key()).isEqualTo(held.get(0).key());
        assertThat(world.read("order")).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anotherRequestThatTakesTheKeyWhileTheStageRunsIsAMismatch(boolean fails) {
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    claimElsewhere(OTHER_REQUEST);
                    if (fails) {
                        throw new IOException("a duplicate, for all it knows");
                    }
                    return RESPONSE;
                })
                .build();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));

        assertThat(world.key().request()).isEqualTo(OTHER_REQUEST);
        assertThat(world.read("order")).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"EXPIRED", "FAILED_EXPIRED"})
    void anExpiredKeyThatIsReapedWhileTheStageRunsIsInsertedByTheNextTry(State state) {
        world.put(state, NAME, STARTED);
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    new Reaper(world.other).runOnce();
                    return RESPONSE;
                })
                .build();

        Execution execution = world.service.run(operation, world.id, REQUEST);

        assertThat(execution.replayed()).isFalse();
        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.FIND, Call.COMMIT_SINGLE);
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
        assertThat(world.read("order")).contains("written");
    }

    @Test
    void aKeyThatIsFinishedAfterTheLookAndBeforeItIsTakenIsReplayed() {
        world.afterNextLook(this::finishElsewhere);

        Execution execution = run();

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(FROM_ELSEWHERE);
        assertThat(world.read("order")).isEmpty();
    }

    @Test
    void aDuplicateOfWhatAnotherWorkerCommittedIsNotReportedButItsAnswer() {
        Operation<List<String>> operation = responding(stage -> {
                    finishElsewhere();
                    throw new IOException("a duplicate of what the other worker wrote, for all it knows");
                })
                .build();

        Execution execution = world.service.run(operation, world.id, REQUEST);

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(FROM_ELSEWHERE);
    }

    @Test
    void aKeyIsInFlightAsLongAsItsStageRunsAndNothingOfItIsSeen() {
        List<Throwable> elsewhere = new ArrayList<>();
        Operation<List<String>> same =
                world.other.operation(NAME).respond(STARTED, stage -> RESPONSE).build();
        Operation<List<String>> operation = responding(stage -> {
                    elsewhere.add(catchThrowable(() -> world.other.run(same, world.id, REQUEST)));
                    elsewhere.add(catchThrowable(() -> world.other.retrieve(world.id)));
                    return RESPONSE;
                })
                .build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(elsewhere)
                .hasExactlyElementsOfTypes(IdempotencyException.Locked.class, IdempotencyException.NotFound.class);
        assertThat(world.other.run(same, world.id, REQUEST).replayed()).isTrue();
    }

    // What the stage is given, and what it may not do

    @Test
    void theStageSeesTheKeyAsItWillBeStored() {
        List<IdempotencyKey> seen = new ArrayList<>();

        Execution execution = world.service.once(NAME, world.id, REQUEST, stage -> {
            seen.add(stage.key());
            return RESPONSE;
        });

        assertThat(seen).hasSize(1);
        IdempotencyKey key = seen.get(0);
        assertThat(key.creation()).isEqualTo(world.key().creation());
        assertThat(key.attempts()).isZero();
        assertThat(key.state())
                .isEqualTo(new KeyState.Locked(
                        STARTED, world.millis(), world.millis().plus(World.LEASE)));
        assertThat(execution.key().creation()).isEqualTo(key.creation());
    }

    @Test
    void aDerivedKeyIsRefusedInASingleStageSinceARetryWouldDeriveAnother() {
        Operation.Builder<List<String>> charging =
                responding(stage -> Response.of(200, "text/plain", stage.key().derivedKey("charge")));

        assertThat(catchThrowable(() -> world.service.run(charging.build(), world.id, REQUEST)))
                .isExactlyInstanceOf(IllegalStateException.class)
                .hasMessageContaining("'charge'")
                .hasMessageContaining("staged()");
        assertNothingIsStored();

        Execution staged = world.service.run(charging.staged().build(), world.id, REQUEST);
        assertThat(new String(staged.response().body(), StandardCharsets.UTF_8))
                .isEqualTo(world.key().derivedKey("charge"));
    }

    @Test
    void aSingleStageThatAdvancesIsRefusedAndNothingIsKept() {
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, world.inserting("order", StageOutcome.advanceTo(World.TAXED)))
                .build();

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST))
                .withMessageContaining("advanced to '" + World.TAXED + "'");

        assertNothingIsStored();
    }

    @Test
    void aResponseThatIsTooLargeIsRefusedAndNothingIsKept() {
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    return Response.of(200, new byte[1024 * 1024 + 1]);
                })
                .answering(Exception.class, e -> RESPONSE)
                .build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));

        assertNothingIsStored();
    }

    @Test
    void theIsolationIsTheStagesOrItsOperationsOrItsServices() {
        IdempotencyKeyService<List<String>> lesser =
                world.builder(world.store).isolation(Isolation.READ_COMMITTED).build();

        assertThat(isolationOf(world.service, operation -> {})).isEqualTo(Isolation.SERIALIZABLE);
        assertThat(isolationOf(lesser, operation -> {})).isEqualTo(Isolation.READ_COMMITTED);
        assertThat(isolationOf(lesser, operation -> operation.isolation(Isolation.SERIALIZABLE)))
                .isEqualTo(Isolation.SERIALIZABLE);
        assertThat(isolationOf(
                        world.service,
                        operation -> operation.isolation(Isolation.SERIALIZABLE),
                        StageOption.isolation(Isolation.READ_COMMITTED)))
                .isEqualTo(Isolation.READ_COMMITTED);
    }

    private @Nullable Isolation isolationOf(
            IdempotencyKeyService<List<String>> service,
            Consumer<Operation.Builder<List<String>>> declaration,
            StageOption... options) {
        Operation.Builder<List<String>> operation =
                service.operation(NAME).respond(STARTED, stage -> RESPONSE, options);
        declaration.accept(operation);
        service.run(operation.build(), new KeyId(world.scope, UUID.randomUUID().toString()), REQUEST);
        return world.store.isolation();
    }

    @Test
    void anIsolationThatTheStoreDoesNotHaveIsRefusedBeforeAnythingRuns() {
        Operation<List<String>> operation =
                inserting().isolation(Isolation.SERIALIZABLE).build();
        world.store.allow(Set.of(Isolation.READ_COMMITTED));
        IdempotencyKeyService<List<String>> lesser =
                world.builder(world.store).isolation(Isolation.READ_COMMITTED).build();

        assertThat(catchThrowable(() -> lesser.run(operation, world.id, REQUEST)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("isolation");

        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 999, 1_000, 1_001, 5_000})
    void theTransactionMayLiveAsLongAsTheLeaseButAtLeastASecond(long millis) {
        Operation<List<String>> operation =
                inserting().lease(Duration.ofMillis(millis)).build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(world.store.lease()).isEqualTo(Duration.ofMillis(Math.max(1_000, millis)));
    }

    @Test
    void aStagesOwnLeaseCounts() {
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .lease(Duration.ofSeconds(5))
                .respond(STARTED, stage -> RESPONSE, StageOption.lease(Duration.ofSeconds(7)))
                .build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(world.store.lease()).isEqualTo(Duration.ofSeconds(7));
    }

    // Exceptions

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5})
    void whatTheStageThrowsReachesTheCallerAsItIsAndNothingIsKept(int which) {
        Throwable thrown = List.of(
                        new IOException("checked"),
                        new IllegalStateException("unchecked"),
                        new AssertionError("an error"),
                        new InterruptedException("stopping"),
                        new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "of another store", null),
                        new IdempotencyException.StoreUnavailable(world.id, null))
                .get(which);
        Operation<List<String>> operation = responding(stage -> {
                    world.insert(stage, "order");
                    throw World.<RuntimeException>asItIs(thrown);
                })
                .build();

        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isSameAs(thrown)
                .hasNoSuppressedExceptions();

        assertThat(Thread.interrupted()).isEqualTo(thrown instanceof InterruptedException);
        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.FIND);
        assertNothingIsStored();
        assertThat(run().replayed()).isFalse();
    }

    /** Failures of stores, exceptions of the library and interruptions are never answers. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void whatSaysNothingOfTheRequestIsNoAnswer(int which) {
        Throwable thrown = List.of(
                        new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "of another store", null),
                        new IdempotencyException.NotFound(world.id),
                        new InterruptedException("stopping"))
                .get(which);
        Operation<List<String>> operation = responding(stage -> {
                    throw World.<RuntimeException>asItIs(thrown);
                })
                .answering(Throwable.class, e -> RESPONSE)
                .build();

        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isSameAs(thrown);

        assertNothingIsStored();
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void anExceptionThatIsAnAnswerIsStoredAndReplayedAndItsStageRolledBack(State state) {
        world.put(state, NAME, STARTED);
        List<IdempotencyKey> seen = new ArrayList<>();
        Operation<List<String>> operation = responding(stage -> {
                    seen.add(stage.key());
                    world.insert(stage, "order");
                    throw new IOException("there is no such cart");
                })
                .answering(IOException.class, e -> FROM_ELSEWHERE)
                .build();

        Execution first = world.service.run(operation, world.id, REQUEST);
        Execution retry = world.service.run(operation, world.id, REQUEST);

        assertThat(first.replayed()).isFalse();
        assertThat(first.response()).isEqualTo(FROM_ELSEWHERE);
        assertThat(first.key()).isEqualTo(world.key());
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(FROM_ELSEWHERE);
        assertThat(seen)
                .hasSize(1)
                .first()
                .satisfies(
                        key -> assertThat(key.creation()).isEqualTo(world.key().creation()));
        assertThat(world.read("order")).isEmpty();
        assertThat(world.key().attempts()).isZero();
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(
                        FROM_ELSEWHERE, world.millis(), world.millis().plus(World.TIME_TO_LIVE)));
    }

    @Test
    void anAnswerThatFailsIsAFailureOfItsOwnAndNothingIsKept() {
        IllegalStateException failure = new IllegalStateException("no message");
        IOException thrown = new IOException("gone");
        Operation<List<String>> operation = responding(stage -> {
                    throw thrown;
                })
                .answering(IOException.class, e -> {
                    throw failure;
                })
                .build();

        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isSameAs(failure)
                .satisfies(e -> assertThat(e.getSuppressed()).containsExactly(thrown));

        assertNothingIsStored();
    }

    @Test
    void anAnswerThatIsTooLongIsRefusedAndNothingIsKept() {
        IOException thrown = new IOException("gone");
        Operation<List<String>> operation = responding(stage -> {
                    throw thrown;
                })
                .answering(IOException.class, e -> Response.of(404, new byte[1024 * 1024 + 1]))
                .build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST))
                .satisfies(e -> assertThat(e.getSuppressed()).containsExactly(thrown));

        assertNothingIsStored();
    }

    @Test
    void anAnswerIsStoredByAThreadThatIsToldToStopWhichItIsStillTold() {
        List<Boolean> interrupted = new ArrayList<>();
        world.store.before(
                Call.INSERT, () -> interrupted.add(Thread.currentThread().isInterrupted()));
        Operation<List<String>> operation = responding(stage -> {
                    Thread.currentThread().interrupt();
                    throw new IOException("gone");
                })
                .answering(IOException.class, e -> FROM_ELSEWHERE)
                .build();

        assertThat(world.service.run(operation, world.id, REQUEST).response()).isEqualTo(FROM_ELSEWHERE);

        assertThat(interrupted).containsExactly(false);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    void anAnswerThatComesAfterAnotherWorkersIsNotGivenButTheOthers() {
        Operation<List<String>> operation = responding(stage -> {
                    finishElsewhere();
                    throw new IOException("a duplicate of what the other worker wrote, for all it knows");
                })
                .answering(IOException.class, e -> RESPONSE)
                .build();

        Execution execution = world.service.run(operation, world.id, REQUEST);

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(FROM_ELSEWHERE);
    }

    @Test
    void anAnswerThatComesWhileAnotherWorkerHoldsTheKeyIsNotGiven() {
        List<HeldKey> held = new ArrayList<>();
        Operation<List<String>> operation = responding(stage -> {
                    held.add(claimElsewhere(REQUEST));
                    throw new IOException("gone");
                })
                .answering(IOException.class, e -> RESPONSE)
                .build();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));

        assertThat(world.key()).isEqualTo(held.get(0).key());
    }

    @Test
    void anAnswerThatComesAfterAnotherRequestIsAMismatchThatCarriesTheException() {
        IOException thrown = new IOException("gone");
        Operation<List<String>> operation = responding(stage -> {
                    claimElsewhere(OTHER_REQUEST);
                    throw thrown;
                })
                .answering(IOException.class, e -> RESPONSE)
                .build();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST))
                .satisfies(e -> assertThat(e.getSuppressed()).containsExactly(thrown));
    }

    // Values and redaction

    @Test
    void aValueIsTheSameForTheFirstCallerAndForARetryWhichIsRead() {
        ResponseCodec<String> upperCase = new ResponseCodec<>() {
            @Override
            public Response encode(String value) {
                return Response.of(200, "text/plain", value);
            }

            @Override
            public String decode(Response response) {
                return "decoded " + new String(response.body(), StandardCharsets.UTF_8);
            }
        };

        assertThat(world.service.once(NAME, world.id, REQUEST, upperCase, stage -> "a"))
                .isEqualTo("decoded a");
        assertThat(world.service.once(NAME, world.id, REQUEST, upperCase, stage -> "b"))
                .isEqualTo("decoded a");
        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.FIND);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theStageSeesWhatItsClientSentAndTheStoreAndTheListenersDoNot(boolean answers) {
        List<Object> seen = new ArrayList<>();
        List<KeyEvent> events = new ArrayList<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        world.store.next(Call.COMMIT_SINGLE, Fault.TRANSIENT);
        Operation<List<String>> operation = service.operation(NAME)
                .redact(parameters -> Map.of("email", "***"))
                .respond(STARTED, stage -> {
                    seen.add(stage.request());
                    seen.add(stage.key().request());
                    if (answers) {
                        throw new IOException("gone");
                    }
                    return RESPONSE;
                })
                .answering(IOException.class, e -> RESPONSE)
                .build();

        Execution execution = service.run(operation, world.id, REQUEST);
        Execution retry = service.run(operation, world.id, REQUEST);

        assertThat(seen).hasSize(answers ? 2 : 4).containsOnly(REQUEST);
        assertThat(retry.replayed()).isTrue();
        assertThat(world.key().request().parameters()).isEqualTo(Map.of("email", "***"));
        assertThat(execution.key()).isEqualTo(world.key());
        assertThat(events)
                .hasSizeGreaterThanOrEqualTo(4)
                .allSatisfy(
                        event -> assertThat(keyOf(event).request().parameters()).isEqualTo(Map.of("email", "***")));
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> service.run(operation, world.id, OTHER_REQUEST));
    }

    private static IdempotencyKey keyOf(KeyEvent event) {
        if (event instanceof KeyEvent.Created created) {
            return created.key();
        }
        if (event instanceof KeyEvent.StageRetried retried) {
            return retried.key();
        }
        if (event instanceof KeyEvent.StageRolledBack rolledBack) {
            return rolledBack.key();
        }
        if (event instanceof KeyEvent.StageCommitted committed) {
            return committed.key();
        }
        if (event instanceof KeyEvent.Finished finished) {
            return finished.key();
        }
        if (event instanceof KeyEvent.Replayed replayed) {
            return replayed.key();
        }
        if (event instanceof KeyEvent.Answered answered) {
            return answered.execution().key();
        }
        throw new AssertionError("unexpected " + event);
    }

    /** Drivers refuse to commit on an interrupted thread. */
    @Test
    void aStageThatReturnsOnAnInterruptedThreadIsCommittedAsAnyOtherOne() {
        World world = new World();
        List<Boolean> interruptedAtTheEnd = new ArrayList<>();
        MapKeyStore store = new MapKeyStore() {
            @Override
            public StageCommit commitSingle(
                    StoredKey taken, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
                return super.commitSingle(taken, isolation, lease, new SingleStage<>() {
                    @Override
                    public boolean replaces(StoredKey stored) {
                        return stage.replaces(stored);
                    }

                    @Override
                    public StoredProgress work(List<String> transaction) {
                        StoredProgress next = stage.work(transaction);
                        interruptedAtTheEnd.add(Thread.currentThread().isInterrupted());
                        return next;
                    }
                });
            }
        };

        Execution execution = world.builder(store).build().once("op", world.id, World.REQUEST, stage -> {
            Thread.currentThread().interrupt();
            return World.RESPONSE;
        });

        assertThat(Thread.interrupted()).isTrue();
        assertThat(interruptedAtTheEnd).containsExactly(false);
        assertThat(execution.response()).isEqualTo(World.RESPONSE);
    }
}
