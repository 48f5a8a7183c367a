package io.idempotencykey.service;

import io.idempotencykey.internal.Arguments;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * Calls something again and again on a thread of its own; what a call throws is logged, and the next one comes all the
 * same.
 */
final class Schedule {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private static final Duration LONGEST = Duration.ofHours(24);

    private final ScheduledExecutorService executor;
    private final Duration every;
    private final Runnable task;

    /**
     * A schedule that hasn't started.
     *
     * @param name of the thread, which is a daemon
     * @param every from the end of a call to the next one
     * @param task what to call
     */
    Schedule(String name, Duration every, Runnable task) {
        Arguments.required(name, "name");
        this.every = interval(every, "every");
        this.task = Arguments.required(task, "task");
        this.executor = Executors.newSingleThreadScheduledExecutor(runnable -> daemon(name, runnable));
    }

    static Thread daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }

    static Duration interval(Duration every, String argument) {
        return Arguments.between(Duration.ofMillis(1), LONGEST, every, argument);
    }

    static Duration deadline(Duration deadline) {
        return Arguments.between(Duration.ZERO, LONGEST, deadline, "deadline");
    }

    /** Begins with the first call at once. */
    Schedule start() {
        ScheduledFuture<?> unused =
                executor.scheduleWithFixedDelay(this::call, 0, every.toNanos(), TimeUnit.NANOSECONDS);
        return this;
    }

    private void call() {
        try {
            task.run();
        } catch (Throwable e) {
            LOGGER.log(Level.WARNING, "a scheduled call failed; the next one comes all the same", e);
        }
    }

    boolean isStopped() {
        return executor.isShutdown();
    }

    /** Lets no call begin any more. */
    void beginStop() {
        executor.shutdown();
    }

    /**
     * Stops, and waits for a call that runs. The last tenth of the time, but not more than a second, is for a call that
     * had to be interrupted.
     *
     * @param deadline how long to wait in all
     * @return whether nothing runs any more
     */
    boolean stop(Duration deadline) {
        deadline(deadline);
        beginStop();
        long interrupted = Math.min(deadline.toNanos() / 10, TimeUnit.SECONDS.toNanos(1));
        try {
            if (!executor.awaitTermination(deadline.toNanos() - interrupted, TimeUnit.NANOSECONDS)) {
                executor.shutdownNow();
                return executor.awaitTermination(interrupted, TimeUnit.NANOSECONDS);
            }
        } catch (InterruptedException e) {
            executor.shutdownNow();
            Thread.currentThread().interrupt();
        }
        return executor.isTerminated();
    }
}
