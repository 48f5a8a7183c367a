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
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOption;
import io.idempotencykey.service.StageOutcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Declared operations: run to their end, replayed, and resumed at whatever point they were left. */
class OperationRunTest extends MapFixture {

    private static void assertDoneOnce(World<List<String>> world) {
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        assertThat(Stream.of("tax", "payment", "order").map(world::read))
                .allSatisfy(row -> assertThat(row).contains("written"));
    }

    private static void assertOpenAt(World<List<String>> world, RecoveryPoint at) {
        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Open.class,
                        open -> assertThat(open.recoveryPoint()).isEqualTo(at));
    }

    @Test
    void anOperationRunsAllItsStagesOnceAndIsReplayed() {
        World<List<String>> world = new World<>(this);
        Operation<List<String>> operation = World.threeStages(world);

        Execution first = world.service.run(operation, world.id, World.REQUEST);
        Execution second = world.other.run(operation, world.id, World.REQUEST);

        assertThat(first.replayed()).isFalse();
        assertThat(first.key()).isEqualTo(world.key());
        assertThat(second).isEqualTo(new Execution(first.key(), World.RESPONSE, true));
        assertThat(world.stageRuns()).isEqualTo(3);
        assertThat(world.key().operation()).isEqualTo(World.NAME);
        assertThat(world.key().attempts()).isEqualTo(1);
        assertDoneOnce(world);
    }

    @Test
    void anErrorThatIsAResponseIsReplayedLikeAnyOther() {
        World<List<String>> world = new World<>(this);
        Response declined = Response.of(402, "application/problem+json", "{}").withHeader("X-Reason", "declined");
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("a", StageOutcome.respond(declined)))
                .build();

        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.service.run(operation, world.id, World.REQUEST).response())
                .isEqualTo(declined);
        assertThat(world.stageRuns()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({
        "OPEN, started, 3",
        "OPEN, tax_lines_created, 2",
        "OPEN, payment_authorized, 1",
        "LEASE_OVER, started, 3",
        "LEASE_OVER, tax_lines_created, 2",
        "LEASE_OVER, payment_authorized, 1"
    })
    void anOperationResumesAtItsRecoveryPoint(State state, String at, int stages) {
        World<List<String>> world = new World<>(this);
        StoredKey before = world.put(state, World.NAME, RecoveryPoint.named(at)).orElseThrow();

        Execution execution = world.service.run(World.threeStages(world), world.id, World.REQUEST);

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(World.RESPONSE);
        assertThat(world.stageRuns()).isEqualTo(stages);
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.key().creationId()).isEqualTo(before.key().creationId());
    }

    static Stream<Arguments> crashes() {
        return Stream.concat(
                Stream.of(
                        Arguments.of(Call.INSERT, 0, Fault.CRASH_BEFORE),
                        Arguments.of(Call.INSERT, 0, Fault.CRASH_AFTER)),
                IntStream.range(0, 3)
                        .boxed()
                        .flatMap(stage -> Stream.of(
                                Arguments.of(Call.COMMIT_STAGE, stage, Fault.CRASH_BEFORE),
                                Arguments.of(Call.COMMIT_STAGE, stage, Fault.CRASH_AFTER))));
    }

    @ParameterizedTest
    @MethodSource("crashes")
    void aCrashAnywhereDoublesNothingAndLosesNothing(Call call, int earlier, Fault crash) {
        World<List<String>> world = new World<>(this);
        Operation<List<String>> operation = World.threeStages(world);
        IntStream.range(0, earlier).forEach(i -> world.store.next(call, Fault.NONE));
        world.store.next(call, crash);

        assertThatExceptionOfType(Crash.class).isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));
        boolean inserted = world.find().isPresent();
        boolean finished = inserted && world.key().recoveryPoint().equals(RecoveryPoint.FINISHED);
        if (inserted && !finished) {
            assertThatExceptionOfType(IdempotencyException.Locked.class)
                    .isThrownBy(() -> world.other.run(operation, world.id, World.REQUEST));
        }
        world.pass(World.LEASE);
        Execution execution = world.other.run(operation, world.id, World.REQUEST);

        assertThat(execution.response()).isEqualTo(World.RESPONSE);
        assertThat(execution.replayed()).isEqualTo(finished);
        assertThat(world.key().attempts()).isEqualTo(inserted && !finished ? 2 : 1);
        assertDoneOnce(world);
    }

    @Test
    void aFailedStageIsResumedAtOnceAndEarlierOnesAreKept() {
        World<List<String>> world = new World<>(this);
        AtomicBoolean fails = new AtomicBoolean(true);
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("tax", StageOutcome.advanceTo(World.TAXED)))
                .branch(World.TAXED, stage -> {
                    world.insert(stage, "payment");
                    if (fails.getAndSet(false)) {
                        throw new IllegalStateException("no answer from the provider");
                    }
                    return World.respond();
                })
                .build();

        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .hasMessage("no answer from the provider");
        assertOpenAt(world, World.TAXED);
        assertThat(world.read("tax")).contains("written");
        assertThat(world.read("payment")).isEmpty();
        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.stageRuns()).isEqualTo(1);
        assertThat(world.read("payment")).contains("written");
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void anotherRequestOrOperationUnderTheKeyIsRefusedInEveryState(State state) {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state, World.NAME, World.TAXED).orElseThrow();
        Operation<List<String>> another = world.service
                .operation("cancel-cart")
                .branch(RecoveryPoint.STARTED, world.inserting("a", StageOutcome.advanceTo(World.TAXED)))
                .branch(World.TAXED, world.inserting("b", World.respond()))
                .build();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(World.threeStages(world), world.id, World.OTHER_REQUEST));
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(another, world.id, World.REQUEST));
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.claim(world.id, World.REQUEST));

        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).contains(key);
    }

    @Test
    void anOperationOfAHeldKeyIsToldHowLongToWait() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED, World.NAME, World.TAXED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.run(World.threeStages(world), world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(1)));

        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).contains(key);
    }

    @Test
    void anOperationOfAQuarantinedKeyIsRefused() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.QUARANTINED, World.NAME, World.TAXED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.run(World.threeStages(world), world.id, World.REQUEST));

        assertThat(world.stageRuns()).isZero();
        assertThat(world.find()).contains(key);
    }

    @Test
    void anExpiredOperationRunsAnew() {
        World<List<String>> world = new World<>(this);
        world.put(State.EXPIRED, "another", World.TAXED);

        assertThat(world.service
                        .run(World.threeStages(world), world.id, World.REQUEST)
                        .replayed())
                .isFalse();
        assertDoneOnce(world);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "LEASE_OVER"})
    void anUnknownRecoveryPointIsRefusedAndLeavesTheKeyUntouched(State state) {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state, World.NAME, World.UNKNOWN_POINT).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(() -> world.service.run(World.threeStages(world), world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(500))
                .satisfies(e -> assertThat(e.recoveryPoint()).isEqualTo(World.UNKNOWN_POINT))
                .satisfies(e -> assertThat(e.known())
                        .containsExactlyInAnyOrder(RecoveryPoint.STARTED, World.TAXED, World.PAID));

        assertThat(world.find()).contains(key);
        assertThat(world.store.count(Call.REPLACE)).isZero();
    }

    @Test
    void aKeyWithoutADeclaredOperationHasNoUnknownRecoveryPoints() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN, "", World.UNKNOWN_POINT);

        assertThat(World.claimed(world.service.claim(world.id, World.REQUEST)).recoveryPoint())
                .isEqualTo(World.UNKNOWN_POINT);
    }

    @Test
    void aStageThatAdvancesToAnUndeclaredPointIsRolledBack() {
        World<List<String>> world = new World<>(this);
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .completeAfterFailure()
                .branch(RecoveryPoint.STARTED, world.inserting("a", StageOutcome.advanceTo(World.UNKNOWN_POINT)))
                .branch(World.TAXED, world.inserting("b", World.respond()))
                .build();

        assertThatExceptionOfType(IdempotencyException.UnknownRecoveryPoint.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST));

        assertThat(world.read("a")).isEmpty();
        assertOpenAt(world, RecoveryPoint.STARTED);
    }

    @Test
    void aStageMayChooseAmongDeclaredPoints() {
        World<List<String>> world = new World<>(this);
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(
                        RecoveryPoint.STARTED,
                        world.inserting("tax", StageOutcome.advanceTo(World.PAID)),
                        StageOption.advancesTo(World.TAXED, World.PAID))
                .branch(World.TAXED, world.inserting("payment", StageOutcome.advanceTo(World.PAID)))
                .branch(World.PAID, world.inserting("order", World.respond()))
                .build();

        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.read("payment")).isEmpty();
        assertThat(world.read("order")).contains("written");
    }

    @Test
    void eachStagesCommitBeginsTheLeaseOfTheNext() {
        World<List<String>> world = new World<>(this);
        List<Duration> leases = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .lease(Duration.ofSeconds(7))
                .branch(RecoveryPoint.STARTED, stage -> {
                    leases.add(leaseOf(stage.key()));
                    world.pass(Duration.ofSeconds(5));
                    return StageOutcome.advanceTo(World.TAXED);
                })
                .branch(
                        World.TAXED,
                        stage -> {
                            leases.add(leaseOf(stage.key()));
                            world.pass(Duration.ofSeconds(5));
                            return StageOutcome.advanceTo(World.PAID);
                        },
                        StageOption.lease(Duration.ofSeconds(11)))
                .branch(World.PAID, stage -> {
                    leases.add(leaseOf(stage.key()));
                    return World.respond();
                })
                .build();

        world.service.run(operation, world.id, World.REQUEST);

        assertThat(leases).containsExactly(Duration.ofSeconds(7), Duration.ofSeconds(11), Duration.ofSeconds(7));
    }

    private static Duration leaseOf(IdempotencyKey key) {
        KeyState.Locked locked = (KeyState.Locked) key.state();
        return Duration.between(locked.lockedAt(), locked.leaseEnds());
    }

    @Test
    void anIsolationOfAStageThatTheStoreDoesNotHaveIsRefusedBeforeTheKeyIsMade() {
        World<List<String>> world = new World<>(this);
        world.store.allow(EnumSet.allOf(Isolation.class));
        Operation.Builder<List<String>> builder = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("a", StageOutcome.advanceTo(World.TAXED)))
                .branch(
                        World.TAXED,
                        world.inserting("b", World.respond()),
                        StageOption.isolation(Isolation.REPEATABLE_READ));
        Operation<List<String>> ofAnotherStore = builder.build();
        world.store.allow(EnumSet.of(Collections.max(store().isolations())));
        IdempotencyKeyService<List<String>> lacking = world.builder(world.store).build();

        assertThatIllegalArgumentException().isThrownBy(builder::build).withMessageContaining("REPEATABLE_READ");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> lacking.run(ofAnotherStore, world.id, World.REQUEST))
                .withMessageContaining("REPEATABLE_READ");

        assertThat(world.store.calls()).isEmpty();
        assertThat(world.find()).isEmpty();
    }

    @Test
    void anOutsideCallIsMadeOncePerAttemptBeforeTheTransaction() {
        World<List<String>> world = new World<>(this);
        AtomicInteger calls = new AtomicInteger();
        List<Integer> inputs = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(
                        RecoveryPoint.STARTED,
                        key -> {
                            assertThat(world.store.count(Call.COMMIT_STAGE)).isZero();
                            return calls.incrementAndGet();
                        },
                        (stage, input) -> {
                            inputs.add(input);
                            world.insert(stage, "a");
                            return World.respond();
                        })
                .build();
        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT, Fault.LOST);

        world.service.run(operation, world.id, World.REQUEST);

        assertThat(calls).hasValue(1);
        assertThat(inputs).containsExactly(1, 1, 1);
        assertThat(world.read("a")).contains("written");
    }

    @Test
    void anOutsideCallThatFailsGivesTheKeyBackAndIsMadeAgainWithTheSameDerivedKey() {
        World<List<String>> world = new World<>(this);
        List<String> derived = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("tax", StageOutcome.advanceTo(World.TAXED)))
                .branch(
                        World.TAXED,
                        key -> {
                            derived.add(key.derivedKey("charge"));
                            if (derived.size() == 1) {
                                throw new IllegalStateException("no answer from the provider");
                            }
                            return "charge-1";
                        },
                        (stage, charge) -> {
                            world.insert(stage, charge);
                            return World.respond();
                        })
                .build();

        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .hasMessage("no answer from the provider");
        assertThat(world.store.count(Call.COMMIT_STAGE)).isEqualTo(1);
        assertOpenAt(world, World.TAXED);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
        world.other.run(operation, world.id, World.REQUEST);

        assertThat(derived).hasSize(2).containsOnly(derived.get(0));
        assertThat(world.read("charge-1")).contains("written");
    }

    @Test
    void derivedKeysAreStableOverAttemptsAndDifferByNameAndCreation() {
        World<List<String>> world = new World<>(this);
        IdempotencyKey first =
                World.claimed(world.service.claim(world.id, World.REQUEST)).key();
        world.pass(World.LEASE);
        IdempotencyKey second =
                World.claimed(world.other.claim(world.id, World.REQUEST)).key();
        assertThat(second.attempts()).isEqualTo(2);
        assertThat(second.derivedKey("charge")).isEqualTo(first.derivedKey("charge"));
        assertThat(world.key().derivedKey("charge")).isEqualTo(first.derivedKey("charge"));
        assertThat(first.derivedKey("refund")).isNotEqualTo(first.derivedKey("charge"));
        world.pass(World.LEASE.multipliedBy(2));
        world.service.update(World.claimed(world.service.claim(world.id, World.REQUEST)), World.respond());
        world.pass(World.TIME_TO_LIVE);

        IdempotencyKey anew =
                World.claimed(world.service.claim(world.id, World.REQUEST)).key();

        assertThat(anew.derivedKey("charge")).isNotEqualTo(first.derivedKey("charge"));
    }

    // What requests cost, in calls of the store; reading its time apart.

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED", "OPEN", "FAILED", "LEASE_OVER"})
    void aRequestCostsOneInsertAndOneTransactionPerStageAndAnUpdateWhereAKeyIsTakenOver(State state) {
        World<List<String>> world = new World<>(this);
        world.put(state, World.NAME, RecoveryPoint.STARTED);

        world.service.run(World.threeStages(world), world.id, World.REQUEST);

        List<Call> expected = new ArrayList<>(List.of(Call.INSERT));
        if (state != State.ABSENT) {
            expected.addAll(List.of(Call.FIND, Call.REPLACE));
        }
        expected.addAll(List.of(Call.COMMIT_STAGE, Call.COMMIT_STAGE, Call.COMMIT_STAGE));
        assertThat(world.store.calls()).isEqualTo(expected);
    }

    @ParameterizedTest
    @EnumSource(names = {"LOCKED", "FINISHED", "QUARANTINED"})
    void aReplayOrARefusalCostsOneInsertAndOneRead(State state) {
        World<List<String>> world = new World<>(this);
        world.put(state, World.NAME, World.TAXED);
        Operation<List<String>> operation = World.threeStages(world);

        for (boolean other : new boolean[] {false, true}) {
            world.store.forget();
            try {
                world.service.run(operation, world.id, other ? World.OTHER_REQUEST : World.REQUEST);
            } catch (IdempotencyException refused) {
                assertThat(refused.httpStatus()).isIn(409, 422);
            }
            assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.FIND);
        }
    }

    @Test
    void theServicesOperationsCostOneOrTwoCalls() {
        World<List<String>> world = new World<>(this);

        world.service.create(world.scope, world.id.value(), World.REQUEST);
        assertThat(world.store.calls()).containsExactly(Call.INSERT);
        world.store.forget();
        world.service.initializeRequest(world.scope, world.id.value(), World.REQUEST);
        assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.FIND);
        world.store.forget();
        world.service.retrieve(world.id);
        assertThat(world.store.calls()).containsExactly(Call.FIND);
        world.store.forget();
        var held = world.service.lock(world.id);
        assertThat(world.store.calls()).containsExactly(Call.FIND, Call.REPLACE);
        world.store.forget();
        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.service.lock(world.id));
        assertThat(world.store.calls()).containsExactly(Call.FIND);
        world.store.forget();
        world.service.unlock(world.service.renew(held));
        assertThat(world.store.calls()).containsExactly(Call.REPLACE, Call.REPLACE);
    }

    @Test
    void theStoresTimeIsReadOnceInAMinute() {
        World<List<String>> world = new World<>(this);
        Operation<List<String>> operation = World.threeStages(world);
        for (int i = 0; i < 10; i++) {
            world.service.run(operation, world.id, World.REQUEST);
        }
        assertThat(world.store.count(Call.TIME)).isEqualTo(1);
        world.pass(Duration.ofSeconds(61));

        world.service.run(operation, world.id, World.REQUEST);
        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.store.count(Call.TIME)).isEqualTo(2);
    }
}
