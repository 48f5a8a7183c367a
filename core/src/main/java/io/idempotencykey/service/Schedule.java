package io.idempotencykey.service;

import io.idempotencykey.internal.Arguments;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * Calls something again and again on a thread of its own, such as {@link Completer#runOnce} and {@link Reaper#runOnce}, for
 * applications that have no scheduler.
 *
 * <p>What a call throws is logged, and the next call comes all the same. Safe for many threads.
 */
public final class Schedule implements AutoCloseable {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private static final Duration LONGEST = Duration.ofHours(24);

    private final ScheduledExecutorService executor;

    /**
     * Starts at once.
     *
     * @param name of the thread, which is a daemon
     * @param every from the end of a call to the next one: 1 millisecond to 24 hours
     * @param task what to call
     * @throws IllegalArgumentException if {@code every} is out of bounds
     */
    public Schedule(String name, Duration every, Runnable task) {
        Arguments.required(name, "name");
        Arguments.between(Duration.ofMillis(1), LONGEST, every, "every");
        Arguments.required(task, "task");
        this.executor = Executors.newSingleThreadScheduledExecutor(runnable -> {
            Thread thread = new Thread(runnable, name);
            thread.setDaemon(true);
            return thread;
        });
        ScheduledFuture<?> unused = executor.scheduleWithFixedDelay(
                () -> {
                    try {
                        task.run();
                    } catch (Throwable e) {
                        LOGGER.log(Level.WARNING, "a scheduled call failed; the next one comes all the same", e);
                    }
                },
                0,
                every.toNanos(),
                TimeUnit.NANOSECONDS);
    }

    /**
     * Stops: no call begins any more, and one that runs is waited for. The last tenth of the time, but not more than a
     * second, is for a call that had to be interrupted, so that it can give back what it holds.
     *
     * @param deadline how long to wait in all: 0 to 24 hours
     * @return whether nothing runs any more
     * @throws IllegalArgumentException if the deadline is out of bounds; the schedule goes on
     */
    public boolean stop(Duration deadline) {
        Arguments.between(Duration.ZERO, LONGEST, deadline, "deadline");
        executor.shutdown();
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

    /** Stops within ten seconds. */
    @Override
    public void close() {
        stop(Duration.ofSeconds(10));
    }
}
