package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class StoreClockTest {
    private static final Instant NOON = Instant.parse("2026-01-01T12:00:00.123456789Z");

    private final Clockwork clockwork = new Clockwork();
    private final Settings settings = new Settings(
            Duration.ofSeconds(1),
            Duration.ofSeconds(1),
            0,
            0,
            Isolation.SERIALIZABLE,
            3,
            Duration.ofMillis(1),
            Duration.ofMillis(1),
            0,
            clockwork,
            new Events(List.of()));
    private final StoreClock clock = new StoreClock(clockwork, new StoreAccess<>(clockwork, settings), settings);

    @Test
    void theTimeIsTheStoresCutToMilliseconds() {
        assertThat(clock.now()).isEqualTo("2026-01-01T12:00:00.123Z");
    }

    @Test
    void theStoreIsReadOnceAMinuteAndCarriedInBetween() {
        clock.now();
        clockwork.nanos += Duration.ofSeconds(59).toNanos();
        clockwork.time = NOON.plusSeconds(3600);

        assertThat(clock.now()).isEqualTo("2026-01-01T12:00:59.123Z");
        assertThat(clockwork.reads).isEqualTo(1);

        clockwork.nanos += Duration.ofSeconds(2).toNanos();

        assertThat(clock.now()).isEqualTo("2026-01-01T13:00:00.123Z");
        assertThat(clock.now()).isEqualTo("2026-01-01T13:00:00.123Z");
        assertThat(clockwork.reads).isEqualTo(2);
    }

    @Test
    void theFirstReadingIsDatedInTheMiddleOfItsRoundTrip() {
        clockwork.roundTrip = Duration.ofMillis(100);

        assertThat(clock.now()).isEqualTo("2026-01-01T12:00:00.173Z");
    }

    @Test
    void aSlowReadingMovesTheCarriedTimeNoFurtherThanItContradictsIt() {
        assertThat(afterASlowReadingOf(Duration.ofSeconds(58))).isEqualTo("2026-01-01T12:01:08.123Z");
        assertThat(afterASlowReadingOf(Duration.ofSeconds(62))).isEqualTo("2026-01-01T12:01:11.123Z");
        assertThat(afterASlowReadingOf(Duration.ofSeconds(72))).isEqualTo("2026-01-01T12:01:12.123Z");
    }

    /** What the clock says after 61 seconds and a reading that takes ten more. */
    private Instant afterASlowReadingOf(Duration sinceNoon) {
        StoreClock another = new StoreClock(clockwork, new StoreAccess<>(clockwork, settings), settings);
        clockwork.time = NOON;
        clockwork.roundTrip = Duration.ZERO;
        another.now();
        clockwork.nanos += Duration.ofSeconds(61).toNanos();
        clockwork.time = NOON.plus(sinceNoon);
        clockwork.roundTrip = Duration.ofSeconds(10);
        return another.now();
    }

    @Test
    void anOldReadingIsCarriedOnWhileTheStoreCanNotBeRead() {
        clock.now();
        clockwork.nanos += Duration.ofMinutes(2).toNanos();
        clockwork.failure = new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "down", null);

        assertThat(clock.now()).isEqualTo("2026-01-01T12:02:00.123Z");
        assertThat(clock.now()).isEqualTo("2026-01-01T12:02:00.123Z");
        assertThat(clockwork.reads).as("not asked again at once").isEqualTo(2);
    }

    @Test
    void theFirstReadingIsTriedAgainWhileThatMayHelp() {
        clockwork.failure = new StoreFailure(StoreFailure.Kind.TRANSIENT, "busy", null);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(clock::now)
                .withCause(clockwork.failure);
        assertThat(clockwork.reads).isEqualTo(3);
    }

    @Test
    void theFirstReadingIsNotTriedAgainWhereThatCanNotHelp() {
        clockwork.failure = new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "down", null);

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class).isThrownBy(clock::now);
        assertThat(clockwork.reads).isEqualTo(1);
    }

    /** A store that has nothing but a time. */
    private static final class Clockwork implements KeyStore<Object>, Environment {
        Instant time = NOON;
        long nanos = Long.MAX_VALUE - 5;
        Duration roundTrip = Duration.ZERO;
        int reads;

        @Nullable
        StoreFailure failure;

        @Override
        public Instant time() {
            reads++;
            if (failure != null) {
                throw failure;
            }
            nanos += roundTrip.toNanos();
            return time;
        }

        @Override
        public RandomGenerator random() {
            return new Random(1);
        }

        @Override
        public long nanoTime() {
            return nanos;
        }

        @Override
        public void pause(Duration duration) {}

        @Override
        public Duration timeHolds() {
            return Duration.ofMinutes(1);
        }

        @Override
        public Set<Isolation> isolations() {
            throw new UnsupportedOperationException();
        }

        @Override
        public Optional<StoredKey> find(KeyId id) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean insert(StoredKey key) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean replace(Revision expected, StoredKey next) {
            throw new UnsupportedOperationException();
        }

        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<Object, StoredProgress> work) {
            throw new UnsupportedOperationException();
        }

        @Override
        public StageCommit commitSingle(
                StoredKey taken, Isolation isolation, Duration lease, SingleStage<Object> stage) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<StoredKey> findResumable(
                Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<StoredKey> findQuarantined(
                @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Backlog backlog(Instant before) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int deleteExpired(Instant at, int limit) {
            throw new UnsupportedOperationException();
        }
    }
}
