package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.WorkStage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests of one stage through the service: one transaction, which leaves a finished key or nothing. */
interface SingleCases<T> extends StoreFixture<T> {
    // Run and replayed

    @ParameterizedTest
    @MethodSource("io.idempotencykey.contract.Samples#responses")
    default void aRequestOfOneStageIsStoredFinishedAndReplayedAsItWas(Response response) {
        World<T> world = new World<>(this);

        Execution first = once(world, inserting(world, "a", response));
        Execution second = onceElsewhere(world, inserting(world, "b", World.RESPONSE));

        assertThat(first).isEqualTo(new Execution(world.key(), response, false));
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(response, World.START, World.START.plus(World.TIME_TO_LIVE)));
        assertThat(second).isEqualTo(new Execution(first.key(), response, true));
        assertThat(second.response().status()).isEqualTo(response.status());
        assertThat(second.response().headers().toString())
                .isEqualTo(response.headers().toString());
        assertThat(second.response().body()).isEqualTo(response.body());
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void anotherRequestIsRefusedByAKeyThatASingleStageFinished() {
        World<T> world = new World<>(this);
        IdempotencyKey finished =
                once(world, inserting(world, "a", World.RESPONSE)).key();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.other.once(
                        World.NAME, world.id, World.OTHER_REQUEST, inserting(world, "b", World.RESPONSE)));
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() ->
                        world.other.once("another", world.id, World.REQUEST, inserting(world, "b", World.RESPONSE)));

        assertThat(world.key()).isEqualTo(finished);
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void oneValueRunsOnceInEachOfTwoScopes() {
        World<T> world = new World<>(this);
        KeyId other = new KeyId(world.scope + "2", world.id.value());

        Execution first = once(world, inserting(world, "a", World.RESPONSE));
        Execution second = world.service.once(World.NAME, other, World.REQUEST, inserting(world, "b", World.RESPONSE));

        assertThat(first.replayed()).isFalse();
        assertThat(second.replayed()).isFalse();
        assertThat(world.key()).isEqualTo(first.key());
        assertThat(world.service.retrieve(other)).isEqualTo(second.key());
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("b")).contains("written");
    }

    @Test
    default void anExpiredRequestOfOneStageRunsAnew() {
        World<T> world = new World<>(this);
        Execution first = once(world, inserting(world, "a", World.RESPONSE));
        world.pass(World.TIME_TO_LIVE);

        Execution second =
                world.other.once(World.NAME, world.id, World.OTHER_REQUEST, inserting(world, "b", response(2)));

        assertThat(second).isEqualTo(new Execution(world.key(), response(2), false));
        assertThat(second.key().creationId()).isNotEqualTo(first.key().creationId());
        assertThat(second.key().createdAt()).isEqualTo(World.START.plus(World.TIME_TO_LIVE));
        assertThat(world.read("b")).contains("written");
    }

    /** It stands in the stage's way, and no longer when the service has learned that. */
    @Test
    default void aKeyThatExpiresBetweenTheLookAndTheAnswerRunsAnew() {
        World<T> world = new World<>(this);
        onceElsewhere(world, inserting(world, "a", World.RESPONSE));
        world.pass(World.TIME_TO_LIVE.minusMillis(1));
        world.store.afterNext(() -> world.pass(Duration.ofMillis(1)));

        Execution second =
                world.service.once(World.NAME, world.id, World.OTHER_REQUEST, inserting(world, "b", response(2)));

        assertThat(second).isEqualTo(new Execution(world.key(), response(2), false));
        assertThat(world.read("b")).contains("written");
    }

    @Test
    default void aSingleStagesHandleRefusesUseAfterTheStage() {
        World<T> world = new World<>(this);
        List<T> kept = new ArrayList<>();

        once(world, stage -> {
            kept.add(stage.transaction());
            return World.RESPONSE;
        });

        assertThatThrownBy(() -> insert(kept.get(0), world.row("late"), "written"))
                .isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }

    // Failed

    @Test
    default void aRequestOfOneStageThatThrowsLeavesNothingAndRunsAnew() {
        World<T> world = new World<>(this);
        IllegalStateException thrown = new IllegalStateException("no such cart");

        assertThatThrownBy(() -> once(world, stage -> {
                    world.insert(stage, "a");
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.find()).isEmpty();
        assertThat(world.read("a")).isEmpty();
        assertThat(onceElsewhere(world, inserting(world, "a", World.RESPONSE)))
                .isEqualTo(new Execution(world.key(), World.RESPONSE, false));
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void anExceptionThatIsTheAnswerOfASingleStageIsReplayed() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "a");
                    throw new ServiceCases.CartNotFound();
                })
                .answering(ServiceCases.CartNotFound.class, e -> ServiceCases.NO_SUCH_CART)
                .build();

        Execution first = world.service.run(operation, world.id, World.REQUEST);

        assertThat(first).isEqualTo(new Execution(world.key(), ServiceCases.NO_SUCH_CART, false));
        assertThat(onceElsewhere(world, inserting(world, "b", World.RESPONSE)))
                .isEqualTo(new Execution(world.key(), ServiceCases.NO_SUCH_CART, true));
        assertThat(world.read("a")).isEmpty();
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void nothingIsKeptOfAResponseThatIsTooLarge() {
        World<T> world = new World<>(this);
        IdempotencyKeyService<T> narrow =
                world.builder(world.store).maxResponseBytes(3).build();

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(
                        () -> narrow.once(World.NAME, world.id, World.REQUEST, inserting(world, "a", World.RESPONSE)));

        assertThat(world.find()).isEmpty();
        assertThat(world.read("a")).isEmpty();
        assertThat(onceElsewhere(world, inserting(world, "a", World.RESPONSE)).replayed())
                .isFalse();
    }

    // Rolled back, not answered, or late

    @ParameterizedTest
    @CsvSource({"TRANSIENT, 2", "LOST, 2", "MADE_BUT_UNANSWERED, 1"})
    default void aSingleStageThatWasRolledBackOrNotAnsweredIsCommittedOnce(
            DisturbedStore.Fault fault, int committedRun) {
        World<T> world = new World<>(this);
        world.store.next(fault);

        Execution execution = once(world, numbered(world, new AtomicInteger()));

        assertCommitted(world, committedRun, execution);
    }

    @ParameterizedTest
    @CsvSource({"TRANSIENT, 2", "LOST, 2", "MADE_BUT_UNANSWERED, 1"})
    default void anExpiredKeyIsReplacedOnceByASingleStageThatWasRolledBackOrNotAnswered(
            DisturbedStore.Fault fault, int committedRun) {
        World<T> world = new World<>(this);
        world.put(RaceCases.EXPIRED);
        world.store.next(fault);

        Execution execution = once(world, numbered(world, new AtomicInteger()));

        assertCommitted(world, committedRun, execution);
    }

    /** Until it lands, its transaction holds the key, and the stage doesn't run a second time. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    default void aSingleStagesCommitThatLandsAfterItWasLookedForIsTheOutcome(int looks) {
        World<T> world = new World<>(this);
        AtomicInteger runs = new AtomicInteger();
        world.store.commitLateAfter(DisturbedStore.Call.FIND, looks);

        Execution execution = once(world, numbered(world, runs));

        assertThat(world.store.landed()).isEqualTo(StageCommit.committed());
        assertThat(runs).hasValue(1);
        assertCommitted(world, 1, execution);
    }

    @Test
    default void aSingleStagesCommitThatDoesNotLandIsSettledByALaterCall() {
        World<T> world = new World<>(this);
        AtomicInteger runs = new AtomicInteger();
        IdempotencyKeyService<T> impatient =
                world.builder(world.store).maxTries(3).build();
        world.store.commitLateAfter(DisturbedStore.Call.FIND, Integer.MAX_VALUE);

        assertThatExceptionOfType(IdempotencyException.OutcomeUnknown.class)
                .isThrownBy(() -> impatient.once(World.NAME, world.id, World.REQUEST, numbered(world, runs)));
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> onceElsewhere(world, numbered(world, runs)));
        assertThat(world.find()).isEmpty();
        world.store.land();

        assertThat(world.store.landed()).isEqualTo(StageCommit.committed());
        assertThat(onceElsewhere(world, numbered(world, runs)))
                .isEqualTo(new Execution(world.key(), response(1), true));
        assertThat(runs).hasValue(1);
        assertThat(world.read("run-1")).contains("written");
    }

    // In flight

    @Test
    default void aRequestOfOneStageIsInFlightAsLongAsItRuns() {
        World<T> world = new World<>(this);

        Execution execution = once(world, stage -> {
            world.insert(stage, "a");
            assertThatExceptionOfType(IdempotencyException.Locked.class)
                    .isThrownBy(() ->
                            Threads.elsewhere(() -> onceElsewhere(world, inserting(world, "b", World.RESPONSE))));
            return World.RESPONSE;
        });

        assertThat(execution).isEqualTo(new Execution(world.key(), World.RESPONSE, false));
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void whoWaitsForASingleStageGetsItsBytes() {
        World<T> world = new World<>(this);

        Execution second = waitFor(world, inserting(world, "a", World.RESPONSE));

        assertThat(second).isEqualTo(new Execution(world.key(), World.RESPONSE, true));
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void whoWaitsForASingleStageThatFailsRunsTheRequest() {
        World<T> world = new World<>(this);

        Execution second = waitFor(world, stage -> {
            world.insert(stage, "a");
            throw new IllegalStateException("thrown by the first");
        });

        assertThat(second).isEqualTo(new Execution(world.key(), response(2), false));
        assertThat(world.read("a")).isEmpty();
        assertThat(world.read("b")).contains("written");
    }

    /** A second caller waits, and the first goes on when the second has found the key in flight. */
    private Execution waitFor(World<T> world, WorkStage.Answer<T, Response> first) {
        CountDownLatch runs = new CountDownLatch(1);
        CountDownLatch waits = new CountDownLatch(1);
        Future<Boolean> ended = Threads.begin(() -> {
            try {
                return once(world, stage -> {
                            runs.countDown();
                            Threads.await(waits);
                            return first.answer(stage);
                        })
                        .replayed();
            } catch (IllegalStateException thrown) {
                return false;
            }
        });
        Threads.await(runs);
        IdempotencyKeyService<T> patient = world.waitingFor(() -> {
            waits.countDown();
            assertThat(Threads.get(ended)).isFalse();
        });
        return patient.once(
                World.NAME, world.id, World.REQUEST, Duration.ofMinutes(1), inserting(world, "b", response(2)));
    }

    /** Its key isn't free as long as its transaction lives, be its lease over or not. */
    @Test
    default void ofASingleStageThatOutlivesItsLeaseAndTheNextOneIsCommitted() {
        World<T> world = new World<>(this);
        List<Execution> others = new ArrayList<>();

        Execution zombie = once(world, stage -> {
            world.insert(stage, "zombie");
            world.pass(World.LEASE.multipliedBy(2));
            Threads.elsewhere(() -> onceUnlessLocked(world.other, world, inserting(world, "other", response(2))))
                    .ifPresent(others::add);
            return response(1);
        });

        assertThat(zombie.response()).isEqualTo(response(others.isEmpty() ? 1 : 2));
        assertThat(world.read("zombie").isPresent()).isEqualTo(others.isEmpty());
        assertThat(world.read("other").isPresent()).isEqualTo(!others.isEmpty());
        assertThat(onceElsewhere(world, inserting(world, "later", response(3))))
                .isEqualTo(new Execution(world.key(), zombie.response(), true));
    }

    // One stage, and stage by stage

    @Test
    default void aRequestThatWasBegunStageByStageGoesOnSo() {
        World<T> world = new World<>(this);
        HeldKey dead = World.claimed(world.service.claim(staged(world, "dead"), world.id, World.REQUEST));
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> onceElsewhere(world, inserting(world, "too-early", World.RESPONSE)));
        world.pass(World.LEASE);

        Execution execution = onceElsewhere(world, inserting(world, "a", World.RESPONSE));

        assertThat(execution).isEqualTo(new Execution(world.key(), World.RESPONSE, false));
        assertThat(execution.key().creationId()).isEqualTo(dead.key().creationId());
        assertThat(execution.key().attempts()).isEqualTo(2);
        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(staged(world, "dead"), dead, World.REQUEST));
        assertThat(world.read("a")).contains("written");
        assertThat(world.read("dead")).isEmpty();
        assertThat(world.read("too-early")).isEmpty();
    }

    @Test
    default void aRequestThatASingleStageFinishedIsReplayedStageByStage() {
        World<T> world = new World<>(this);
        once(world, inserting(world, "a", World.RESPONSE));

        assertThat(world.other.run(staged(world, "b"), world.id, World.REQUEST))
                .isEqualTo(new Execution(world.key(), World.RESPONSE, true));
        assertThat(world.other.claim(staged(world, "b"), world.id, World.REQUEST))
                .isInstanceOf(Claim.Replay.class);
        assertThat(world.read("b")).isEmpty();
    }

    @Test
    default void ofASingleStageAndAClaimMeanwhileOneGetsTheKey() {
        World<T> world = new World<>(this);
        List<HeldKey> claimed = new ArrayList<>();
        boolean committed;
        try {
            once(world, stage -> {
                world.insert(stage, "single");
                Threads.elsewhere(() -> claim(world)).ifPresent(claimed::add);
                return World.RESPONSE;
            });
            committed = true;
        } catch (IdempotencyException.Locked another) {
            committed = false;
        }

        assertThat(committed).isEqualTo(claimed.isEmpty());
        claimed.forEach(held -> world.other.workStage(staged(world, "staged"), held, World.REQUEST));
        assertThat(world.read("single").isPresent()).isEqualTo(committed);
        assertThat(world.read("staged").isPresent()).isEqualTo(!committed);
        assertThat(onceElsewhere(world, inserting(world, "later", response(2))))
                .isEqualTo(new Execution(world.key(), World.RESPONSE, true));
    }

    /** Claims the key to go on stage by stage; nothing where the store lets nobody past a single stage. */
    private Optional<HeldKey> claim(World<T> world) {
        try {
            return Optional.of(World.claimed(world.other.claim(staged(world, "staged"), world.id, World.REQUEST)));
        } catch (IdempotencyException.Locked rowIsHeld) {
            return Optional.empty();
        }
    }

    private Execution once(World<T> world, WorkStage.Answer<T, Response> answer) {
        return world.service.once(World.NAME, world.id, World.REQUEST, answer);
    }

    /** As another process. */
    private Execution onceElsewhere(World<T> world, WorkStage.Answer<T, Response> answer) {
        return world.other.once(World.NAME, world.id, World.REQUEST, answer);
    }

    private Optional<Execution> onceUnlessLocked(
            IdempotencyKeyService<T> service, World<T> world, WorkStage.Answer<T, Response> answer) {
        try {
            return Optional.of(service.once(World.NAME, world.id, World.REQUEST, answer));
        } catch (IdempotencyException.Locked another) {
            return Optional.empty();
        }
    }

    /** The same operation, whose key is stored before its stage runs. */
    private Operation<T> staged(World<T> world, String row) {
        return world.service
                .operation(World.NAME)
                .respond(RecoveryPoint.STARTED, inserting(world, row, World.RESPONSE))
                .staged()
                .build();
    }

    private static <T> WorkStage.Answer<T, Response> inserting(World<T> world, String row, Response response) {
        return stage -> {
            world.insert(stage, row);
            return response;
        };
    }

    /** A stage whose runs can be told apart. */
    private static <T> WorkStage.Answer<T, Response> numbered(World<T> world, AtomicInteger runs) {
        return stage -> {
            int run = runs.incrementAndGet();
            return inserting(world, "run-" + run, response(run)).answer(stage);
        };
    }

    private static <T> void assertCommitted(World<T> world, int run, Execution execution) {
        assertThat(execution).isEqualTo(new Execution(world.key(), response(run), false));
        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Finished.class,
                        finished -> assertThat(finished.response()).isEqualTo(response(run)));
        assertThat(world.read("run-" + run)).contains("written");
        assertThat(world.read("run-" + (3 - run))).isEmpty();
    }

    private static Response response(int run) {
        return Response.of(200, "text/plain", "run " + run);
    }
}
