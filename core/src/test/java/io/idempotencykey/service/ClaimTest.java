package io.idempotencykey.service;

import static io.idempotencykey.service.World.claimed;
import static io.idempotencykey.service.World.isInFlight;
import static io.idempotencykey.service.World.isReplay;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A request that presents its key: made, resumed, replayed or told to wait. */
class ClaimTest {
    @Test
    void theFirstClaimMakesTheKeyAndHoldsIt() {
        World world = new World();

        IdempotencyKey key =
                claimed(world.service.claim(world.id, World.REQUEST)).key();

        assertThat(key)
                .isEqualTo(new IdempotencyKey(
                        new KeyCreation(
                                world.id,
                                key.creationId(),
                                "",
                                World.REQUEST,
                                Fingerprint.of("", World.REQUEST),
                                World.START),
                        new KeyProgress(
                                new KeyState.Locked(RecoveryPoint.STARTED, World.START, World.START.plus(World.LEASE)),
                                1,
                                0,
                                "",
                                World.START)));
        assertThat(world.key()).isEqualTo(key);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "LEASE_OVER"})
    void aClaimOfAFreeKeyResumesWhereItStands(State state) {
        World world = new World();
        StoredKey before = world.put(state, "", World.TAXED).orElseThrow();

        HeldKey held = claimed(world.service.claim(world.id, World.REQUEST));

        StoredKey after = world.stored();
        assertThat(held.key()).isEqualTo(after.key());
        assertThat(after.revision()).isNotEqualTo(before.revision());
        assertThat(after.key().state())
                .isEqualTo(new KeyState.Locked(World.TAXED, World.START, World.START.plus(state.nextLease())));
        assertThat(after.key().attempts()).isEqualTo(4);
        assertThat(after.key().creationId()).isEqualTo(before.key().creationId());
    }

    @Test
    void aClaimOfAHeldKeyIsToldHowLongToWait() {
        World world = new World();
        StoredKey key = world.put(State.LOCKED).orElseThrow();

        Claim claim = world.service.claim(world.id, World.REQUEST);

        assertThat(claim).isEqualTo(new Claim.InFlight(key.key(), Duration.ofSeconds(1)));
        assertThat(world.find()).contains(key);
    }

    /** A standby whose clock is behind took over, and the worker is dead. */
    @Test
    void aKeyThatWasLockedBeforeTheClockWentFarBackIsTakenOver() {
        World world = new World();
        StoredKey before = world.put(State.LOCKED).orElseThrow();
        world.pass(World.LEASE.negated().minusMinutes(61));

        assertThat(claimed(world.service.claim(world.id, World.REQUEST)).key().attempts())
                .isEqualTo(before.key().attempts() + 1);
    }

    /** Readings of the store's time differ between workers. */
    @Test
    void aKeyThatWasLockedAMomentInTheFutureIsHeld() {
        World world = new World();
        StoredKey key = world.put(State.LOCKED).orElseThrow();
        world.pass(Duration.ofMinutes(-1));

        assertThat(isInFlight(world.service.claim(world.id, World.REQUEST))).isTrue();
        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAFinishedKeyIsAReplay() {
        World world = new World();
        StoredKey key = world.put(State.FINISHED).orElseThrow();

        assertThat(world.service.claim(world.id, World.REQUEST)).isEqualTo(new Claim.Replay(key.key(), World.RESPONSE));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAQuarantinedKeyIsRefused() {
        World world = new World();
        StoredKey key = world.put(State.QUARANTINED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.claim(world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAnExpiredKeyMakesItAnewForAnyRequest() {
        World world = new World();
        StoredKey expired = world.put(State.EXPIRED).orElseThrow();

        HeldKey held = claimed(world.service.claim(world.id, World.OTHER_REQUEST));

        assertThat(world.key()).isEqualTo(held.key());
        assertThat(held.recoveryPoint()).isEqualTo(RecoveryPoint.STARTED);
        assertThat(held.key().attempts()).isEqualTo(1);
        assertThat(held.key().failedAttempts()).isZero();
        assertThat(held.key().lastError()).isEmpty();
        assertThat(held.key().createdAt()).isEqualTo(World.START);
        assertThat(held.key().creationId()).isNotEqualTo(expired.key().creationId());
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LOCKED", "LEASE_OVER", "FINISHED", "QUARANTINED"})
    void aClaimWithAnotherRequestIsRefusedInEveryState(State state) {
        World world = new World();
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.claim(world.id, World.OTHER_REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(422));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimIsInFlightUntilTheInstantTheLeaseEnds() {
        World world = new World();
        world.service.claim(world.id, World.REQUEST);

        world.pass(World.LEASE.minusNanos(1));
        assertThat(isInFlight(world.other.claim(world.id, World.REQUEST))).isTrue();
        world.pass(Duration.ofNanos(1));

        assertThat(claimed(world.other.claim(world.id, World.REQUEST)).key().attempts())
                .isEqualTo(2);
    }

    @Test
    void aClaimIsAReplayUntilTheInstantOfExpiry() {
        World world = new World();
        world.service.update(claimed(world.service.claim(world.id, World.REQUEST)), World.respond());

        world.pass(World.TIME_TO_LIVE.minusNanos(1));
        assertThat(isReplay(world.other.claim(world.id, World.REQUEST))).isTrue();
        world.pass(Duration.ofNanos(1));

        assertThat(claimed(world.other.claim(world.id, World.REQUEST)).key().attempts())
                .isEqualTo(1);
    }

    @Test
    void aClaimThatLosesTheRaceToInsertIsInFlight() {
        World world = new World();
        world.store.before(Call.INSERT, () -> world.other.claim(world.id, World.REQUEST));

        assertThat(isInFlight(world.service.claim(world.id, World.REQUEST))).isTrue();
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    void aClaimThatComesAfterEverythingIsDoneIsAReplay() {
        World world = new World();
        world.store.before(
                Call.INSERT,
                () -> world.other.update(claimed(world.other.claim(world.id, World.REQUEST)), World.respond()));

        assertThat(isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LEASE_OVER", "EXPIRED", "FAILED_EXPIRED"})
    void aClaimThatLosesTheRaceToTakeTheKeyIsInFlight(State state) {
        World world = new World();
        world.put(state);
        world.store.before(Call.REPLACE, () -> world.other.claim(world.id, World.REQUEST));

        assertThat(isInFlight(world.service.claim(world.id, World.REQUEST))).isTrue();
        assertThat(world.key().attempts()).isEqualTo(state.isExpired() ? 1 : 4);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LEASE_OVER", "EXPIRED", "FAILED_EXPIRED"})
    void aClaimThatIsOvertakenByAResponseIsAReplay(State state) {
        World world = new World();
        world.put(state);
        world.store.before(
                Call.REPLACE,
                () -> world.other.update(claimed(world.other.claim(world.id, World.REQUEST)), World.respond()));

        assertThat(isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @Test
    void aClaimThatIsOvertakenByAnotherRequestIsAMismatch() {
        World world = new World();
        world.put(State.EXPIRED);
        world.store.before(Call.REPLACE, () -> world.other.claim(world.id, World.OTHER_REQUEST));

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.claim(world.id, World.REQUEST));
    }

    @Test
    void aClaimInsertsAgainWhenTheExpiredKeyIsReapedMeanwhile() {
        World world = new World();
        world.put(State.EXPIRED);
        world.store.before(
                Call.FIND,
                () -> assertThat(world.store.deleteExpired(world.now(), 10)).isEqualTo(1));

        assertThat(claimed(world.service.claim(world.id, World.REQUEST)).key().attempts())
                .isEqualTo(1);
    }

    @Test
    void aClaimThatLosesEveryRaceIsInFlight() {
        World world = new World();
        world.put(State.OPEN);
        for (int i = 0; i < World.MAX_TRIES; i++) {
            world.store.before(
                    Call.REPLACE, () -> world.other.unlock(claimed(world.other.claim(world.id, World.REQUEST))));
        }

        assertThat(isInFlight(world.service.claim(world.id, World.REQUEST))).isTrue();
        assertThat(world.store.count(Call.REPLACE)).isEqualTo(World.MAX_TRIES);
    }
}
