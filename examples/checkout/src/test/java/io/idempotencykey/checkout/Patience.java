package io.idempotencykey.checkout;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/**
 * How long a test waits for what is sure to come: nobody waits for ever, and only the speed of the machine says how long
 * it takes.
 */
final class Patience {
    static final Duration LONGEST = Duration.ofMinutes(2);

    private Patience() {}

    /** What only somebody else knows is asked for until it is so. */
    @FunctionalInterface
    interface Condition {
        boolean holds() throws Exception;
    }

    static void await(Condition condition) throws Exception {
        long begin = System.nanoTime();
        while (!condition.holds()) {
            assertThat(System.nanoTime() - begin).as("nanoseconds").isLessThan(LONGEST.toNanos());
            pause(Duration.ofMillis(10));
        }
    }

    /** Nothing waits for this: it leaves the processors to whom it is waited for. */
    static void pause(Duration duration) {
        LockSupport.parkNanos(duration.toNanos());
    }

    static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(LONGEST.toSeconds(), TimeUnit.SECONDS))
                    .as("the test's latch opens")
                    .isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError("the test was interrupted", e);
        }
    }

    /** The result that somebody else makes; what they throw is the cause of what is thrown here. */
    static <R> R await(CompletableFuture<R> result) {
        try {
            return result.get(LONGEST.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError("what the test waits for failed", e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("what the test waits for didn't come", e);
        }
    }
}
