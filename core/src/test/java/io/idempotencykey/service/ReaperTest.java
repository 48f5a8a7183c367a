package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.Carts.NAME;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Keys that have expired are removed, and nothing else. */
class ReaperTest {
    @Test
    void theReaperRemovesWhatHasExpiredAndNothingElse() {
        World world = new World();
        for (State state : State.values()) {
            world.put(world.id(state.name()), state, NAME, STARTED);
        }

        assertThat(new Reaper(world.service).runOnce()).isEqualTo(2);

        for (State state : State.values()) {
            boolean stays = state != State.ABSENT && !state.isExpired();
            assertThat(world.store.find(world.id(state.name())).isPresent())
                    .as(state.name())
                    .isEqualTo(stays);
        }
    }

    /** Nobody but an operator ends what is put aside; and what is unfinished is never dropped in silence. */
    @ParameterizedTest
    @EnumSource(names = {"QUARANTINED", "OPEN", "LEASE_OVER"})
    void anUnfinishedKeyOutlivesTheTimeToLive(State state) {
        World world = new World();
        IdempotencyKey key = world.put(state).orElseThrow().key();
        world.pass(World.TIME_TO_LIVE.multipliedBy(100));

        assertThat(new Reaper(world.service).runOnce()).isZero();

        assertThat(world.service.retrieve(world.id)).isEqualTo(key);
        assertThat(world.service
                        .initializeRequest(world.scope, world.id.value(), World.REQUEST)
                        .creationId())
                .isEqualTo(key.creationId());
    }

    @Test
    void theReaperGoesOnBatchAfterBatch() {
        World world = new World();
        Queue<KeyEvent> events = new ConcurrentLinkedQueue<>();
        IdempotencyKeyService<List<String>> service =
                world.builder(world.store).listener(events::add).build();
        for (int i = 0; i < 7; i++) {
            world.put(world.id("key-" + i), State.EXPIRED, NAME, STARTED);
        }

        assertThat(new Reaper(service, 3).runOnce()).isEqualTo(7);
        assertThat(new Reaper(service, 3).runOnce()).isZero();

        assertThat(events).containsExactly(new KeyEvent.Expired(7, Duration.ZERO));
    }

    /** A store that has always another batch, each of which takes 10 milliseconds. */
    private static IdempotencyKeyService<List<String>> endless(World world) {
        return world.builder(new MapKeyStore() {
                    @Override
                    public int deleteExpired(Instant at, int limit) {
                        world.pass(Duration.ofMillis(10));
                        return limit;
                    }
                })
                .build();
    }

    @Test
    void theReaperLeavesTheStoreToRequestsForNineTimesAsLongAsABatchTakesAndEndsAfter200() {
        World world = new World();

        assertThat(new Reaper(endless(world), 3).runOnce()).isEqualTo(200 * 3);

        assertThat(world.pauses()).hasSize(200).containsOnly(Duration.ofMillis(90));
    }

    @Test
    void aReaperThatIsInterruptedDeletesNoFurtherBatch() {
        World world = new World();
        world.stopping = true;

        int deleted = new Reaper(endless(world), 3).runOnce();

        assertThat(Thread.interrupted()).isTrue();
        assertThat(deleted).isEqualTo(3);
    }
}
