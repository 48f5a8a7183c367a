package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/**
 * Bounded waits for what is sure to come. The bound is far longer than a slow machine takes, so that only a failure
 * reaches it.
 */
final class Patience {
    static final Duration LONGEST = Duration.ofMinutes(2);

    private Patience() {}

    /** A condition that has to be asked for again and again. */
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

    /** Leaves the processors to others between two questions; it synchronises nothing. */
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

    /** Waits for another thread's result; an exception of that thread is the cause of the one thrown here. */
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
