package io.idempotencykey.contract;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Threads that end with the test, and waiting with a bound. */
final class Threads {
    /** Far longer than anything here takes on a slow store; a test that waits so long has failed. */
    private static final long LONGEST_WAIT_SECONDS = 90;

    /** The name of every thread that is started here. */
    static final String NAME = "contract";

    private Threads() {}

    static void start(Runnable work) {
        Thread thread = new Thread(work, NAME);
        thread.setDaemon(true);
        thread.start();
    }

    /** Begins work on a thread of its own. */
    static <R> Future<R> begin(Callable<R> work) {
        CompletableFuture<R> end = new CompletableFuture<>();
        start(() -> {
            try {
                end.complete(work.call());
            } catch (Throwable e) {
                end.completeExceptionally(e);
            }
        });
        return end;
    }

    /** Does the work on a thread of its own, as another process would, and waits for its end. */
    static <R> R elsewhere(Callable<R> work) {
        return get(begin(work));
    }

    /** Lets so many threads do the work at once; returns what each returned. */
    static <R> List<R> atOnce(int threads, Callable<R> work) {
        CyclicBarrier start = new CyclicBarrier(threads);
        List<Future<R>> ends = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            ends.add(begin(() -> {
                start.await(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS);
                return work.call();
            }));
        }
        return ends.stream().map(Threads::get).toList();
    }

    static <R> R get(Future<R> future) {
        try {
            return future.get(LONGEST_WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw Threads.<RuntimeException>asItIs(e.getCause() == null ? e : e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("a thread of the test didn't end", e);
        }
    }

    /** Waits for the end of what may itself be waiting for the caller, and no longer than this. */
    static void waitFor(Future<?> future, Duration longest) {
        try {
            future.get(longest.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            // How it ends, if it has not waited, is what get() tells.
            return;
        } catch (InterruptedException e) {
            throw new AssertionError("the test was interrupted", e);
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

    /** As languages without checked exceptions do it. */
    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }
}
