package io.idempotencykey.service;

import io.idempotencykey.internal.Arguments;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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

    /** A run ends with its slowest request: meanwhile another one finds what is new. */
    private static final int RUNS_AT_ONCE = 2;

    private static final Duration LONGEST_GRACE = Duration.ofSeconds(1);

    private final List<Schedule> schedules;
    private final ExecutorService workers;

    private Background(List<Schedule> schedules, ExecutorService workers) {
        this.schedules = schedules;
        this.workers = workers;
    }

    /**
     * Says whether the work goes on.
     *
     * @return {@code false} once it was told to stop
     */
    public boolean isRunning() {
        return schedules.stream().noneMatch(Schedule::isStopped);
    }

    /**
     * Stops: no run begins any more, and one that is under way is waited for. The last tenth of the time, but not more
     * than a second, is for one that had to be interrupted, so that it can give back the keys that it holds.
     *
     * <p>Blocks until nothing runs any more or the deadline has passed. A second call does no harm.
     *
     * @param deadline how long to wait in all: 0 to 24 hours
     * @return whether nothing runs any more; what still runs is fenced off as a crashed worker would be
     * @throws IllegalArgumentException if the deadline is out of bounds; the work goes on
     */
    public boolean stop(Duration deadline) {
        Schedule.deadline(deadline);
        long begin = System.nanoTime();
        schedules.forEach(Schedule::beginStop);
        Duration tenth = deadline.dividedBy(10);
        Duration grace = tenth.compareTo(LONGEST_GRACE) < 0 ? tenth : LONGEST_GRACE;
        boolean stopped = true;
        for (Schedule schedule : schedules) {
            stopped &= schedule.stop(left(deadline.minus(grace), begin));
        }
        // What the schedules have not waited for is interrupted, so that it gives back what it holds.
        workers.shutdownNow();
        try {
            stopped &= workers.awaitTermination(left(deadline, begin).toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            stopped = false;
        }
        LOGGER.log(
                stopped ? Level.INFO : Level.WARNING, "background work has {0}", stopped ? "stopped" : "not stopped");
        return stopped;
    }

    private static Duration left(Duration deadline, long begin) {
        Duration left = deadline.minusNanos(System.nanoTime() - begin);
        return left.isNegative() ? Duration.ZERO : left;
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
            this.completeEvery = Schedule.interval(completeEvery, "completeEvery");
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
            this.reapEvery = Schedule.interval(reapEvery, "reapEvery");
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
            ExecutorService workers =
                    Executors.newFixedThreadPool(completers, task -> Schedule.daemon("idempotencykey-worker", task));
            Completer<?> completing = completer.executor(workers).build();
            Reaper reaper = new Reaper(engine);
            List<Schedule> schedules = new ArrayList<>();
            for (int i = 1; i <= RUNS_AT_ONCE; i++) {
                schedules.add(
                        new Schedule("idempotencykey-completer-" + i, completeEvery, completing::runOnce).start());
            }
            schedules.add(new Schedule("idempotencykey-reaper", reapEvery, reaper::runOnce).start());
            Background background = new Background(List.copyOf(schedules), workers);
            LOGGER.log(Level.INFO, "background work has started, completing {0}", completing.completedOperations());
            return background;
        }
    }
}
