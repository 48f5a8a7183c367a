package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class HandedOutTest {
    /** As a pool's does that gets no further thread; else the completer would wait for the work for ever. */
    @Test
    void whatAnExecutorFailsToTakeIsWithdrawn() {
        HandedOut handedOut = new HandedOut(
                work -> {
                    throw new OutOfMemoryError("unable to create native thread");
                },
                false);
        AtomicInteger runs = new AtomicInteger();

        assertThatExceptionOfType(OutOfMemoryError.class).isThrownBy(() -> handedOut.add(runs::incrementAndGet));
        assertTimeoutPreemptively(Duration.ofSeconds(10), handedOut::await);

        assertThat(runs).hasValue(0);
    }
}
