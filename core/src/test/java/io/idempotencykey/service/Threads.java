package io.idempotencykey.service;

import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Threads that end with the test, and waiting with a bound. */
final class Threads {
    private static final long LONGEST_WAIT_SECONDS = 30;

    private Threads() {}

    static void start(Runnable work) {
        Thread thread = new Thread(work, "test");
        thread.setDaemon(true);
        thread.start();
    }

    /** Does the work on a thread of its own, as another process would, and waits for its end. */
    static <R> R elsewhere(Callable<R> work) {
        FutureTask<R> end = new FutureTask<>(work);
        start(end);
        try {
            return end.get(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException | InterruptedException | TimeoutException e) {
            throw new AssertionError("a thread of the test didn't end well", e);
        }
    }

    static void await(CountDownLatch latch) {
        try {
            if (!latch.await(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("the test's latch never opened");
            }
        } catch (InterruptedException e) {
            throw new AssertionError("the test was interrupted", e);
        }
    }
}
