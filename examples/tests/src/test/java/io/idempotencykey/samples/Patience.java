package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;

/** Bounded waits for what is sure to come; only a failure reaches the bound. */
final class Patience {
    static final Duration LONGEST = Duration.ofMinutes(2);

    private Patience() {}

    static void await(String what, Callable<Boolean> condition) throws Exception {
        long begin = System.nanoTime();
        while (!condition.call()) {
            assertThat(System.nanoTime() - begin)
                    .as("nanoseconds of waiting until %s", what)
                    .isLessThan(LONGEST.toNanos());
            // Leaves the processors to the sample.
            LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
        }
    }
}
