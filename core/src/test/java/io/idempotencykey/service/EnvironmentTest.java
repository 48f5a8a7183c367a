package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.security.SecureRandom;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class EnvironmentTest {
    private final Environment system = Environment.system();

    @Test
    void theSystemsRandomnessCanNotBeGuessed() {
        assertThat(system.random()).isInstanceOf(SecureRandom.class).isSameAs(system.random());
        assertThat(system.random().nextLong()).isNotEqualTo(system.random().nextLong());
    }

    @Test
    void theSystemsClockRunsAtLeastAsLongAsAPause() throws InterruptedException {
        long before = system.nanoTime();

        system.pause(Duration.ofMillis(2).plusNanos(500_000));

        assertThat(system.nanoTime() - before).isGreaterThanOrEqualTo(2_000_000);
    }

    @Test
    void aPauseEndsWhenItsThreadIsInterrupted() {
        Thread.currentThread().interrupt();

        assertThatExceptionOfType(InterruptedException.class).isThrownBy(() -> system.pause(Duration.ofMinutes(1)));
    }
}
