package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.DAY;
import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.THRESHOLD;
import static io.idempotencykey.service.Carts.completer;
import static io.idempotencykey.service.Carts.failing;
import static io.idempotencykey.service.Carts.responding;
import static io.idempotencykey.service.Carts.twoStages;
import static io.idempotencykey.service.ListenerTest.kinds;
import static io.idempotencykey.service.World.LEASE;
import static io.idempotencykey.service.World.REQUEST;
import static io.idempotencykey.service.World.RESPONSE;
import static io.idempotencykey.service.World.TAXED;
import static io.idempotencykey.service.World.UNKNOWN_POINT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Carts.OutOfStock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.RejectedExecutionHandler;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What becomes of requests whose client is gone. */
class CompleterTest {
    @ParameterizedTest
    @CsvSource({"OPEN, started", "OPEN, tax_lines_created", "LEASE_OVER, started", "LEASE_OVER, tax_lines_created"})
    void anAbandonedRequestIsCompletedFromItsRecoveryPoint(State state, String at) {
        World world = new World();
        world.put(state, NAME, RecoveryPoint.named(at));
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
        World world = new World();
        world.put(State.LEASE_OVER, NAME, STARTED);
        world.pass(THRESHOLD);

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);

        world.pass(Duration.ofMillis(1));
        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "FINISHED", "EXPIRED", "FAILED_EXPIRED", "QUARANTINED", "FAILED"})
    void whatIsNotAbandonedIsNotTouched(State state) {
        World world = new World();
        Optional<StoredKey> before = world.put(state, NAME, STARTED);
        world.pass(DAY.multipliedBy(30));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.find()).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({"another-operation, started", "complete-cart, of_a_newer_version"})
    void whatThisVersionDoesNotKnowIsLeftToOnesThatDo(String operation, String at) {
        World world = new World();
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
        World world = new World();
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
        World world = new World();
        for (int i = 0; i < 70; i++) {
            world.put(world.id("unknown-" + i), State.OPEN, NAME, UNKNOWN_POINT);
        }
        world.pass(Duration.ofMillis(1));
        world.put(State.OPEN, NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);
    }

    @Test
    void aFailedRequestRestsLongerAfterEachAttempt() {
        World world = new World();
        world.put(State.OPEN, NAME, STARTED);
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
        World world = new World();
        Operation<List<String>> operation = failing(world).maxAttempts(2).build();
        for (int i = 0; i < 2; i++) {
            assertThat(catchThrowable(() -> world.service.run(operation, world.id, REQUEST)))
                    .isInstanceOf(OutOfStock.class);
        }

        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Quarantined.class,
                        state -> assertThat(state.reason())
                                .isEqualTo("attempts that failed since the last committed stage: 2"));
        assertThat(world.key().lastError()).isEqualTo(OutOfStock.class.getName() + ": no ? left");
        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.run(operation, world.id, REQUEST));
        world.pass(DAY.multipliedBy(2));
        assertThat(completer(world, operation).runOnce()).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Quarantined.class);
    }

    @Test
    void aCommittedStageGivesTheNextOneAllAttemptsAnew() {
        World world = new World();
        int[] runs = {0};
        Operation<List<String>> operation = world.service
                .operation(NAME)
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
        World world = new World();
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
    void aSlowScopeDoesNotHoldUpTheOthers() {
        World world = new World();
        CountDownLatch quickIsDone = new CountDownLatch(1);
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> {
                    if (stage.key().id().value().equals("quick")) {
                        quickIsDone.countDown();
                    } else {
                        Threads.await(quickIsDone);
                    }
                    return World.respond();
                })
                .build();
        world.put(new KeyId("a-" + world.scope, "slow"), State.OPEN, NAME, STARTED);
        world.put(new KeyId("b-" + world.scope, "quick"), State.OPEN, NAME, STARTED);
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
        World world = new World();
        AtomicInteger runs = new AtomicInteger();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> {
                    runs.incrementAndGet();
                    Thread.currentThread().interrupt();
                    throw new IllegalStateException("interrupted");
                })
                .build();
        for (String name : List.of("a", "b", "c")) {
            world.put(new KeyId(name + world.scope, "key"), State.OPEN, NAME, STARTED);
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

    /** The search for keys that nobody knows takes keys, too. */
    @Test
    void anInterruptedCompleterPutsNoKeyAside() {
        World world = new World();
        world.put(State.OPEN, "another-operation", STARTED);
        world.pass(DAY.plusMillis(1));

        Threads.elsewhere(() -> {
            Thread.currentThread().interrupt();
            return completer(world, twoStages(world)).runOnce();
        });

        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
        assertThat(completer(world, twoStages(world)).runOnce()).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Quarantined.class);
    }

    /** Resumed by its client or by the completer, from an open key or a lease that is over, and reached by a commit. */
    @ParameterizedTest
    @CsvSource({"OPEN, true", "OPEN, false", "LEASE_OVER, true", "LEASE_OVER, false"})
    void aStageIsHeldForItsOwnLease(State state, boolean completed) {
        World world = new World();
        Duration longer = State.SINCE.multipliedBy(3);
        List<Duration> leases = new ArrayList<>();
        WorkStage.Action<List<String>> noting = stage -> {
            KeyState.Locked locked = (KeyState.Locked) stage.key().state();
            leases.add(Duration.between(world.millis(), locked.leaseEnds()));
        };
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .stage(STARTED, noting, StageOption.lease(Duration.ofSeconds(1)))
                .stage(TAXED, noting, StageOption.lease(longer))
                .stage(World.PAID, noting, StageOption.lease(Duration.ofSeconds(7)))
                .respond(UNKNOWN_POINT, stage -> {
                    noting.run(stage);
                    return RESPONSE;
                })
                .build();
        world.put(state, NAME, TAXED);
        world.pass(THRESHOLD.plusMillis(1));

        if (completed) {
            assertThat(completer(world, operation).runOnce()).isEqualTo(1);
        } else {
            world.service.run(operation, world.id, REQUEST);
        }

        assertThat(leases).containsExactly(longer, Duration.ofSeconds(7), LEASE);
    }

    /** The bound is ten times the lease of the stage that is taken over, and not of the first one. */
    @Test
    void aLeaseThatIsTakenOverGrowsToTheBoundOfItsOwnStage() {
        World world = new World();
        List<Duration> leases = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .stage(STARTED, stage -> {}, StageOption.lease(Duration.ofSeconds(1)))
                .respond(
                        TAXED,
                        stage -> {
                            KeyState.Locked locked =
                                    (KeyState.Locked) stage.key().state();
                            leases.add(Duration.between(world.millis(), locked.leaseEnds()));
                            return RESPONSE;
                        },
                        StageOption.lease(Duration.ofSeconds(10)))
                .build();
        world.put(State.LEASE_OVER, NAME, TAXED);

        world.service.run(operation, world.id, REQUEST);

        assertThat(State.SINCE.multipliedBy(2)).isGreaterThan(Duration.ofSeconds(100));
        assertThat(leases).containsExactly(Duration.ofSeconds(100));
    }

    @Test
    void whatAnInterruptedCompleterHasHandedOutIsNotTaken() {
        World world = new World();
        world.put(State.OPEN, NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .respond(STARTED, stage -> World.RESPONSE)
                .build();

        int finished = Threads.elsewhere(() -> Completer.builder(world.service)
                .operation(operation)
                .abandonedAfter(THRESHOLD)
                .executor(task -> {
                    Thread.currentThread().interrupt();
                    CountDownLatch ran = new CountDownLatch(1);
                    Threads.start(() -> {
                        task.run();
                        ran.countDown();
                    });
                    // Any other way to wait would end, or hide, the interruption.
                    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                    while (ran.getCount() > 0 && System.nanoTime() - end < 0) {
                        Thread.onSpinWait();
                    }
                })
                .build()
                .runOnce());

        assertThat(finished).isZero();
        assertThat(world.state()).isInstanceOf(KeyState.Open.class);
    }

    @Test
    void aNoisyScopeDoesNotHoldUpTheOthers() {
        World world = new World();
        for (int i = 0; i < 30; i++) {
            world.put(new KeyId("a-" + world.scope, "key-" + i), State.OPEN, NAME, TAXED);
        }
        world.pass(Duration.ofSeconds(1));
        KeyId quiet = new KeyId("b-" + world.scope, "key");
        world.put(quiet, State.OPEN, NAME, TAXED);
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
        World world = new World();
        world.put(world.id("poison"), State.OPEN, NAME, STARTED);
        for (int i = 0; i < 5; i++) {
            world.put(world.id("key-" + i), State.OPEN, NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, failing(world).build()).runOnce()).isEqualTo(5);
        assertThat(completer(world, failing(world).build()).runOnce()).isZero();
        assertThat(world.other.retrieve(world.id("poison")).failedAttempts()).isEqualTo(2);
    }

    @Test
    void aRunTakesNoMoreThanItsBatch() {
        World world = new World();
        for (int i = 0; i < 5; i++) {
            world.put(world.id("key-" + i), State.OPEN, NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));
        Completer<List<String>> completer = Completer.builder(world.other)
                .operation(responding(world))
                .batchSize(2)
                .build();

        assertThat(List.of(completer.runOnce(), completer.runOnce(), completer.runOnce(), completer.runOnce()))
                .containsExactly(2, 2, 1, 0);
    }

    /** A scope's share is two of eleven. */
    @Test
    void aRunTakesNoMoreThanItsBatchThoughItsSharesDoNotAddUpToIt() {
        World world = new World();
        abandoned(world, 13);
        Completer<List<String>> completer = Completer.builder(world.service)
                .operation(responding(world))
                .batchSize(11)
                .build();

        assertThat(List.of(completer.runOnce(), completer.runOnce())).containsExactly(11, 2);
    }

    @Test
    void aRunHandsOutItsWholeBatchThoughNoneOfItIsThroughYet() {
        World world = new World();
        abandoned(world, 100);
        List<Runnable> later = new ArrayList<>();

        int finished = Completer.builder(world.service)
                .operation(responding(world))
                .batchSize(100)
                .executor(later::add)
                .build()
                .runOnce();

        assertThat(later).hasSize(100);
        assertThat(finished).isEqualTo(100);
    }

    @Test
    void aScopeWithoutAnotherRequestDoesNotEndTheTurnsOfTheOthers() {
        World world = new World();
        world.put(new KeyId("a-" + world.scope, "key"), State.OPEN, NAME, TAXED);
        abandoned(world, 9);
        List<Runnable> later = new ArrayList<>();

        int finished = Completer.builder(world.service)
                .operation(responding(world))
                .batchSize(8)
                .executor(later::add)
                .build()
                .runOnce();

        assertThat(finished).isEqualTo(8);
    }

    /** Two instances that begin at the same moment would else reach for the same keys, one after the other. */
    @Test
    void requestsAreNotTakenInTheOrderInWhichTheyWait() {
        World world = new World();
        abandoned(world, 8);
        List<String> waiting = world.store.findResumable(Map.of(), null, world.now(), 8).stream()
                .map(found -> found.id().value())
                .toList();
        List<String> taken = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> World.respond())
                .branch(TAXED, stage -> {
                    taken.add(stage.key().id().value());
                    return World.respond();
                })
                .build();

        assertThat(Completer.builder(world.service)
                        .operation(operation)
                        .batchSize(32)
                        .build()
                        .runOnce())
                .isEqualTo(8);

        assertThat(taken).containsExactlyInAnyOrderElementsOf(waiting).isNotEqualTo(waiting);
    }

    /** Rows that somebody edited. */
    @Test
    void aRequestThatCanNotBeReadIsPutAsideAndHoldsNobodyUp() {
        World world = new World();
        KeyId id = world.id("a-broken");
        putBroken(world, id);
        world.put(State.OPEN, NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));

        assertThat(completer(world, twoStages(world)).runOnce()).isEqualTo(1);

        assertThat(world.state()).isInstanceOf(KeyState.Finished.class);
        assertThat(world.service.retrieve(id).state())
                .isInstanceOfSatisfying(
                        KeyState.Quarantined.class,
                        state -> assertThat(state.reason()).isEqualTo("the stored request can't be read"));
    }

    @Test
    void aRequestThatCanNotBeReadIsNotTakenThoughItCanNotBePutAside() {
        World world = new World();
        StoredKey broken = putBroken(world, world.id);
        world.pass(THRESHOLD.plusMillis(1));
        world.store.next(Call.REPLACE, Fault.BUSY);

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.find()).contains(broken);
    }

    private static StoredKey putBroken(World world, KeyId id) {
        Request broken = Request.restored("POST", "/carts/42/complete", "{\"email\":", true);
        KeyState open = new KeyState.Open(STARTED, World.START.minusSeconds(60));
        StoredKey stored =
                World.stored(id, NAME, broken, Fingerprint.of(NAME, REQUEST), World.START.minusSeconds(60), open);
        assertThat(world.store.insert(stored)).isTrue();
        return stored;
    }

    @Test
    void anUnknownRequestThatCanNotBePutAsideIsToldAndHoldsNobodyUp() {
        World world = new World();
        world.put(world.id("one"), State.OPEN, "another-operation", STARTED);
        world.put(world.id("two"), State.OPEN, "another-operation", STARTED);
        world.pass(DAY);
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        world.store.next(Call.REPLACE, Fault.UNAVAILABLE);

        completer(world.builder(world.store).listener(events::add).build(), twoStages(world))
                .runOnce();

        assertThat(kinds(events)).containsExactlyInAnyOrder("CompletionFailed", "Quarantined");
    }

    @Test
    void aRequestThatAWorkerTookMeanwhileIsLeftToIt() {
        World world = new World();
        world.put(State.OPEN, NAME, STARTED);
        world.pass(THRESHOLD.plusMillis(1));
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id));

        assertThat(completer(world, twoStages(world)).runOnce()).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.stageRuns()).isZero();
    }

    @Test
    void anExecutorThatRefusesLeavesTheRequestForLater() {
        World world = new World();
        world.put(State.OPEN, NAME, STARTED);
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

    /** A queue that is shut down, or full, drops what it has taken, and nobody is told. */
    static Stream<Named<Executor>> executorsThatDrop() {
        return Stream.of(
                Named.of("all", task -> {}),
                Named.of("all but the first", new Executor() {
                    private final AtomicInteger taken = new AtomicInteger();

                    @Override
                    public void execute(Runnable task) {
                        if (taken.incrementAndGet() == 1) {
                            Threads.start(task);
                        }
                    }
                }),
                Named.of("the newest", pool(new ThreadPoolExecutor.DiscardPolicy())),
                Named.of("the oldest", pool(new ThreadPoolExecutor.DiscardOldestPolicy())));
    }

    private static ThreadPoolExecutor pool(RejectedExecutionHandler whenFull) {
        return new ThreadPoolExecutor(
                1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(1), CompleterTest::daemon, whenFull);
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "test");
        thread.setDaemon(true);
        return thread;
    }

    private static void abandoned(World world, int requests) {
        for (int i = 0; i < requests; i++) {
            world.put(world.id("key-" + i), State.OPEN, NAME, TAXED);
        }
        world.pass(THRESHOLD.plusMillis(1));
    }

    private static Completer.Builder<List<String>> eightAbandoned(World world, Operation<List<String>> operation) {
        abandoned(world, 8);
        return Completer.builder(world.service)
                .operation(operation)
                .abandonedAfter(THRESHOLD)
                .batchSize(8);
    }

    @ParameterizedTest
    @MethodSource("executorsThatDrop")
    void whatTheExecutorDropsIsCompletedAllTheSame(Executor executor) {
        World world = new World();
        Completer<List<String>> completer =
                eightAbandoned(world, responding(world)).executor(executor).build();

        assertThat(Threads.elsewhere(completer::runOnce)).isEqualTo(8);
    }

    @Test
    void aRunEndsThoughItsExecutorIsShutDownInTheMiddle() {
        World world = new World();
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), CompleterTest::daemon);
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch handedOut = new CountDownLatch(8);
        AtomicInteger runs = new AtomicInteger();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> World.respond())
                .branch(TAXED, stage -> {
                    if (runs.incrementAndGet() == 1) {
                        begun.countDown();
                        Threads.await(handedOut);
                        assertThat(pool.shutdownNow()).isNotEmpty();
                    }
                    return World.respond();
                })
                .build();
        Completer<List<String>> completer = eightAbandoned(world, operation)
                .executor(task -> {
                    pool.execute(task);
                    Threads.await(begun);
                    handedOut.countDown();
                })
                .build();

        assertThat(Threads.elsewhere(completer::runOnce)).isEqualTo(8);
    }

    /** While a request is under way, the others may still be waiting for their turn. */
    @Test
    void theThreadThatWaitsTakesNoRequestWhileAnotherIsUnderWay() {
        World world = new World();
        List<Runnable> taken = new ArrayList<>();
        List<Thread> waiting = new CopyOnWriteArrayList<>();
        CountDownLatch begun = new CountDownLatch(1);
        AtomicInteger runs = new AtomicInteger();
        List<Integer> begunMeanwhile = new ArrayList<>();
        Operation<List<String>> operation = world.service
                .operation(NAME)
                .branch(STARTED, stage -> World.respond())
                .branch(TAXED, stage -> {
                    int run = runs.incrementAndGet();
                    begun.countDown();
                    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                    while (run == 1
                            && runs.get() == 1
                            && (waiting.size() < 2 || waiting.get(1).getState() != Thread.State.WAITING)
                            && System.nanoTime() - end < 0) {
                        Thread.onSpinWait();
                    }
                    begunMeanwhile.add(runs.get() - run);
                    return World.respond();
                })
                .build();
        Completer<List<String>> completer = eightAbandoned(world, operation)
                .batchSize(2)
                .executor(task -> {
                    taken.add(task);
                    if (taken.size() == 1) {
                        Threads.start(task);
                        Threads.await(begun);
                    }
                    waiting.add(Thread.currentThread());
                })
                .build();

        assertThat(Threads.elsewhere(completer::runOnce)).isEqualTo(2);

        assertThat(begunMeanwhile).containsExactly(0, 0);
        // What has been begun once isn't begun again.
        taken.forEach(Runnable::run);
        assertThat(runs).hasValue(2);
    }

    @Test
    void whatAnInterruptedRunHasHandedOutIsNotBegunAfterItsEnd() {
        World world = new World();
        List<Runnable> later = new ArrayList<>();
        Completer<List<String>> completer = eightAbandoned(world, responding(world))
                .executor(task -> {
                    later.add(task);
                    Thread.currentThread().interrupt();
                })
                .build();

        Threads.elsewhere(() -> {
            assertThat(completer.runOnce()).isZero();
            assertThat(Thread.interrupted()).isTrue();
            later.forEach(Runnable::run);
            return later;
        });

        assertThat(later).isNotEmpty();
        assertThat(world.store.count(Call.REPLACE)).isZero();
    }

    @Test
    void aRunEndsWhenAllItsRequestsAreThrough() {
        World world = new World();
        for (int i = 0; i < 8; i++) {
            world.put(world.id("key-" + i), State.OPEN, NAME, TAXED);
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
    void aRequestThatAWorkerTakesMeanwhileIsNotQuarantined() {
        World world = new World();
        world.put(State.OPEN, "another-operation", STARTED);
        world.pass(DAY);
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id));

        completer(world, twoStages(world)).runOnce();

        assertThat(world.state()).isInstanceOf(KeyState.Locked.class);
    }

    /** What runs in one transaction leaves nothing to complete, but an earlier version may have left something. */
    @Test
    void anOperationThatRunsInOneTransactionIsNotAmongThoseCompletedThoughItsOldKeysAre() {
        World world = new World();
        Operation<List<String>> operation = world.service
                .operation(Carts.NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .build();
        world.put(State.LEASE_OVER, Carts.NAME, RecoveryPoint.STARTED);
        world.pass(Duration.ofDays(1));

        Completer<List<String>> completer =
                Completer.builder(world.service).operation(operation).build();

        assertThat(completer.completedOperations()).isEmpty();
        assertThat(completer.singleOperations()).containsExactly(Carts.NAME);
        assertThat(completer.runOnce()).isEqualTo(1);
        assertThat(world.key().recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
    }
}
