package io.idempotencykey.service;

import io.idempotencykey.internal.Arguments;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * The work that no client waits for, on threads of its own: completing requests that nobody came back for, and reaping
 * expired keys.
 *
 * <p>Made by {@link IdempotencyKeyService#background}. It runs from {@link Builder#start} to {@link #stop} or {@link
 * #close}, and says both in the log. Safe for many threads, and for many instances side by side.
 *
 * <pre>{@code
 * try (Background background = keys.background(completeCart).start()) {
 *     server.run();
 * }
 * }</pre>
 */
public final class Background implements AutoCloseable {
    /** How long it rests between two runs of the completer. */
    public static final Duration DEFAULT_COMPLETE_EVERY = Duration.ofSeconds(10);

    /** How long it rests between two runs of the reaper. */
    public static final Duration DEFAULT_REAP_EVERY = Duration.ofMinutes(1);

    /** How many requests are completed at once. */
    public static final int DEFAULT_COMPLETERS = 2;

    /** How long {@link #close} waits. */
    public static final Duration CLOSE_WITHIN = Duration.ofSeconds(10);

    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    /** A run of the completer ends with its slowest request; meanwhile a second one finds what is new. */
    private static final int COMPLETING_AT_ONCE = 2;

    private static final Duration LONGEST = Duration.ofHours(24);

    private final Completer<?> completer;
    private final Reaper reaper;
    private final ScheduledExecutorService schedule;
    private final ExecutorService workers;

    private Background(
            Completer<?> completer, Reaper reaper, ScheduledExecutorService schedule, ExecutorService workers) {
        this.completer = completer;
        this.reaper = reaper;
        this.schedule = schedule;
        this.workers = workers;
    }

    /**
     * Says whether the work goes on.
     *
     * @return {@code false} once it was told to stop
     */
    public boolean isRunning() {
        return !schedule.isShutdown();
    }

    /**
     * Stops: no key is taken any more, and the requests under way are waited for. The last second of the time, or half
     * of it if it is shorter than two seconds, is for requests that had to be interrupted, so that they give back their
     * keys.
     *
     * <p>Blocks until nothing runs any more or the deadline has passed. If this thread is interrupted, which it then
     * still is, the runs are interrupted at once. A second call does no harm.
     *
     * @param deadline how long to wait in all: 0 to 24 hours
     * @return whether nothing runs any more; what still runs is fenced off as a crashed worker would be
     * @throws IllegalArgumentException if the deadline is out of bounds; the work goes on
     */
    public boolean stop(Duration deadline) {
        Arguments.between(Duration.ZERO, LONGEST, deadline, "deadline");
        long end = System.nanoTime() + deadline.toNanos();
        long grace = Math.min(deadline.toNanos() / 2, TimeUnit.SECONDS.toNanos(1));
        completer.stop();
        reaper.stop();
        schedule.shutdown();
        awaitEnd(schedule, end - grace);
        schedule.shutdownNow();
        workers.shutdownNow();
        boolean stopped = awaitEnd(schedule, end) && awaitEnd(workers, end);
        LOGGER.log(
                stopped ? Level.INFO : Level.WARNING, "background work has {0}", stopped ? "stopped" : "not stopped");
        return stopped;
    }

    private static boolean awaitEnd(ExecutorService executor, long end) {
        try {
            return executor.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return executor.isTerminated();
        }
    }

    /** Stops within {@link #CLOSE_WITHIN}. */
    @Override
    public void close() {
        stop(CLOSE_WITHIN);
    }

    /** Settings of background work, each with a default; not safe for many threads. */
    public static final class Builder {
        private final Engine<?> engine;
        private final Completer.Builder<?> completer;
        private Duration completeEvery = DEFAULT_COMPLETE_EVERY;
        private Duration reapEvery = DEFAULT_REAP_EVERY;
        private int completers = DEFAULT_COMPLETERS;

        Builder(Engine<?> engine, Completer.Builder<?> completer) {
            this.engine = engine;
            this.completer = completer;
        }

        /**
         * How long the completer rests between two runs. Default: {@link #DEFAULT_COMPLETE_EVERY}.
         *
         * @param completeEvery 1 millisecond to 24 hours
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder completeEvery(Duration completeEvery) {
            this.completeEvery = interval(completeEvery, "completeEvery");
            return this;
        }

        /**
         * How long to rest between two runs of the reaper. Default: {@link #DEFAULT_REAP_EVERY}.
         *
         * @param reapEvery 1 millisecond to 24 hours
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder reapEvery(Duration reapEvery) {
            this.reapEvery = interval(reapEvery, "reapEvery");
            return this;
        }

        /**
         * How long nobody must have held a key before the completer takes it. Default: {@link
         * Completer#DEFAULT_ABANDONED_AFTER}.
         *
         * @param abandonedAfter 0 to 365 days; longer than clients take to retry
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder abandonedAfter(Duration abandonedAfter) {
            completer.abandonedAfter(abandonedAfter);
            return this;
        }

        /**
         * How long a key that nobody here knows how to go on with waits before it is quarantined. Default: {@link
         * Completer#DEFAULT_UNKNOWN_AFTER}.
         *
         * @param unknownAfter 1 second to 365 days
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder unknownAfter(Duration unknownAfter) {
            completer.unknownAfter(unknownAfter);
            return this;
        }

        /**
         * How many requests are completed at once, each on a thread of its own, so that a slow one holds up no other.
         * Each needs a connection while a stage runs. Default: {@link #DEFAULT_COMPLETERS}.
         *
         * @param completers 1 to 100
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder completers(int completers) {
            this.completers = Arguments.between(1, 100, completers, "completers");
            return this;
        }

        /**
         * Starts the work: the first runs begin at once.
         *
         * @return what has to be stopped
         */
        public Background start() {
            ExecutorService workers = Executors.newFixedThreadPool(completers, Builder::daemon);
            ScheduledExecutorService schedule =
                    Executors.newScheduledThreadPool(COMPLETING_AT_ONCE + 1, Builder::daemon);
            Completer<?> completing = completer.ownExecutor(workers).build();
            Reaper reaper = new Reaper(engine);
            // Without operations nothing is completed, and so nothing is quarantined as unknown either.
            for (int i = 0; i < COMPLETING_AT_ONCE && completing.hasOperations(); i++) {
                repeat(schedule, completeEvery, completing::runOnce);
            }
            repeat(schedule, reapEvery, reaper::runOnce);
            LOGGER.log(Level.INFO, "background work has started, completing {0}", completing.completedOperations());
            if (!completing.singleOperations().isEmpty()) {
                LOGGER.log(
                        Level.WARNING,
                        "requests of {0} run in one transaction and are not completed if their clients stay away;"
                                + " declare the operations with staged() if they have to be",
                        completing.singleOperations());
            }
            return new Background(completing, reaper, schedule, workers);
        }

        private static void repeat(ScheduledExecutorService schedule, Duration every, Runnable run) {
            Runnable logged = () -> {
                try {
                    run.run();
                } catch (Throwable e) {
                    log(e);
                }
            };
            ScheduledFuture<?> unused =
                    schedule.scheduleWithFixedDelay(logged, 0, every.toNanos(), TimeUnit.NANOSECONDS);
        }

        private static void log(Throwable failure) {
            try {
                LOGGER.log(Level.WARNING, "background work failed; its next run comes all the same", failure);
            } catch (Throwable e) {
                // Not even its text can be had, and what is thrown here would end the schedule.
            }
        }

        private static Duration interval(Duration every, String argument) {
            return Arguments.between(Duration.ofMillis(1), LONGEST, every, argument);
        }

        private static Thread daemon(Runnable task) {
            Thread thread = new Thread(task, "idempotencykey-background");
            thread.setDaemon(true);
            return thread;
        }
    }
}
