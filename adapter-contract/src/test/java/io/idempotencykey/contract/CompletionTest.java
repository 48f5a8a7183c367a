package io.idempotencykey.contract;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.contract.World.LEASE;
import static io.idempotencykey.contract.World.PAID;
import static io.idempotencykey.contract.World.REQUEST;
import static io.idempotencykey.contract.World.RESPONSE;
import static io.idempotencykey.contract.World.TAXED;
import static io.idempotencykey.contract.World.TIME_TO_LIVE;
import static io.idempotencykey.contract.World.UNKNOWN_POINT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.WorkStage;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What becomes of requests whose client is gone, and what an operator and a listener see of it. */
class CompletionTest extends MapFixture {
    private static final Duration THRESHOLD = Duration.ofSeconds(60);
    private static final Duration DAY = Duration.ofDays(1);

    @ParameterizedTest
    @CsvSource({"OPEN, started", "OPEN, tax_lines_created", "LEASE_OVER, started", "LEASE_OVER, tax_lines_created"})
    void anAbandonedRequestIsCompletedFromItsRecoveryPoint(State state, String at) {
        World<List<String>> world = World.emptyOf(this);
        world.put(state, World.NAME, RecoveryPoint.named(at));
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);

        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
        assertThat(world.read("tax").isPresent()).isEqualTo(at.equals("started"));
        assertThat(world.read("order")).isPresent();
        Execution late = world.service.run(twoStages(world), world.id, REQUEST);
        assertThat(late.replayed()).isTrue();
        assertThat(late.response()).isEqualTo(RESPONSE);
    }

    @Test
    void aRequestIsLeftAloneUntilItsThresholdIsOver() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.LEASE_OVER, World.NAME, STARTED);
        world.pass(THRESHOLD);

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);

        world.pass(Duration.ofMillis(1));
        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "FINISHED", "EXPIRED", "FAILED_EXPIRED", "QUARANTINED", "FAILED"})
    void whatIsNotAbandonedIsNotTouched(State state) {
        World<List<String>> world = World.emptyOf(this);
        Optional<StoredKey> before = world.put(state, World.NAME, STARTED);
        world.pass(DAY.multipliedBy(30));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({"another-operation, started", "complete-cart, of_a_newer_version"})
    void whatThisVersionDoesNotKnowIsLeftToOnesThatDo(String operation, String at) {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, operation, RecoveryPoint.named(at));
        world.pass(DAY.minusSeconds(61));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(world.key().attempts()).isEqualTo(3);
    }

    @ParameterizedTest
    @CsvSource({
        "another-operation, started, another-operation",
        "complete-cart, of_a_newer_version, of_a_newer_version",
        "'', started, ''"
    })
    void whatNobodyKnewForADayIsQuarantined(String operation, String at, String named) {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, operation, RecoveryPoint.named(at));
        world.pass(DAY);

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Quarantined.class,
                        state -> assertThat(state.reason())
                                .contains("nobody has known")
                                .contains("'" + named + "'"));
    }

    @Test
    void unknownRequestsDoNotHideKnownOnes() {
        World<List<String>> world = World.emptyOf(this);
        for (int i = 0; i < 70; i++) {
            world.put(world.id("unknown-" + i), State.OPEN, World.NAME, UNKNOWN_POINT);
        }
        world.pass(Duration.ofMillis(1));
        world.put(State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);
    }

    @Test
    void aFailedRequestRestsLongerAfterEachAttempt() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        List<Duration> rests = new ArrayList<>();
        Completer<List<String>> completer = completer(
                world, failing(world).backoff(Duration.ofSeconds(8), DAY).build());
        for (int i = 1; i <= 4; i++) {
            assertThat(completer.runOnce()).isZero();
            assertThat(world.key().failedAttempts()).isEqualTo(1 + i);
            assertThat(completer.runOnce()).isZero();
            assertThat(world.key().failedAttempts()).as("it rests").isEqualTo(1 + i);
            KeyState.Open open = (KeyState.Open) world.state();
            rests.add(Duration.between(world.now(), open.resumableFrom()));
            world.pass(rests.get(i - 1).plus(THRESHOLD).plusMillis(2));
        }

        for (int i = 0; i < 4; i++) {
            Duration bound = Duration.ofSeconds(16L << i);
            assertThat(rests.get(i)).isBetween(bound.dividedBy(2).minusMillis(1), bound);
        }
    }

    @Test
    void tooManyFailedAttemptsPutARequestAside() {
        World<List<String>> world = World.emptyOf(this);
        Operation<List<String>> operation = failing(world).maxAttempts(2).build();
        for (int i = 0; i < 2; i++) {
            assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                    .isInstanceOf(OutOfStock.class);
        }

        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Quarantined.class,
                        state -> assertThat(state.reason())
                                .isEqualTo("2 failed attempts since the last committed stage"));
        assertThat(world.key().lastError()).isEqualTo(OutOfStock.class.getName() + ": no ? left");
        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));
        world.pass(DAY.multipliedBy(2));
        assertThat(completer(world, operation).runOnce()).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aCommittedStageGivesTheNextOneAllAttemptsAnew() {
        World<List<String>> world = World.emptyOf(this);
        int[] runs = {0};
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .maxAttempts(2)
                .branch(STARTED, stage -> {
                    if (runs[0]++ == 0) {
                        throw new OutOfStock();
                    }
                    return StageOutcome.advanceTo(TAXED);
                })
                .branch(TAXED, stage -> {
                    throw new OutOfStock();
                })
                .build();

        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(OutOfStock.class);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(OutOfStock.class);

        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(world.key().failedAttempts()).isEqualTo(1);
    }

    @Test
    void aProcessThatDiesInAStageUsesUpNoAttempt() {
        World<List<String>> world = World.emptyOf(this);
        Operation<List<String>> operation = twoStages(world);
        for (int i = 1; i <= 3; i++) {
            world.store.next(Call.COMMIT_STAGE, Fault.CRASH_BEFORE);
            assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                    .isInstanceOf(Crash.class);
            assertThat(world.key().attempts()).isEqualTo(i);
            world.pass(LEASE.multipliedBy(10));
        }

        assertThat(world.key().failedAttempts()).isZero();
    }

    @Test
    void completersSideBySideCompleteEachRequestOnce() {
        World<List<String>> world = World.emptyOf(this);
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(STARTED, stage -> {
                    world.insert(stage, "order-" + stage.key().id().value());
                    return World.respond();
                })
                .build();
        int requests = 24;
        for (int i = 0; i < requests; i++) {
            world.put(world.id("key-" + i), State.OPEN, World.NAME, STARTED);
        }
        world.pass(THRESHOLD.plusMillis(1));

        List<Integer> finished = Threads.atOnce(4, () -> {
            int sum = 0;
            for (int done = -1; done != 0; sum += done) {
                // On a nearly empty table, some stores see conflicts between any two keys.
                done = completer(world.builder(world.store).maxTries(200).build(), operation)
                        .runOnce();
            }
            return sum;
        });

        assertThat(finished.stream().mapToInt(Integer::intValue).sum()).isEqualTo(requests);
        for (int i = 0; i < requests; i++) {
            assertThat(world.read("order-key-" + i)).isPresent();
        }
    }

    @Test
    void aSlowScopeDoesNotHoldUpTheOthers() {
        World<List<String>> world = World.emptyOf(this);
        CountDownLatch quickIsDone = new CountDownLatch(1);
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(STARTED, stage -> {
                    if (stage.key().id().value().equals("quick")) {
                        quickIsDone.countDown();
                    } else {
                        Threads.await(quickIsDone);
                    }
                    return World.respond();
                })
                .build();
        world.put(new KeyId("a-" + world.scope, "slow"), State.OPEN, World.NAME, STARTED);
        world.put(new KeyId("b-" + world.scope, "quick"), State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        int finished = Completer.builder(
                        world.builder(world.store).maxTries(200).build())
                .operation(operation)
                .abandonedAfter(THRESHOLD)
                .executor(Threads::start)
                .build()
                .runOnce();

        assertThat(finished).isEqualTo(2);
    }

    @Test
    void aCompleterThatIsInterruptedTakesNoFurtherKeyAndCountsNoFailure() {
        World<List<String>> world = World.emptyOf(this);
        AtomicInteger runs = new AtomicInteger();
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(STARTED, stage -> {
                    runs.incrementAndGet();
                    Thread.currentThread().interrupt();
                    throw new IllegalStateException("interrupted");
                })
                .build();
        for (String name : List.of("a", "b", "c")) {
            world.put(new KeyId(name + world.scope, "key"), State.OPEN, World.NAME, STARTED);
        }
        world.pass(THRESHOLD.plusMillis(1));

        boolean interrupted = Threads.elsewhere(() -> {
            completer(world, operation).runOnce();
            return Thread.interrupted();
        });

        assertThat(interrupted).isTrue();
        assertThat(runs).hasValue(1);
        assertThat(List.of("a", "b", "c"))
                .allSatisfy(name -> assertThat(world.other
                                .retrieve(new KeyId(name + world.scope, "key"))
                                .failedAttempts())
                        .isEqualTo(1));
    }

    @Test
    void aNoisyScopeDoesNotHoldUpTheOthers() {
        World<List<String>> world = World.emptyOf(this);
        for (int i = 0; i < 30; i++) {
            world.put(new KeyId("a-" + world.scope, "key-" + i), State.OPEN, World.NAME, TAXED);
        }
        world.pass(Duration.ofSeconds(1));
        KeyId quiet = new KeyId("b-" + world.scope, "key");
        world.put(quiet, State.OPEN, World.NAME, TAXED);
        world.pass(THRESHOLD.plusMillis(1));

        int finished = Completer.builder(world.other)
                .operation(responding(world))
                .batchSize(4)
                .build()
                .runOnce();

        assertThat(finished).isEqualTo(4);
        assertThat(world.other.retrieve(quiet).state()).isInstanceOf(KeyState.Finished.class);
    }

    @Test
    void aPoisonedRequestDoesNotHoldUpThoseBehindIt() {
        World<List<String>> world = World.emptyOf(this);
        world.put(world.id("poison"), State.OPEN, World.NAME, STARTED);
        for (int i = 0; i < 5; i++) {
            world.put(world.id("key-" + i), State.OPEN, World.NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, failing(world).build()).runOnce()).isEqualTo(5);
        assertThat(completer(world, failing(world).build()).runOnce()).isZero();
        assertThat(world.other.retrieve(world.id("poison")).failedAttempts()).isEqualTo(2);
    }

    @Test
    void aRunTakesNoMoreThanItsBatch() {
        World<List<String>> world = World.emptyOf(this);
        for (int i = 0; i < 5; i++) {
            world.put(world.id("key-" + i), State.OPEN, World.NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));
        Completer<List<String>> completer = Completer.builder(world.other)
                .operation(responding(world))
                .batchSize(2)
                .build();

        assertThat(List.of(completer.runOnce(), completer.runOnce(), completer.runOnce(), completer.runOnce()))
                .containsExactly(2, 2, 1, 0);
    }

    @Test
    void aRequestThatAWorkerTookMeanwhileIsLeftToIt() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.stageRuns()).isZero();
    }

    @Test
    void anExecutorThatRefusesLeavesTheRequestForLater() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        Completer<List<String>> completer = Completer.builder(world.service)
                .operation(twoStages(world))
                .batchSize(1)
                .executor(task -> {
                    throw new RejectedExecutionException("full");
                })
                .build();

        assertThat(completer.runOnce()).isZero();
        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);
    }

    @Test
    void redactedParametersAreNotStoredAndStillTellRequestsApart() {
        World<List<String>> world = World.emptyOf(this);
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation = redacting(world, seen).build();

        world.service.run(operation, world.id, REQUEST);

        assertThat(seen).as("stages see what their client sent").containsExactly("a@example.org", "a@example.org");
        assertThat(world.key().request().parameters()).isEqualTo(Map.of("email", "***"));
        assertThat(world.key().request().isComplete()).isFalse();
        assertThat(world.service.run(operation, world.id, REQUEST).replayed()).isTrue();
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.OTHER_REQUEST));
    }

    @Test
    void aRedactedRequestIsLeftToItsClient() {
        World<List<String>> world = World.emptyOf(this);
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation = redacting(world, seen).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(DAY).plusMillis(1));
        Completer<List<String>> completer = completer(world, operation);

        assertThat(completer.completedOperations()).isEmpty();
        assertThat(completer.runOnce()).isZero();
        assertThat(world.state()).isNotInstanceOf(KeyState.Quarantined.class);

        assertThat(world.service.run(operation, world.id, REQUEST).replayed()).isFalse();
        assertThat(seen).containsExactly("a@example.org", "a@example.org");
    }

    @Test
    void aRedactedRequestIsCompletedWhereTheOperationCanDoWithout() {
        World<List<String>> world = World.emptyOf(this);
        List<Object> seen = new ArrayList<>();
        Operation<List<String>> operation =
                redacting(world, seen).resumableWithoutParameters().build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(THRESHOLD).plusMillis(1));
        Completer<List<String>> completer = completer(world, operation);

        assertThat(completer.completedOperations()).containsExactly(World.NAME);
        assertThat(completer.runOnce()).isEqualTo(1);
        assertThat(seen).containsExactly("a@example.org", "***");
    }

    @Test
    void aRequestStoredWithoutItsParametersIsLeftToItsClientAlsoByALaterVersion() {
        World<List<String>> world = World.emptyOf(this);
        Request redacted = REQUEST.redacted(Map.of());
        KeyState open = new KeyState.Open(STARTED, World.START.minusSeconds(60));
        assertThat(world.store.insert(Samples.stored(
                        world.id,
                        World.NAME,
                        redacted,
                        Fingerprint.of(World.NAME, REQUEST),
                        World.START.minusSeconds(60),
                        open)))
                .isTrue();
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.stageRuns()).isZero();
        assertThat(world.state())
                .as("out of the way of others for a day")
                .isEqualTo(new KeyState.Open(STARTED, millis(world).plus(DAY)));
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
    }

    @Test
    void aRedactingOperationsOldRequestsAreKeptOutOfTheWay() {
        World<List<String>> world = World.emptyOf(this);
        Operation<List<String>> operation = redacting(world, new ArrayList<>()).build();
        world.store.next(Call.COMMIT_STAGE, Fault.CRASH_AFTER);
        assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                .isInstanceOf(Crash.class);
        world.pass(LEASE.plus(DAY).plusMillis(1));

        completer(world, operation).runOnce();

        assertThat(world.state())
                .isEqualTo(new KeyState.Open(PAID, millis(world).plus(DAY)));
    }

    @Test
    void aRunEndsWhenAllItsRequestsAreThrough() {
        World<List<String>> world = World.emptyOf(this);
        for (int i = 0; i < 8; i++) {
            world.put(world.id("key-" + i), State.OPEN, World.NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        // On a nearly empty table, some stores see conflicts between any two keys.
        Completer<List<String>> completer = Completer.builder(world.builder(world.store)
                        .maxTries(200)
                        .listener(events::add)
                        .build())
                .operation(responding(world))
                .batchSize(8)
                .executor(Threads::start)
                .build();

        assertThat(completer.runOnce()).isEqualTo(8);
        assertThat(kinds(events)).filteredOn("Completed"::equals).hasSize(8);
    }

    @Test
    void aListenerIsToldHowLongCompletingTook() {
        World<List<String>> world = World.emptyOf(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        world.put(State.OPEN, World.NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .branch(STARTED, stage -> {
                    world.pass(Duration.ofSeconds(3));
                    return World.respond();
                })
                .build();

        completer(world.builder(world.store).listener(events::add).build(), operation)
                .runOnce();

        assertThat(events).contains(new KeyEvent.Completed(world.key(), Duration.ofSeconds(3)));
    }

    @Test
    void aListenerIsToldOfQuarantine() {
        World<List<String>> world = World.emptyOf(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        Operation<List<String>> operation = failing(world).maxAttempts(1).build();
        assertThat(catchThrowable(() -> service.run(operation, world.id, REQUEST)))
                .isInstanceOf(OutOfStock.class);
        world.put(world.id("unknown"), State.OPEN, "another-operation", STARTED);
        world.pass(DAY);
        Completer.builder(service).operation(operation).build().runOnce();

        assertThat(kinds(events)).containsExactly("Created", "Quarantined", "StageRolledBack", "Quarantined");
    }

    @Test
    void aRequestThatAWorkerTakesMeanwhileIsNotQuarantined() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.OPEN, "another-operation", STARTED);
        world.pass(DAY);
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id));

        completer(world, twoStages(world)).runOnce();

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }

    @Test
    void anOperationWhoseIsolationTheStoreDoesNotHaveIsRefusedBeforeAnythingRuns() {
        World<List<String>> world = new World<>(this);
        world.store.allow(Set.of(Isolation.SERIALIZABLE));
        Operation<List<String>> operation = world.service
                .operation(World.NAME)
                .isolation(Isolation.SERIALIZABLE)
                .branch(STARTED, world.inserting("order", World.respond()))
                .build();
        world.store.allow(Set.of(Isolation.READ_COMMITTED));
        IdempotencyKeyService<List<String>> lacking = world.builder(world.store).build();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> lacking.run(operation, world.id, REQUEST))
                .withMessageContaining("argument 'isolation' is 'SERIALIZABLE'")
                .withMessageContaining("READ_COMMITTED");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Completer.builder(lacking).operation(operation));
        assertThat(world.find()).isEmpty();
    }

    private enum Action {
        RETRY {
            @Override
            IdempotencyKey on(OperatorActions actions, KeyId id) {
                return actions.retry(id, "alice");
            }
        },
        FINISH {
            @Override
            IdempotencyKey on(OperatorActions actions, KeyId id) {
                return actions.finish(id, Response.of(500, "text/plain", "given up"), "alice");
            }
        },
        DISCARD {
            @Override
            IdempotencyKey on(OperatorActions actions, KeyId id) {
                return actions.discard(id, "alice");
            }
        };

        abstract IdempotencyKey on(OperatorActions actions, KeyId id);
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorsActionIsRecordedWithWhatStoodThereBefore(Action action) {
        World<List<String>> world = World.emptyOf(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        world.put(State.QUARANTINED, World.NAME, TAXED);

        IdempotencyKey key = action.on(new OperatorActions(service), world.id);

        String name = action.name().toLowerCase(Locale.ROOT);
        assertThat(key).isEqualTo(world.key());
        assertThat(key.lastError()).startsWith(name + " by alice; before: ").contains("an earlier error");
        assertThat(events).containsExactly(new KeyEvent.Operated(key, name, "alice"));
    }

    @Test
    void aRetriedRequestGoesOnAtItsRecoveryPointWithAllItsAttempts() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.QUARANTINED, World.NAME, TAXED);

        IdempotencyKey key = new OperatorActions(world.service).retry(world.id, "alice");

        assertThat(key.failedAttempts()).isZero();
        assertThat(key.state()).isEqualTo(new KeyState.Open(TAXED, millis(world)));
        world.service.run(twoStages(world), world.id, REQUEST);
        assertThat(world.read("tax")).isEmpty();
        assertThat(world.read("order")).isPresent();
    }

    @Test
    void aRequestThatAnOperatorFinishedIsReplayed() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.QUARANTINED, World.NAME, TAXED);
        Response givenUp = Response.of(500, "text/plain", "given up");

        new OperatorActions(world.service).finish(world.id, givenUp, "alice");

        Execution execution = world.service.run(twoStages(world), world.id, REQUEST);
        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(givenUp);
        world.pass(TIME_TO_LIVE);
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
    }

    @Test
    void aDiscardedKeyCountsAsAbsent() {
        World<List<String>> world = World.emptyOf(this);
        IdempotencyKey before =
                world.put(State.QUARANTINED, World.NAME, TAXED).orElseThrow().key();

        IdempotencyKey discarded = new OperatorActions(world.service).discard(world.id, "alice");

        // Past for whoever reads the clock, however far behind the operator's reading that may be.
        assertThat(discarded.state())
                .isInstanceOfSatisfying(
                        KeyState.Finished.class,
                        finished -> assertThat(finished.expiresAt()).isEqualTo(before.createdAt()));
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        assertThat(world.service.run(twoStages(world), world.id, REQUEST).replayed())
                .isFalse();
        assertThat(world.key().creationId()).isNotEqualTo(before.creationId());
    }

    @ParameterizedTest
    @CsvSource({
        "RETRY, LOCKED, Locked",
        "RETRY, FINISHED, AlreadyFinished",
        "RETRY, EXPIRED, NotFound",
        "RETRY, ABSENT, NotFound",
        "FINISH, LOCKED, Locked",
        "FINISH, FINISHED, AlreadyFinished",
        "FINISH, EXPIRED, NotFound",
        "FINISH, ABSENT, NotFound",
        "DISCARD, LOCKED, Locked",
        "DISCARD, FINISHED, AlreadyFinished",
        "DISCARD, EXPIRED, NotFound",
        "DISCARD, ABSENT, NotFound"
    })
    void anOperatorCanNotTouchWhatIsHeldFinishedOrNotThere(Action action, State state, String refusal) {
        World<List<String>> world = new World<>(this);
        Optional<StoredKey> before = world.put(state);

        Throwable refused = catchThrowable(() -> action.on(new OperatorActions(world.service), world.id));

        assertThat(refused.getClass().getSimpleName()).isEqualTo(refusal);
        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource
    void anOperatorLosesAgainstAWorkerThatTakesTheKeyMeanwhile(Action action) {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        List<HeldKey> held = new ArrayList<>();
        world.store.before(Call.REPLACE, () -> held.add(world.other.lock(world.id)));

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> action.on(new OperatorActions(world.service), world.id));

        assertThat(world.other.workStage(held.get(0), world.inserting("order", World.respond())))
                .isNotNull();
        assertThat(world.read("order")).isPresent();
    }

    @ParameterizedTest
    @EnumSource
    void aWorkerLosesAgainstAnOperatorWhoActsAfterItsLease(Action action) {
        World<List<String>> world = new World<>(this);
        HeldKey held = world.hold();
        world.pass(LEASE);
        action.on(new OperatorActions(world.other), world.id);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(held, world.inserting("order", World.respond())));

        assertThat(world.read("order")).isEmpty();
    }

    @Test
    void quarantinedKeysAreListedPageByPage() {
        World<List<String>> world = World.emptyOf(this);
        for (String value : List.of("c", "a", "b")) {
            world.put(world.id(value), State.QUARANTINED, World.NAME, STARTED);
        }
        world.put(State.OPEN);
        OperatorActions actions = new OperatorActions(world.service);

        List<IdempotencyKey> first = actions.listQuarantined(null, 2);
        List<IdempotencyKey> second = actions.listQuarantined(first.get(1).id(), 2);

        assertThat(first).extracting(key -> key.id().value()).containsExactly("a", "b");
        assertThat(second).extracting(key -> key.id().value()).containsExactly("c");
    }

    @Test
    void unfinishedKeysAreListedScopeByScope() {
        World<List<String>> world = World.emptyOf(this);
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, "another-operation", World.UNKNOWN_POINT);
        }
        Operation<List<String>> failing = failing(world).backoff(DAY, DAY).build();
        KeyId resting = new KeyId(world.scope + "-2", "resting");
        assertThat(catchThrowable(() -> world.service.run(failing, resting, REQUEST)))
                .isInstanceOf(OutOfStock.class);
        OperatorActions actions = new OperatorActions(world.service);

        List<IdempotencyKey> first = actions.listUnfinished(null, 100);
        List<IdempotencyKey> second = actions.listUnfinished(world.scope, 100);

        assertThat(first)
                .extracting(key -> key.id().value())
                .containsExactly(State.OPEN.name(), State.LEASE_OVER.name(), State.LOCKED.name());
        assertThat(second).extracting(IdempotencyKey::id).containsExactly(resting);
        assertThat(actions.listUnfinished(null, 1)).isEqualTo(first.subList(0, 1));
        assertThat(actions.listUnfinished(resting.scope(), 100)).isEmpty();
    }

    @Test
    void anOperatorsBadInputIsRefusedBeforeAnythingChanges() {
        World<List<String>> world = new World<>(this);
        Optional<StoredKey> before = world.put(State.QUARANTINED);
        OperatorActions actions = new OperatorActions(world.service);

        assertThatIllegalArgumentException().isThrownBy(() -> actions.retry(world.id, "a\nb"));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.discard(world.id, "x".repeat(101)));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listQuarantined(null, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listUnfinished(null, 10_001));
        for (String scope : List.of("a b", "a\u0000", "\u00e9", "\ud800", "x".repeat(KeyId.MAX_LENGTH + 1))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> actions.listUnfinished(scope, 1))
                    .withMessageContaining("argument 'afterScope'");
        }
        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> actions.finish(
                        world.id, Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]), "a"));

        assertThat(world.find()).isEqualTo(before);
    }

    @Test
    void theReaperRemovesWhatHasExpiredAndNothingElse() {
        World<List<String>> world = World.emptyOf(this);
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, World.NAME, STARTED);
        }

        assertThat(new Reaper(world.service).runOnce()).isEqualTo(2);

        for (State state : State.values()) {
            boolean stays = state != State.ABSENT && !state.isExpired();
            assertThat(world.store.find(world.id(state.name())).isPresent())
                    .as(state.name())
                    .isEqualTo(stays);
        }
    }

    @Test
    void theReaperGoesOnBatchAfterBatch() {
        World<List<String>> world = World.emptyOf(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        for (int i = 0; i < 7; i++) {
            world.put(world.id("key-" + i), State.EXPIRED, World.NAME, STARTED);
        }

        assertThat(new Reaper(service, 3).runOnce()).isEqualTo(7);
        assertThat(new Reaper(service, 3).runOnce()).isZero();

        assertThat(events).containsExactly(new KeyEvent.Expired(7, Duration.ZERO));
    }

    @Test
    void aListenerIsToldWhatHappensInOrder() {
        World<List<String>> world = new World<>(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> runner =
                world.builder(world.store).listener(events::add).build();
        Operation<List<String>> operation = twoStages(world);

        world.store.next(Call.COMMIT_STAGE, Fault.TRANSIENT);
        runner.run(operation, world.id, REQUEST);
        runner.run(operation, world.id, REQUEST);
        assertThat(catchThrowable(() -> runner.run(operation, world.id, World.OTHER_REQUEST)))
                .isInstanceOf(IdempotencyException.Mismatch.class);

        assertThat(kinds(events))
                .containsExactly(
                        "Created",
                        "StageRetried",
                        "StageCommitted",
                        "StageCommitted",
                        "Finished",
                        "Replayed",
                        "Refused");
        assertThat(events)
                .filteredOn(event -> event instanceof KeyEvent.StageCommitted)
                .extracting(event -> ((KeyEvent.StageCommitted) event).tries())
                .containsExactly(2, 1);
    }

    @Test
    void aListenerIsToldOfTakeoversFencesAndFailures() {
        World<List<String>> world = new World<>(this);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        HeldKey stale = world.hold();
        world.pass(LEASE);

        HeldKey held = service.lock(world.id);
        assertThat(catchThrowable(() -> service.workStage(stale, world.inserting("order", World.respond()))))
                .isInstanceOf(IdempotencyException.StaleKey.class);
        assertThat(catchThrowable(() -> service.workStage(held, stage -> {
                    throw new OutOfStock();
                })))
                .isInstanceOf(OutOfStock.class);
        service.lock(world.id);
        assertThat(catchThrowable(() -> service.lock(world.id))).isInstanceOf(IdempotencyException.Locked.class);

        assertThat(kinds(events))
                .containsExactly("TakenOver", "FencedOff", "Refused", "StageRolledBack", "Locked", "Refused");
    }

    @Test
    void aListenerThatThrowsHarmsNothing() {
        World<List<String>> world = new World<>(this);
        IdempotencyKeyService<List<String>> runner = world.builder(world.store)
                .listener(event -> {
                    throw new IllegalStateException("a broken listener");
                })
                .build();

        assertThat(runner.run(twoStages(world), world.id, REQUEST).response()).isEqualTo(RESPONSE);
        assertThat(runner.run(twoStages(world), world.id, REQUEST).replayed()).isTrue();
    }

    private static List<String> kinds(Queue<KeyEvent> events) {
        return events.stream().map(event -> event.getClass().getSimpleName()).toList();
    }

    /** What a shop throws. */
    private static final class OutOfStock extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OutOfStock() {
            super("no \n left");
        }
    }

    private static Instant millis(World<?> world) {
        return world.now().truncatedTo(ChronoUnit.MILLIS);
    }

    private Completer<List<String>> completer(World<List<String>> world, Operation<List<String>> operation) {
        // A service of its own, as another process has.
        return completer(world.builder(world.store).build(), operation);
    }

    private Completer<List<String>> completer(
            IdempotencyKeyService<List<String>> service, Operation<List<String>> operation) {
        return Completer.builder(service)
                .operation(operation)
                .abandonedAfter(THRESHOLD)
                .build();
    }

    private Operation<List<String>> twoStages(World<List<String>> world) {
        return world.service
                .operation(World.NAME)
                .branch(STARTED, world.inserting("tax", StageOutcome.advanceTo(TAXED)))
                .branch(TAXED, world.inserting("order", World.respond()))
                .build();
    }

    /** Fails at {@code started}, is completed all the same, and responds at {@code tax_lines_created}. */
    private Operation.Builder<List<String>> failing(World<List<String>> world) {
        return world.service
                .operation(World.NAME)
                .completeAfterFailure()
                .branch(STARTED, stage -> {
                    world.insert(stage, "never");
                    throw new OutOfStock();
                })
                .branch(TAXED, stage -> World.respond());
    }

    private Operation<List<String>> responding(World<List<String>> world) {
        WorkStage<List<String>> unexpected = stage -> {
            throw new AssertionError("not to be run");
        };
        return world.service
                .operation(World.NAME)
                .branch(STARTED, unexpected)
                .branch(TAXED, stage -> World.respond())
                .build();
    }

    private Operation.Builder<List<String>> redacting(World<List<String>> world, List<Object> seen) {
        return world.service
                .operation(World.NAME)
                .redact(parameters -> Map.of("email", "***"))
                .branch(STARTED, stage -> {
                    seen.add(String.valueOf(stage.request().parameters().get("email")));
                    return StageOutcome.advanceTo(PAID);
                })
                .branch(PAID, stage -> {
                    seen.add(String.valueOf(stage.request().parameters().get("email")));
                    return World.respond();
                });
    }
}
