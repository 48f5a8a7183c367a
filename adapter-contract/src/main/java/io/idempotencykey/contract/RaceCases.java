package io.idempotencykey.contract;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.WorkStage;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Many threads at once, with the store's own time and real waits between tries. */
interface RaceCases<T> extends StoreFixture<T> {
    /** How many threads race for one key. */
    int CROWD = 64;

    /** How many do where each writes. */
    int GROUP = 8;

    @Test
    default void sixtyFourThreadsOnOneKeyRunItOnceAndAllGetTheSameBytes() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> runner = askingTheStore(store());
        CountDownLatch done = new CountDownLatch(1);
        AtomicInteger executed = new AtomicInteger();
        Operation<T> operation = world.threeStages();

        List<Response> responses = Threads.atOnce(CROWD, () -> {
            Execution execution;
            try {
                execution = runner.run(operation, world.id, World.REQUEST);
            } catch (IdempotencyException.Locked inFlight) {
                Threads.await(done);
                execution = runner.run(operation, world.id, World.REQUEST);
            }
            if (!execution.replayed()) {
                executed.incrementAndGet();
                done.countDown();
            }
            return execution.response();
        });

        assertThat(executed).hasValue(1);
        assertThat(responses).hasSize(CROWD).containsOnly(World.RESPONSE);
        assertThat(world.read("tax")).contains("written");
        assertThat(world.read("payment")).contains("written");
        assertThat(world.read("order")).contains("written");
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    default void threadsOnDifferentKeysDoNotDisturbEachOther() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> runner = askingTheStore(store());
        AtomicInteger names = new AtomicInteger();

        List<Boolean> replayed = Threads.atOnce(2 * GROUP, () -> {
            boolean any = false;
            for (int i = 0; i < 4; i++) {
                String name = "key-" + names.incrementAndGet();
                Operation<T> operation = world.service
                        .operation(World.NAME)
                        .branch(
                                RecoveryPoint.STARTED,
                                world.inserting(name + "/1", StageOutcome.advanceTo(World.TAXED)))
                        .branch(World.TAXED, world.inserting(name + "/2", World.respond()))
                        .build();
                any |= runner.run(operation, world.id(name), World.REQUEST).replayed();
            }
            return any;
        });

        assertThat(replayed).containsOnly(false);
        assertThat(IntStream.rangeClosed(1, 8 * GROUP)).allSatisfy(i -> {
            assertThat(world.read("key-" + i + "/1")).isPresent();
            assertThat(world.read("key-" + i + "/2")).isPresent();
        });
    }

    /** With the key absent, or expired. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    default void sixtyFourThreadsOnOneKeyCommitOneSingleStageAndAllGetItsBytes(boolean expired) {
        World<T> world = new World<>(this);
        if (expired) {
            putLongAgo(world.id, EXPIRED);
        }
        IdempotencyKeyService<T> runner = askingTheStore(store());
        AtomicInteger runs = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(1);
        WorkStage.Answer<T, Response> numbered = stage -> {
            String run = "run-" + runs.incrementAndGet();
            world.insert(stage, run);
            return Response.of(200, "text/plain", run);
        };

        List<Execution> executions = Threads.atOnce(CROWD, () -> {
            Execution execution;
            try {
                execution = runner.once(World.NAME, world.id, World.REQUEST, numbered);
            } catch (IdempotencyException.Locked inFlight) {
                Threads.await(done);
                execution = runner.once(World.NAME, world.id, World.REQUEST, numbered);
            }
            done.countDown();
            return execution;
        });

        List<String> committed = IntStream.rangeClosed(1, runs.get())
                .mapToObj(run -> "run-" + run)
                .filter(run -> world.read(run).isPresent())
                .toList();
        assertThat(committed).hasSize(1);
        assertThat(executions).extracting(Execution::replayed).containsOnlyOnce(false);
        assertThat(executions)
                .extracting(Execution::response)
                .containsOnly(Response.of(200, "text/plain", committed.get(0)));
    }

    @Test
    default void aSingleStagesResponseIsReplayedToManyThreadsAtOnce() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> runner = askingTheStore(store());
        Callable<Execution> once = () -> runner.once(World.NAME, world.id, World.REQUEST, stage -> World.RESPONSE);
        Execution first = Threads.elsewhere(once);

        List<Execution> replays = Threads.atOnce(CROWD, once);

        assertThat(replays).containsOnly(new Execution(first.key(), World.RESPONSE, true));
    }

    @Test
    default void singleStagesOfDifferentKeysDoNotDisturbEachOther() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> runner = askingTheStore(store());
        AtomicInteger names = new AtomicInteger();

        List<Boolean> replayed = Threads.atOnce(2 * GROUP, () -> {
            boolean any = false;
            for (int i = 0; i < 4; i++) {
                String name = "key-" + names.incrementAndGet();
                any |= runner.once(World.NAME, world.id(name), World.REQUEST, stage -> {
                            world.insert(stage, name);
                            return World.RESPONSE;
                        })
                        .replayed();
            }
            return any;
        });

        assertThat(replayed).containsOnly(false);
        assertThat(IntStream.rangeClosed(1, 8 * GROUP))
                .allSatisfy(i -> assertThat(world.read("key-" + i)).isPresent());
    }

    @Test
    default void aValueIsCreatedByOneOfManyThreads() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> service = askingTheStore(store());

        List<Boolean> created = Threads.atOnce(GROUP, () -> {
            try {
                service.create(world.scope, world.id.value(), World.REQUEST);
                return true;
            } catch (IdempotencyException.KeyExists | IdempotencyException.Locked e) {
                return false;
            }
        });

        assertThat(created).containsOnlyOnce(true);
    }

    /** Expired at any store's time. */
    KeyState EXPIRED = new KeyState.Finished(World.RESPONSE, Instant.EPOCH, Instant.EPOCH);

    /** Keys that are free at any store's time, and how many attempts one of them counts when it is taken. */
    static Stream<Arguments> freeKeys() {
        return Stream.of(
                Arguments.of(new KeyState.Open(RecoveryPoint.STARTED, Instant.EPOCH), 4),
                Arguments.of(new KeyState.Failed(Instant.parse("9999-01-01T00:00:00Z")), 4),
                Arguments.of(new KeyState.Locked(RecoveryPoint.STARTED, Instant.EPOCH, Instant.EPOCH), 4),
                Arguments.of(EXPIRED, 1),
                Arguments.of(new KeyState.Failed(Instant.EPOCH), 1));
    }

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.RaceCases#freeKeys")
    default void aFreeKeyIsTakenByOneOfManyThreads(KeyState free, int attempts) {
        World<T> world = new World<>(this);
        putLongAgo(world.id, free);
        IdempotencyKeyService<T> service = askingTheStore(store());

        List<Boolean> claimed = Threads.atOnce(GROUP, () -> {
            try {
                return service.claim(world.id, World.REQUEST) instanceof Claim.Claimed;
            } catch (IdempotencyException.Locked rowIsHeld) {
                return false;
            }
        });

        assertThat(claimed).containsOnlyOnce(true);
        assertThat(world.key().attempts()).isEqualTo(attempts);
    }

    private void putLongAgo(KeyId id, KeyState state) {
        assertThat(store().insert(Samples.stored(
                        id, "", World.REQUEST, Fingerprint.of("", World.REQUEST), Instant.EPOCH, state)))
                .isTrue();
    }

    /** In the weakest isolation, only the key keeps the threads from overwriting each other. */
    @Test
    default void aCounterThatOnlyTheKeyProtectsLosesNoUpdate() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> service = askingTheStore(store());
        Isolation weakest = Collections.min(store().isolations());
        service.create(world.scope, world.id.value(), World.REQUEST);
        HeldKey first = World.held(service.workStage(service.lock(world.id), stage -> {
            insert(stage.transaction(), world.row("counter"), "0");
            return StageOutcome.advanceTo(World.TAXED);
        }));
        service.unlock(first);
        int bumps = 0;

        for (int round = 0; round < 5; round++) {
            bumps += Threads.atOnce(GROUP, () -> bump(world, service, weakest)).stream()
                    .mapToInt(Integer::intValue)
                    .sum();
        }

        assertThat(bumps).isBetween(5, 5 * GROUP);
        assertThat(world.read("counter")).contains(Integer.toString(bumps));
    }

    /** Returns how many bumps are committed; a thread that doesn't get the lock leaves it at that. */
    private int bump(World<T> world, IdempotencyKeyService<T> service, Isolation isolation) {
        HeldKey held;
        try {
            held = service.lock(world.id);
        } catch (IdempotencyException.Locked another) {
            return 0;
        }
        HeldKey next = World.held(service.workStage(held, isolation, stage -> {
            int counter = Integer.parseInt(
                    read(stage.transaction(), world.row("counter")).orElseThrow());
            Thread.onSpinWait();
            update(stage.transaction(), world.row("counter"), Integer.toString(counter + 1));
            return StageOutcome.advanceTo(World.TAXED);
        }));
        service.unlock(next);
        return 1;
    }

    @Test
    default void ofTwoStagesOfOneKeyOneCommits() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        CountDownLatch bothRun = new CountDownLatch(2);
        AtomicInteger names = new AtomicInteger();

        List<Boolean> committed = Threads.atOnce(2, () -> {
            String row = "row " + names.incrementAndGet();
            try {
                world.service.workStage(held, stage -> {
                    world.insert(stage, row);
                    bothRun.countDown();
                    Threads.await(bothRun);
                    return World.respond();
                });
                assertThat(world.read(row)).isPresent();
                return true;
            } catch (IdempotencyException.StaleKey | IdempotencyException.RetriesExhausted e) {
                // Its waits take no time, so its tries can be used up while the other one commits.
                assertThat(world.read(row)).isEmpty();
                return false;
            }
        });

        assertThat(committed).containsExactlyInAnyOrder(true, false);
    }

    @Test
    default void aRenewalDuringAStageAndTheStageAreNotBothMade() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        AtomicBoolean renewed = new AtomicBoolean();
        boolean committed;
        try {
            world.service.workStage(held, stage -> {
                world.insert(stage, "a");
                Threads.elsewhere(() -> {
                    try {
                        world.other.renew(held);
                        renewed.set(true);
                    } catch (IdempotencyException.Locked | IdempotencyException.StaleKey refused) {
                        renewed.set(false);
                    }
                    return null;
                });
                return World.respond();
            });
            committed = true;
        } catch (IdempotencyException.StaleKey fencedOff) {
            committed = false;
        }

        assertThat(committed).isNotEqualTo(renewed.get());
        assertThat(world.read("a").isPresent()).isEqualTo(committed);
        assertThat(world.key().recoveryPoint()).isEqualTo(committed ? RecoveryPoint.FINISHED : RecoveryPoint.STARTED);
    }

    /** Creates a key, again if the reaper holds its row for too long. */
    private static <T> void create(IdempotencyKeyService<T> service, KeyId id) {
        for (int tries = 0; tries < CROWD; tries++) {
            try {
                service.create(id.scope(), id.value(), World.OTHER_REQUEST);
                return;
            } catch (IdempotencyException.Locked rowIsHeld) {
                // The reaper's delete ends soon.
            }
        }
        throw new AssertionError("the row of " + id + " stays held");
    }

    @Test
    default void aKeyThatIsCreatedAnewIsNotReaped() {
        World<T> world = World.emptyOf(this);
        KeyStore<T> store = store();
        List<KeyId> ids = IntStream.range(0, 5 * GROUP)
                .mapToObj(i -> world.id("key-" + i))
                .toList();
        for (KeyId id : ids) {
            putLongAgo(id, EXPIRED);
        }
        IdempotencyKeyService<T> service = askingTheStore(store);
        Future<Integer> reaped = Threads.begin(() -> {
            int deleted = 0;
            for (int i = 0; i < 5 * GROUP; i++) {
                try {
                    deleted += store.deleteExpired(World.START, 1);
                } catch (StoreFailure e) {
                    // A deadlock with who creates a key anew, of which either may be the victim: a reaper comes again.
                    assertThat(e.kind()).isIn(StoreFailure.Kind.TRANSIENT, StoreFailure.Kind.BUSY);
                }
            }
            return deleted;
        });

        for (KeyId id : ids) {
            create(service, id);
        }

        assertThat(Threads.get(reaped)).isBetween(0, ids.size());
        assertThat(ids)
                .allSatisfy(id ->
                        assertThat(store.find(id).orElseThrow().key().request()).isEqualTo(World.OTHER_REQUEST));
    }

    @Test
    default void completersSideBySideCompleteEachRequestOnce() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .branch(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "order-" + stage.key().id().value());
                    return World.respond();
                })
                .build();
        int requests = 24;
        for (int i = 0; i < requests; i++) {
            world.put(world.id("key-" + i), World.NAME, World.OPEN);
        }
        world.pass(Duration.ofMillis(1));

        List<Integer> finished = Threads.atOnce(4, () -> {
            int sum = 0;
            for (int done = -1; done != 0; sum += done) {
                // On a nearly empty table, some stores see conflicts between any two keys.
                done = Completer.builder(
                                world.builder(world.store).maxTries(200).build())
                        .operation(operation)
                        .abandonedAfter(Duration.ZERO)
                        .build()
                        .runOnce();
            }
            return sum;
        });

        assertThat(finished.stream().mapToInt(Integer::intValue).sum()).isEqualTo(requests);
        for (int i = 0; i < requests; i++) {
            assertThat(world.read("order-key-" + i)).isPresent();
        }
    }
}
