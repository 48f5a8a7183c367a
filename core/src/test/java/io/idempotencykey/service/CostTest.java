package io.idempotencykey.service;

import static io.idempotencykey.service.Carts.NAME;
import static io.idempotencykey.service.Carts.threeStages;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.RecoveryPoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
        World world = new World();
        world.put(state, NAME, World.TAXED);
        Operation<List<String>> operation = threeStages(world);

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
