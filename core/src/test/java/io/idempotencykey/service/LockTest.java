package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A key that is read, held, given back and moved on, in every state that it can be met in. */
class LockTest {
    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void retrieveReturnsTheKeyInWhateverStateItIs(State state) {
        World world = new World();
        StoredKey key = world.put(state).orElseThrow();

        assertThat(world.service.retrieve(world.id)).isEqualTo(key.key());

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"ABSENT", "EXPIRED", "FAILED_EXPIRED"})
    void retrieveAndLockFindNoKeyThatCountsAsAbsent(State state) {
        World world = new World();
        world.put(state);

        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(404));
        assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> world.service.lock(world.id));
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "LEASE_OVER"})
    void lockTakesAKeyThatIsFree(State state) {
        World world = new World();
        StoredKey before = world.put(state, "", World.TAXED).orElseThrow();

        HeldKey held = world.service.lock(world.id);

        StoredKey after = world.stored();
        assertThat(held.key()).isEqualTo(after.key());
        assertThat(held.recoveryPoint()).isEqualTo(World.TAXED);
        assertThat(after.revision()).isNotEqualTo(before.revision());
        assertThat(after.key().state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START, World.START.plus(state.nextLease())));
        assertThat(after.key().attempts()).isEqualTo(before.key().attempts() + 1);
        assertThat(after.key().creationId()).isEqualTo(before.key().creationId());
        assertThat(after.key().createdAt()).isEqualTo(before.key().createdAt());
        assertThat(after.key().updatedAt()).isEqualTo(World.START);
        assertThat(after.key().failedAttempts()).isEqualTo(before.key().failedAttempts());
    }

    @Test
    void lockTellsWhenToAskAgainForAKeyThatAnotherHolds() {
        World world = new World();
        StoredKey key = world.put(State.LOCKED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409))
                .satisfies(e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(1)));

        assertThat(world.find()).contains(key);
    }

    @Test
    void lockOfAFinishedKeyHandsOutItsResponse() {
        World world = new World();
        StoredKey key = world.put(State.FINISHED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.AlreadyFinished.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.response()).isEqualTo(World.RESPONSE));

        assertThat(world.find()).contains(key);
    }

    @Test
    void lockRefusesAQuarantinedKey() {
        World world = new World();
        StoredKey key = world.put(State.QUARANTINED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.reason()).isEqualTo("a person has to look at it"));

        assertThat(world.find()).contains(key);
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 86_400_001})
    void aLeaseOutOfBoundsIsRefusedBeforeAnythingIsReadOrWritten(long millis) {
        World world = new World();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> world.service.lock(world.id, Duration.ofMillis(millis)))
                .withMessageContaining("lease");
        assertThat(world.store.calls()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 86_400_000})
    void aLeaseHoldsUntilItsLastMillisecond(long millis) {
        World world = new World();
        world.put(State.OPEN);
        world.service.lock(world.id, Duration.ofMillis(millis));

        world.pass(Duration.ofMillis(millis).minusNanos(1));
        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.other.lock(world.id));
        world.pass(Duration.ofNanos(1));

        assertThat(world.other.lock(world.id).key().attempts()).isEqualTo(5);
    }

    @Test
    void aKeyWhoseCountersWereEditedToTheirBoundsIsServed() {
        World world = new World();
        StoredKey key =
                world.put(State.OPEN, "complete-cart", RecoveryPoint.STARTED).orElseThrow();
        KeyProgress most = new KeyProgress(
                key.key().state(),
                KeyProgress.MAX_ATTEMPTS,
                KeyProgress.MAX_FAILED_ATTEMPTS,
                "",
                key.key().updatedAt());
        StoredKey edited = key.with(new StoredProgress(most, new Revision(UUID.randomUUID())));
        assertThat(world.store.replace(key.revision(), edited)).isTrue();
        Operation<List<String>> failing = world.service
                .operation(key.key().operation())
                .respond(RecoveryPoint.STARTED, stage -> {
                    throw new IllegalStateException("the stage failed");
                })
                .staged()
                .build();

        assertThatIllegalStateException()
                .isThrownBy(() -> world.service.run(failing, world.id, World.REQUEST))
                .withMessage("the stage failed");

        IdempotencyKey after = world.stored().key();
        assertThat(after.attempts()).isEqualTo(KeyProgress.MAX_ATTEMPTS);
        assertThat(after.failedAttempts()).isEqualTo(KeyProgress.MAX_FAILED_ATTEMPTS);
        assertThat(after.lastError()).endsWith("the stage failed");
    }

    @Test
    void lockReadsAgainWhenItLosesARaceToAHolder() {
        World world = new World();
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.lock(world.id, Duration.ofSeconds(7)));

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> world.service.lock(world.id))
                .satisfies(e -> assertThat(e.retryAfter()).contains(Duration.ofSeconds(1)));
        assertThat(leaseOf(world.state())).isEqualTo(Duration.ofSeconds(7));
    }

    @Test
    void lockReadsAgainWhenItLosesARaceToAResponse() {
        World world = new World();
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.update(world.other.lock(world.id), World.respond()));

        assertThatExceptionOfType(IdempotencyException.AlreadyFinished.class)
                .isThrownBy(() -> world.service.lock(world.id));
    }

    @Test
    void lockTakesAKeyThatWasGivenBackWhileItTried() {
        World world = new World();
        world.put(State.OPEN);
        world.store.before(Call.REPLACE, () -> world.other.unlock(world.other.lock(world.id)));

        assertThat(world.service.lock(world.id).key().attempts()).isEqualTo(5);
    }

    @Test
    void lockGivesUpAfterAsManyLostRacesAsThereAreTries() {
        World world = new World();
        world.put(State.OPEN);
        for (int i = 0; i < World.MAX_TRIES; i++) {
            world.store.before(Call.REPLACE, () -> world.other.unlock(world.other.lock(world.id)));
        }

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.service.lock(world.id));
        assertThat(world.store.count(Call.REPLACE)).isEqualTo(World.MAX_TRIES);
    }

    @Test
    void unlockLeavesTheKeyOpenWhereItStood() {
        World world = new World();
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofMillis(5));

        IdempotencyKey key = world.service.unlock(held);

        assertThat(world.key()).isEqualTo(key);
        assertThat(key.state()).isEqualTo(new KeyState.Open(World.TAXED, World.START.plusMillis(5)));
        assertThat(key.attempts()).isEqualTo(4);
        assertThat(key.failedAttempts()).isEqualTo(1);
        assertThat(key.lastError()).isEqualTo("an earlier error");
    }

    @Test
    void renewBeginsTheLeaseAnew() {
        World world = new World();
        world.put(State.OPEN, "", World.TAXED);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(20));

        HeldKey renewed = world.service.renew(held, Duration.ofSeconds(15));

        assertThat(world.key()).isEqualTo(renewed.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(20), World.START.plusSeconds(35)));
        assertThat(world.key().attempts()).isEqualTo(4);
        assertThat(world.service.unlock(renewed).attempts()).isEqualTo(4);
    }

    @Test
    void aLeaseThatRanOutCanBeRenewedWhileNobodyTookTheKeyOver() {
        World world = new World();
        HeldKey held = world.hold();
        world.pass(World.LEASE.multipliedBy(2));

        world.service.renew(held);

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> world.other.lock(world.id));
        assertThat(leaseOf(world.state())).isEqualTo(World.LEASE);
    }

    @Test
    void updateAdvancesAHeldKey() {
        World world = new World();
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);
        world.pass(Duration.ofSeconds(1));

        HeldKey next = World.held(world.service.update(held, StageOutcome.advanceTo(World.TAXED)));

        assertThat(world.key()).isEqualTo(next.key());
        assertThat(world.state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START.plusSeconds(1), World.START.plusSeconds(31)));
        assertThat(world.key().failedAttempts()).isZero();
        assertThat(world.key().lastError()).isEmpty();
        assertThat(world.key().attempts()).isEqualTo(4);
    }

    @Test
    void updateFinishesAHeldKey() {
        World world = new World();
        world.put(State.OPEN);
        HeldKey held = world.service.lock(world.id);

        StageResult result = world.service.update(held, World.respond());

        assertThat(World.response(result)).isEqualTo(World.RESPONSE);
        assertThat(world.state())
                .isEqualTo(new KeyState.Finished(World.RESPONSE, World.START, World.START.plus(World.TIME_TO_LIVE)));
    }

    @Test
    void updateRefusesAResponseThatIsTooLargeAndChangesNothing() {
        World world = new World();
        HeldKey held = world.hold();
        StoredKey before = world.stored();
        Response oneTooMany = Response.of(200, new byte[ServiceBuilder.DEFAULT_MAX_RESPONSE_BYTES + 1]);

        assertThatExceptionOfType(IdempotencyException.ResponseTooLarge.class)
                .isThrownBy(() -> world.service.update(held, StageOutcome.respond(oneTooMany)))
                .satisfies(e -> assertThat(e.length()).isEqualTo(1_048_577))
                .satisfies(e -> assertThat(e.limit()).isEqualTo(1_048_576));

        assertThat(world.find()).contains(before);
    }

    @Test
    void aKeyIsReplayableUntilTheInstantOfItsExpiry() {
        World world = new World();
        world.service.update(world.hold(), World.respond());

        world.pass(World.TIME_TO_LIVE.minusNanos(1));
        assertThat(world.service.retrieve(world.id).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        world.pass(Duration.ofNanos(1));
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> world.service.retrieve(world.id));
        world.pass(Duration.ofDays(1));
        assertThatExceptionOfType(IdempotencyException.NotFound.class).isThrownBy(() -> world.other.retrieve(world.id));
    }

    @Test
    void anUnfinishedKeyNeverExpires() {
        World world = new World();
        world.put(State.OPEN);
        world.pass(Duration.ofDays(10_000));

        assertThat(world.service.retrieve(world.id).attempts()).isEqualTo(3);
    }

    private static Duration leaseOf(KeyState state) {
        KeyState.Locked locked = (KeyState.Locked) state;
        return Duration.between(locked.lockedAt(), locked.leaseEnds());
    }
}
