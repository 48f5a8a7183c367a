package io.idempotencykey.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import io.idempotencykey.service.WorkStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Stages that are rolled back, or whose commit isn't answered or comes late: whatever runs again, one is committed. */
interface LateCommitCases<T> extends StoreFixture<T> {
    @ParameterizedTest
    @CsvSource({"TRANSIENT, 2", "LOST, 2", "MADE_BUT_UNANSWERED, 1"})
    default void aStageThatWasRolledBackOrNotAnsweredIsCommittedOnce(DisturbedStore.Fault fault, int committedRun) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.next(fault);

        StageResult result = world.service.workStage(held, numbered(world));

        assertCommitted(world, committedRun, result);
    }

    /** The commit lands after the first look, or after the second, when the stage is about to run again. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    default void aCommitThatLandsAfterItWasLookedForIsTheOutcome(int looks) {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        world.store.commitLateAfter(DisturbedStore.Call.FIND, looks);

        StageResult result = world.service.workStage(held, numbered(world));

        assertThat(world.store.landed()).isEqualTo(StageCommit.committed());
        assertCommitted(world, 1, result);
    }

    @Test
    default void aDuplicateOfItsOwnEarlierInsertIsNotReportedButTheEarlierOutcome() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        AtomicInteger runs = new AtomicInteger();
        world.store.commitLateAfter(DisturbedStore.Call.FIND, 2);

        StageResult result = world.service.workStage(held, stage -> {
            runs.incrementAndGet();
            world.insert(stage, "a");
            return World.respond();
        });

        assertThat(world.store.landed()).isEqualTo(StageCommit.committed());
        assertThat(runs).hasValue(2);
        assertThat(World.response(result)).isEqualTo(World.RESPONSE);
        assertThat(world.read("a")).contains("written");
    }

    @Test
    default void anErrorOfTheReRunIsReportedOnceTheLateCommitCanNotLandAnyMore() {
        World<T> world = new World<>(this);
        HeldKey held = world.hold();
        AtomicInteger runs = new AtomicInteger();
        IllegalStateException thrown = new IllegalStateException("thrown by the second run");
        world.store.commitLateAfter(DisturbedStore.Call.REPLACE, 1);

        assertThatThrownBy(() -> world.service.workStage(held, stage -> {
                    if (runs.incrementAndGet() == 2) {
                        throw thrown;
                    }
                    world.insert(stage, "a");
                    return World.respond();
                }))
                .isSameAs(thrown);

        assertThat(world.store.landed()).isNotNull().isNotEqualTo(StageCommit.committed());
        assertThat(world.read("a")).isEmpty();
        assertThat(world.state().recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(2);
    }

    /** A stage whose runs can be told apart. */
    private static <T> WorkStage<T> numbered(World<T> world) {
        AtomicInteger runs = new AtomicInteger();
        return stage -> {
            int run = runs.incrementAndGet();
            return world.inserting("run " + run, StageOutcome.respond(response(run)))
                    .work(stage);
        };
    }

    private static <T> void assertCommitted(World<T> world, int run, StageResult result) {
        assertThat(World.response(result)).isEqualTo(response(run));
        assertThat(world.state())
                .isInstanceOfSatisfying(
                        KeyState.Finished.class,
                        finished -> assertThat(finished.response()).isEqualTo(response(run)));
        assertThat(world.read("run " + run)).contains("written");
        assertThat(world.read("run " + (3 - run))).isEmpty();
    }

    private static Response response(int run) {
        return Response.of(200, "text/plain", "run " + run);
    }
}
