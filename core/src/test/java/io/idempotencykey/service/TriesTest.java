package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TriesTest {
    private final List<Duration> pauses = new ArrayList<>();
    private boolean interruptsPause;

    @AfterEach
    void clearInterrupt() {
        Thread.interrupted();
    }

    @Test
    void pausesAreRandomBelowABoundThatDoublesUpToTheLongest() {
        Tries tries = tries(12, bound -> bound - 1);

        while (tries.another()) {}

        assertThat(pauses)
                .extracting(Duration::toNanos)
                .containsExactly(
                        999_999L,
                        1_999_999L,
                        3_999_999L,
                        7_999_999L,
                        15_999_999L,
                        19_999_999L,
                        19_999_999L,
                        19_999_999L,
                        19_999_999L,
                        19_999_999L,
                        19_999_999L);
        assertThat(tries.used()).isEqualTo(12);
    }

    @Test
    void thePauseMayBeNothing() {
        Tries tries = tries(2, bound -> 0);

        assertThat(tries.another(Duration.ofNanos(1))).isTrue();
        assertThat(pauses).containsExactly(Duration.ZERO);
    }

    @Test
    void noTryBeginsWithoutTimeForThePause() {
        Tries tries = tries(3, bound -> 500_000);

        assertThat(tries.another(Duration.ofNanos(500_000))).isFalse();
        assertThat(tries.another(Duration.ofSeconds(-1))).isFalse();
        assertThat(tries.another(Duration.ofNanos(500_001))).isTrue();
        assertThat(pauses).hasSize(1);
    }

    @Test
    void anInterruptEndsTheTriesAndStaysSet() {
        Tries tries = tries(3, bound -> 0);
        Thread.currentThread().interrupt();

        assertThat(tries.another()).isFalse();
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
        assertThat(tries.used()).isEqualTo(1);
    }

    @Test
    void anInterruptThatIsTakenAwayEndsNoTriesAndIsGivenBack() {
        Interruption interruption = new Interruption();
        Tries tries = new Tries(settings(3, bound -> 0), interruption);
        Thread.currentThread().interrupt();

        assertThat(tries.another()).isTrue();
        assertThat(Thread.currentThread().isInterrupted()).isFalse();
        assertThat(tries.another()).isTrue();
        assertThat(tries.another()).isFalse();
        assertThat(pauses).hasSize(2);

        interruption.giveBack();
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
    }

    /** The interrupt that comes during a pause. */
    @Test
    void aPauseThatIsInterruptedIsFollowedByAnotherTry() {
        Interruption interruption = new Interruption();
        Tries tries = new Tries(settings(3, bound -> 0), interruption);
        interruptsPause = true;

        assertThat(tries.another()).isTrue();
        assertThat(Thread.currentThread().isInterrupted()).isFalse();

        interruption.giveBack();
        assertThat(Thread.currentThread().isInterrupted()).isTrue();
    }

    @Test
    void theThousandthPauseIsTheLongestToo() {
        Tries tries = tries(1000, bound -> bound - 1);

        while (tries.another()) {}

        assertThat(pauses).hasSize(999).last().isEqualTo(Duration.ofNanos(19_999_999));
    }

    private interface Draw {
        long below(long bound);
    }

    private Tries tries(int most, Draw draw) {
        return new Tries(settings(most, draw));
    }

    private Settings settings(int most, Draw draw) {
        Environment environment = new Environment() {
            @Override
            public RandomGenerator random() {
                return new Random() {
                    private static final long serialVersionUID = 1L;

                    @Override
                    public long nextLong(long bound) {
                        return draw.below(bound);
                    }
                };
            }

            @Override
            public long nanoTime() {
                return 0;
            }

            @Override
            public void pause(Duration duration) throws InterruptedException {
                if (Thread.interrupted() || interruptsPause) {
                    throw new InterruptedException();
                }
                pauses.add(duration);
            }
        };
        return new Settings(
                Duration.ofSeconds(1),
                Duration.ofSeconds(1),
                0,
                0,
                Isolation.SERIALIZABLE,
                most,
                Duration.ofMillis(1),
                Duration.ofMillis(20),
                0,
                environment,
                new Events(List.of()));
    }
}
