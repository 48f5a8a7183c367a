package io.idempotencykey.service;

import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.threeStages;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What requests cost, in calls of the store; reading its time apart. */
class CostTest {
    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED", "OPEN", "FAILED", "LEASE_OVER"})
    void aRequestCostsOneInsertAndOneTransactionPerStageAndAnUpdateWhereAKeyIsTakenOver(State state) {
        World world = new World();
        world.put(state, NAME, RecoveryPoint.STARTED);

        world.service.run(threeStages(world), world.id, World.REQUEST);

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
        for (boolean other : new boolean[] {false, true}) {
            World world = new World();
            world.put(state, NAME, World.TAXED);
            Operation<List<String>> operation = threeStages(world);
            try {
                world.service.run(operation, world.id, other ? World.OTHER_REQUEST : World.REQUEST);
            } catch (IdempotencyException refused) {
                assertThat(refused.httpStatus()).isIn(409, 422);
            }
            assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.FIND);
        }
    }

    /** Of either way, also for another request; and if it isn't there any more, only the read was in vain. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aReplayOfAKeyThatThisServiceHasSeenFinishedCostsOneRead(boolean single) {
        World world = new World();
        Operation<List<String>> operation = single
                ? world.service
                        .operation(NAME)
                        .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                        .build()
                : threeStages(world);
        List<Call> run = single
                ? List.of(Call.COMMIT_SINGLE)
                : List.of(Call.INSERT, Call.COMMIT_STAGE, Call.COMMIT_STAGE, Call.COMMIT_STAGE);
        world.service.run(operation, world.id, World.REQUEST);
        assertThat(world.store.calls()).isEqualTo(run);

        for (int i = 0; i < 2; i++) {
            world.store.forget();
            assertThat(world.service.run(operation, world.id, World.REQUEST).replayed())
                    .isTrue();
            assertThat(world.store.calls()).containsExactly(Call.FIND);
        }
        world.store.forget();
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.OTHER_REQUEST));
        assertThat(world.store.calls()).containsExactly(Call.FIND);

        world.pass(World.TIME_TO_LIVE);
        Operation<List<String>> later = world.service
                .operation(NAME)
                .respond(RecoveryPoint.STARTED, stage -> World.RESPONSE)
                .build();
        assertThat(world.service.run(later, world.id, World.REQUEST).replayed()).isFalse();
    }

    @Test
    void aReplayOfWhatAnotherProcessFinishedCostsOneReadTheNextTime() {
        World world = new World();
        world.put(State.FINISHED, NAME, RecoveryPoint.STARTED);
        Operation<List<String>> operation = threeStages(world);

        world.service.run(operation, world.id, World.REQUEST);
        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.store.calls()).containsExactly(Call.INSERT, Call.FIND, Call.FIND);
    }

    @Test
    void aKeyThatThisServiceHasSeenFinishedAndThatIsGoneCostsOneReadMoreAndNoPause() {
        World world = new World();
        Operation<List<String>> operation = threeStages(world);
        world.put(State.FINISHED, NAME, RecoveryPoint.STARTED);
        world.service.run(operation, world.id, World.REQUEST);
        world.pass(World.TIME_TO_LIVE);
        assertThat(new Reaper(world.other).runOnce()).isEqualTo(1);
        world.store.forget();

        world.service.run(operation, world.id, World.REQUEST);

        assertThat(world.store.calls())
                .containsExactly(Call.FIND, Call.INSERT, Call.COMMIT_STAGE, Call.COMMIT_STAGE, Call.COMMIT_STAGE);
        assertThat(world.pauses()).isEmpty();
    }

    @Test
    void eachLookOfACallerThatWaitsCostsOneRead() {
        World world = new World();
        Operation<List<String>> operation = threeStages(world);
        world.other.claim(operation, world.id, World.REQUEST);

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.run(operation, world.id, World.REQUEST, Duration.ofSeconds(5)));

        assertThat(world.pauses()).hasSizeGreaterThan(5);
        List<Call> expected = new ArrayList<>(List.of(Call.INSERT, Call.FIND));
        world.pauses().forEach(pause -> expected.add(Call.FIND));
        assertThat(world.store.calls()).isEqualTo(expected);
    }

    // Operations of one stage, in one transaction

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED", "FINISHED"})
    void aSingleStageAndItsReplayByAnotherProcessCostOneTransactionEach(State state) {
        World world = new World();
        world.put(state, NAME, RecoveryPoint.STARTED);

        world.service.run(single(world), world.id, World.REQUEST);
        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
        assertThat(world.store.count(Call.TIME)).isEqualTo(1);
        world.store.forget();

        world.builder(world.store).build().run(single(world), world.id, World.REQUEST);
        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
    }

    @Test
    void aSingleStageThatIsInFlightCostsOneTransaction() {
        World world = new World();
        world.take();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.run(single(world), world.id, World.REQUEST));

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
    }

    @Test
    void aMismatchOfASingleStageCostsOneTransaction() {
        World world = new World();
        world.put(State.FINISHED, NAME, RecoveryPoint.STARTED);

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.run(single(world), world.id, World.OTHER_REQUEST));

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE);
    }

    @Test
    void aSingleStageThatFailsCostsItsTransactionAndOneRead() {
        World world = new World();

        assertThatIllegalStateException()
                .isThrownBy(() -> world.service.run(failing(world).build(), world.id, World.REQUEST));

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.FIND);
    }

    @Test
    void anAnswerOfASingleStageCostsItsTransactionAndOneInsert() {
        World world = new World();
        Operation<List<String>> answering = failing(world)
                .answering(IllegalStateException.class, e -> World.RESPONSE)
                .build();

        world.service.run(answering, world.id, World.REQUEST);

        assertThat(world.store.calls()).containsExactly(Call.COMMIT_SINGLE, Call.INSERT);
    }

    private static Operation<List<String>> single(World world) {
        return world.service
                .operation(NAME)
                .branch(RecoveryPoint.STARTED, world.inserting("order", World.respond()))
                .build();
    }

    private static Operation.Builder<List<String>> failing(World world) {
        return world.service.operation(NAME).respond(RecoveryPoint.STARTED, stage -> {
            throw new IllegalStateException("out of stock");
        });
    }

    @Test
    void theServicesOperationsCostOneOrTwoCalls() {
        World world = new World();

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
        World world = new World();
        Operation<List<String>> operation = threeStages(world);
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
