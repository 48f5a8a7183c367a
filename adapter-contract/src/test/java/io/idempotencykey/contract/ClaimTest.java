package io.idempotencykey.contract;

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
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A request that presents its key: made, resumed, replayed or told to wait. */
class ClaimTest extends MapFixture {
    @Test
    void theFirstClaimMakesTheKeyAndHoldsIt() {
        World<List<String>> world = new World<>(this);

        IdempotencyKey key =
                World.claimed(world.service.claim(world.id, World.REQUEST)).key();

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
        World<List<String>> world = new World<>(this);
        StoredKey before = world.put(state, "", World.TAXED).orElseThrow();

        HeldKey held = World.claimed(world.service.claim(world.id, World.REQUEST));

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
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.LOCKED).orElseThrow();

        Claim claim = world.service.claim(world.id, World.REQUEST);

        assertThat(claim).isEqualTo(new Claim.InFlight(key.key(), Duration.ofSeconds(1)));
        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAFinishedKeyIsAReplay() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.FINISHED).orElseThrow();

        assertThat(world.service.claim(world.id, World.REQUEST)).isEqualTo(new Claim.Replay(key.key(), World.RESPONSE));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAQuarantinedKeyIsRefused() {
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(State.QUARANTINED).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Quarantined.class)
                .isThrownBy(() -> world.service.claim(world.id, World.REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimOfAnExpiredKeyMakesItAnewForAnyRequest() {
        World<List<String>> world = new World<>(this);
        StoredKey expired = world.put(State.EXPIRED).orElseThrow();

        HeldKey held = World.claimed(world.service.claim(world.id, World.OTHER_REQUEST));

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
        World<List<String>> world = new World<>(this);
        StoredKey key = world.put(state).orElseThrow();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.claim(world.id, World.OTHER_REQUEST))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(422));

        assertThat(world.find()).contains(key);
    }

    @Test
    void aClaimIsInFlightUntilTheInstantTheLeaseEnds() {
        World<List<String>> world = new World<>(this);
        world.service.claim(world.id, World.REQUEST);

        world.pass(World.LEASE.minusNanos(1));
        assertThat(World.isInFlight(world.other.claim(world.id, World.REQUEST))).isTrue();
        world.pass(Duration.ofNanos(1));

        assertThat(World.claimed(world.other.claim(world.id, World.REQUEST))
                        .key()
                        .attempts())
                .isEqualTo(2);
    }

    @Test
    void aClaimIsAReplayUntilTheInstantOfExpiry() {
        World<List<String>> world = new World<>(this);
        world.service.update(World.claimed(world.service.claim(world.id, World.REQUEST)), World.respond());

        world.pass(World.TIME_TO_LIVE.minusNanos(1));
        assertThat(World.isReplay(world.other.claim(world.id, World.REQUEST))).isTrue();
        world.pass(Duration.ofNanos(1));

        assertThat(World.claimed(world.other.claim(world.id, World.REQUEST))
                        .key()
                        .attempts())
                .isEqualTo(1);
    }

    @Test
    void aClaimThatLosesTheRaceToInsertIsInFlight() {
        World<List<String>> world = new World<>(this);
        world.store.before(Call.INSERT, () -> world.other.claim(world.id, World.REQUEST));

        assertThat(World.isInFlight(world.service.claim(world.id, World.REQUEST)))
                .isTrue();
        assertThat(world.key().attempts()).isEqualTo(1);
    }

    @Test
    void aClaimThatComesAfterEverythingIsDoneIsAReplay() {
        World<List<String>> world = new World<>(this);
        world.store.before(
                Call.INSERT,
                () -> world.other.update(World.claimed(world.other.claim(world.id, World.REQUEST)), World.respond()));

        assertThat(World.isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LEASE_OVER", "EXPIRED", "FAILED_EXPIRED"})
    void aClaimThatLosesTheRaceToTakeTheKeyIsInFlight(State state) {
        World<List<String>> world = new World<>(this);
        world.put(state);
        world.store.before(Call.REPLACE, () -> world.other.claim(world.id, World.REQUEST));

        assertThat(World.isInFlight(world.service.claim(world.id, World.REQUEST)))
                .isTrue();
        assertThat(world.key().attempts()).isEqualTo(state.isExpired() ? 1 : 4);
    }

    @ParameterizedTest
    @EnumSource(names = {"OPEN", "FAILED", "LEASE_OVER", "EXPIRED", "FAILED_EXPIRED"})
    void aClaimThatIsOvertakenByAResponseIsAReplay(State state) {
        World<List<String>> world = new World<>(this);
        world.put(state);
        world.store.before(
                Call.REPLACE,
                () -> world.other.update(World.claimed(world.other.claim(world.id, World.REQUEST)), World.respond()));

        assertThat(World.isReplay(world.service.claim(world.id, World.REQUEST))).isTrue();
    }

    @Test
    void aClaimThatIsOvertakenByAnotherRequestIsAMismatch() {
        World<List<String>> world = new World<>(this);
        world.put(State.EXPIRED);
        world.store.before(Call.REPLACE, () -> world.other.claim(world.id, World.OTHER_REQUEST));

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> world.service.claim(world.id, World.REQUEST));
    }

    @Test
    void aClaimInsertsAgainWhenTheExpiredKeyIsReapedMeanwhile() {
        World<List<String>> world = World.emptyOf(this);
        world.put(State.EXPIRED);
        world.store.before(
                Call.FIND,
                () -> assertThat(store().deleteExpired(world.now(), 10)).isEqualTo(1));

        assertThat(World.claimed(world.service.claim(world.id, World.REQUEST))
                        .key()
                        .attempts())
                .isEqualTo(1);
    }

    @Test
    void aClaimThatLosesEveryRaceIsInFlight() {
        World<List<String>> world = new World<>(this);
        world.put(State.OPEN);
        for (int i = 0; i < World.MAX_TRIES; i++) {
            world.store.before(
                    Call.REPLACE, () -> world.other.unlock(World.claimed(world.other.claim(world.id, World.REQUEST))));
        }

        assertThat(World.isInFlight(world.service.claim(world.id, World.REQUEST)))
                .isTrue();
        assertThat(world.store.count(Call.REPLACE)).isEqualTo(World.MAX_TRIES);
    }
}
