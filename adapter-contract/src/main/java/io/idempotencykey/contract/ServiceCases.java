package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A short walk through the service, to show that it works on this store: what it decides is tested in core. */
interface ServiceCases<T> extends StoreFixture<T> {
    /** An answer that an exception or an operator gives. */
    Response NO_SUCH_CART = Response.of(404, "text/plain", "there is no such cart");

    // Claims

    @Test
    default void aNewKeyIsHeldByTheFirstClaimAndInFlightForTheNext() {
        World<T> world = new World<>(this);

        HeldKey held = World.claimed(world.service.claim(world.id, World.REQUEST));

        assertThat(world.key()).isEqualTo(held.key());
        assertThat(world.other.claim(world.id, World.REQUEST)).isInstanceOf(Claim.InFlight.class);
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.other.claim(world.id, World.OTHER_REQUEST));
        assertThat(world.key()).isEqualTo(held.key());
    }

    @Test
    default void aKeyIsTakenOverWhenItsLeaseHasRunOutAndItsFirstHolderIsStale() {
        World<T> world = new World<>(this);
        HeldKey first = World.claimed(world.service.claim(world.id, World.REQUEST));
        world.pass(World.LEASE);

        HeldKey second = World.claimed(world.other.claim(world.id, World.REQUEST));

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(first, world.inserting("stale", World.respond())));
        assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> world.service.renew(first));
        assertThat(world.read("stale")).isEmpty();
        assertThat(world.key()).isEqualTo(second.key());
    }

    @Test
    default void anExpiredKeyIsMadeAnewForAnyRequest() {
        World<T> world = new World<>(this);
        world.service.update(World.claimed(world.service.claim(world.id, World.REQUEST)), World.respond());
        IdempotencyKey expired = world.key();
        world.pass(World.TIME_TO_LIVE);

        HeldKey anew = World.claimed(world.service.claim(world.id, World.OTHER_REQUEST));

        assertThat(world.key()).isEqualTo(anew.key());
        assertThat(anew.key().creationId()).isNotEqualTo(expired.creationId());
    }

    // Stages

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
        HeldKey held = world.hold();
        IllegalStateException thrown = new IllegalStateException("no such cart");

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    world.insert(stage, "a");
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThat(world.read("a")).isEmpty();
        assertThat(world.key().lastError()).isEqualTo("java.lang.IllegalStateException: no such cart");
        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(2);
    }

    @Test
    default void aZombieThatWakesAfterATakeoverIsFencedOff() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> world.service.workStage(held, stage -> {
                    world.insert(stage, "zombie");
                    world.pass(World.LEASE);
                    Threads.elsewhere(() ->
                            world.other.workStage(world.other.lock(world.id), world.inserting("a", World.respond())));
                    return World.respond();
                }));

        assertThat(world.read("zombie")).isEmpty();
        assertThat(world.read("a")).contains("written");
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
        assertThat(world.other.claim(world.id, World.REQUEST)).isNotInstanceOf(Claim.InFlight.class);
    }

    @Test
    default void aStagesHandleRefusesUseAfterTheStage() {
        World<T> world = new World<>(this);
        List<T> kept = new ArrayList<>();

        world.service.workStage(world.hold(), stage -> {
            kept.add(stage.transaction());
            return World.respond();
        });

        assertThatThrownBy(() -> insert(kept.get(0), world.row("late"), "written"))
                .isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }

    @Test
    default void aStagesHandleRefusesUseAfterTheStageThrew() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        List<T> kept = new ArrayList<>();
        IllegalArgumentException thrown = new IllegalArgumentException("no such cart");
        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    kept.add(stage.transaction());
                    throw thrown;
                }))
                .isSameAs(thrown);

        assertThatThrownBy(() -> insert(kept.get(0), world.row("late"), "written"))
                .isInstanceOf(IllegalStateException.class);
        assertThat(world.read("late")).isEmpty();
    }

    // Operations

    @Test
    default void anOperationRunsAllItsStagesOnceAndIsReplayed() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.threeStages();

        Execution first = world.service.run(operation, world.id, World.REQUEST);
        Execution second = world.other.run(operation, world.id, World.REQUEST);

        assertThat(first.replayed()).isFalse();
        assertThat(first.key()).isEqualTo(world.key());
        assertThat(second).isEqualTo(new Execution(first.key(), World.RESPONSE, true));
        assertThat(Stream.of("tax", "payment", "order").map(world::read))
                .allSatisfy(row -> assertThat(row).contains("written"));
    }

    @Test
    default void anOperationGoesOnWhereItsDeadWorkerLeftIt() {
        World<T> world = new World<>(this);
        Operation<T> operation = world.threeStages();
        HeldKey held = World.claimed(world.service.claim(operation, world.id, World.REQUEST));
        world.service.workStage(held, world.inserting("tax", StageOutcome.advanceTo(World.TAXED)));
        world.pass(World.LEASE);

        Execution execution = world.other.run(operation, world.id, World.REQUEST);

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.key().attempts()).isEqualTo(2);
        assertThat(world.read("order")).contains("written");
    }

    /** Its first stage writes a row, and then says by an exception that there is no such cart. */
    private Operation.Builder<T> notFound(World<T> world) {
        return world.service
                .operation(World.NAME)
                .stage(RecoveryPoint.STARTED, stage -> {
                    world.insert(stage, "a");
                    throw new CartNotFound();
                })
                .respond(World.TAXED, stage -> World.RESPONSE);
    }

    class CartNotFound extends Exception {
        private static final long serialVersionUID = 1L;
    }

    @Test
    default void anExceptionThatIsAnAnswerIsReplayedAndItsStageRolledBack() {
        World<T> world = new World<>(this);
        Operation<T> operation =
                notFound(world).answering(CartNotFound.class, e -> NO_SUCH_CART).build();

        assertThat(world.service.run(operation, world.id, World.REQUEST).response())
                .isEqualTo(NO_SUCH_CART);
        assertThat(world.other.run(operation, world.id, World.REQUEST))
                .isEqualTo(new Execution(world.key(), NO_SUCH_CART, true));
        assertThat(world.read("a")).isEmpty();
    }

    @Test
    default void aRequestThatFailedIsLeftToItsClientAndExpires() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = notFound(world).build();
        assertThatThrownBy(() -> world.service.run(operation, world.id, World.REQUEST))
                .isInstanceOf(CartNotFound.class);
        assertThat(world.state()).isEqualTo(new KeyState.Failed(World.START.plus(World.TIME_TO_LIVE)));
        assertThat(complete(world, operation)).isZero();

        world.pass(World.TIME_TO_LIVE);

        assertThat(new Reaper(world.service).runOnce()).isEqualTo(1);
        assertThat(world.find()).isEmpty();
    }

    // Completing

    @Test
    default void anAbandonedRequestIsCompletedFromItsRecoveryPoint() {
        World<T> world = World.emptyOf(this);
        Operation<T> operation = world.threeStages();
        KeyState abandoned = new KeyState.Locked(World.PAID, World.START.minusSeconds(60), World.START.minusMillis(1));
        world.put(world.id, World.NAME, abandoned);

        assertThat(complete(world, operation)).isEqualTo(1);
        assertThat(complete(world, operation)).isZero();

        assertThat(world.read("payment")).isEmpty();
        assertThat(world.read("order")).contains("written");
        assertThat(world.service.run(operation, world.id, World.REQUEST).replayed())
                .isTrue();
    }

    @Test
    default void aRequestThatNobodyKnowsIsQuarantinedAndListed() {
        World<T> world = World.emptyOf(this);
        world.put(world.id, "another-operation", World.OPEN);
        world.pass(Duration.ofDays(1));

        assertThat(complete(world, world.threeStages())).isZero();

        assertThat(world.state()).isInstanceOf(KeyState.Quarantined.class);
        assertThat(new OperatorActions(world.service).listQuarantined(null, null, 10))
                .containsExactly(world.key());
        assertThat(new OperatorActions(world.service).listUnfinished(null, null, 10))
                .isEmpty();
    }

    private int complete(World<T> world, Operation<T> operation) {
        return Completer.builder(world.service)
                .operation(operation)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();
    }

    // Operating

    private static <T> OperatorActions quarantined(World<T> world) {
        world.put(
                world.id, World.NAME, new KeyState.Quarantined(World.PAID, World.START, "a person has to look at it"));
        return new OperatorActions(world.service);
    }

    @Test
    default void aRetriedRequestGoesOnAtItsRecoveryPoint() {
        World<T> world = new World<>(this);

        OperatorActions actions = quarantined(world);
        long before = world.key().attempts();
        IdempotencyKey retried = actions.retry(world.key(), "alice");

        assertThat(world.key()).isEqualTo(retried);
        // Attempts are fencing tokens towards other systems: they never go back.
        assertThat(retried.attempts()).isEqualTo(before).isPositive();
        world.service.run(world.threeStages(), world.id, World.REQUEST);
        assertThat(world.read("payment")).isEmpty();
        assertThat(world.read("order")).contains("written");
    }

    @Test
    default void aRequestThatAnOperatorFinishedIsReplayed() {
        World<T> world = new World<>(this);

        quarantined(world).finish(world.key(), NO_SUCH_CART, "alice");

        assertThat(world.service.run(world.threeStages(), world.id, World.REQUEST))
                .isEqualTo(new Execution(world.key(), NO_SUCH_CART, true));
    }

    @Test
    default void aDiscardedKeyCountsAsAbsent() {
        World<T> world = new World<>(this);

        quarantined(world).discard(world.key(), "alice");

        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        assertThat(world.service
                        .run(world.threeStages(), world.id, World.REQUEST)
                        .replayed())
                .isFalse();
    }

    @Test
    default void aQuarantinedKeyOutlivesTheTimeToLive() {
        World<T> world = new World<>(this);
        quarantined(world);
        IdempotencyKey aside = world.key();
        world.pass(World.TIME_TO_LIVE.multipliedBy(100));

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.run(world.threeStages(), world.id, World.REQUEST));

        assertThat(world.key()).isEqualTo(aside);
    }

    /** What was decided on one request isn't done to another, which was made anew under its key. */
    @Test
    default void anOperatorDoesNotActOnAnotherCreation() {
        World<T> world = new World<>(this);
        OperatorActions actions = quarantined(world);
        IdempotencyKey seen = world.key();
        actions.discard(seen, "bob");
        world.service.create(world.id.scope(), world.id.value(), World.REQUEST);
        IdempotencyKey anew = world.key();

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> actions.finish(seen, NO_SUCH_CART, "alice"))
                .withMessageContaining("created anew");

        assertThat(world.key()).isEqualTo(anew);
        assertThat(actions.retrieveUnchanged(world.id, anew.creationId(), anew.updatedAt()))
                .isEqualTo(anew);
    }

    @Test
    default void anOperatorCanNotTouchWhatAWorkerHolds() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> new OperatorActions(world.service).discard(held.key(), "alice"));

        world.service.workStage(held, world.inserting("order", World.respond()));
        assertThat(world.read("order")).contains("written");
    }
}
