package io.idempotencykey.micrometer;

import io.idempotencykey.Backlog;
import io.idempotencykey.service.OperatorActions;
import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.TimeGauge;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Gauges of the requests that wait for somebody, over the whole store.
 *
 * <table>
 * <caption>Gauges</caption>
 * <tr><td>{@code idempotency.backlog}</td><td>unfinished keys that nobody works on</td></tr>
 * <tr><td>{@code idempotency.backlog.age}</td><td>how long the one of them that waits longest has waited; 0 if none
 * does</td></tr>
 * <tr><td>{@code idempotency.quarantine}</td><td>keys that wait for an operator</td></tr>
 * </table>
 *
 * <p>The store is asked by one query, by index, at most once in {@link #READ_EVERY}; each instance of an application
 * reads the same store, so take their maximum and not their sum. If the store can't be read, the gauges are NaN, and
 * Micrometer logs why.
 *
 * <p>Whoever reads the gauges waits no longer than {@link #WAIT_AT_MOST} for a slow store, so that all other meters can
 * still be had. The query has a thread of its own for as long as it takes, and there is never a second one. Safe for
 * many threads.
 */
public final class BacklogMetrics implements MeterBinder {
    /** How long what was read is shown. */
    public static final Duration READ_EVERY = Duration.ofSeconds(5);

    /** How long a store may take to answer; the gauges are NaN from then on, until it has answered. */
    public static final Duration WAIT_AT_MOST = Duration.ofSeconds(2);

    private final OperatorActions actions;

    /**
     * Gauges over a store.
     *
     * @param actions those of the service whose store it is
     */
    public BacklogMetrics(OperatorActions actions) {
        this.actions = Objects.requireNonNull(actions, "argument 'actions' is null; the service's are required");
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        Reading reading = new Reading(actions, registry.config().clock());
        Gauge.builder("idempotency.backlog", reading, its -> its.read().waiting())
                .description("unfinished keys that nobody works on")
                .strongReference(true)
                .register(registry);
        TimeGauge.builder(
                        "idempotency.backlog.age",
                        reading,
                        TimeUnit.MILLISECONDS,
                        its -> its.read().longestWait().toMillis())
                .description("how long the longest waiting unfinished key has waited")
                .strongReference(true)
                .register(registry);
        Gauge.builder("idempotency.quarantine", reading, its -> its.read().quarantined())
                .description("keys that wait for an operator")
                .strongReference(true)
                .register(registry);
    }

    /** What was read last, so that the gauges of one scrape don't ask the store one by one. */
    private static final class Reading {
        private final OperatorActions actions;
        private final Clock clock;
        private final ReentrantLock lock = new ReentrantLock();
        private @Nullable Query last;

        Reading(OperatorActions actions, Clock clock) {
            this.actions = actions;
            this.clock = clock;
        }

        Backlog read() {
            return latest().answer();
        }

        private Query latest() {
            lock.lock();
            try {
                if (last == null || last.isOlderThan(READ_EVERY)) {
                    Query query = new Query(actions, clock);
                    query.start();
                    last = query;
                }
                return last;
            } finally {
                lock.unlock();
            }
        }
    }

    /** One query, and its answer when there is one. */
    private static final class Query {
        private final Clock clock;
        private final FutureTask<Backlog> task;
        private final long waitUntil = System.nanoTime() + WAIT_AT_MOST.toNanos();
        private volatile long endedAt;

        Query(OperatorActions actions, Clock clock) {
            this.clock = clock;
            this.task = new FutureTask<>(() -> {
                try {
                    return actions.backlog();
                } finally {
                    endedAt = clock.monotonicTime();
                }
            });
        }

        void start() {
            // Without what the thread that asks has put into inheritable variables.
            Thread thread = new Thread(null, task, "idempotencykey-backlog", 0, false);
            thread.setDaemon(true);
            thread.start();
        }

        boolean isOlderThan(Duration age) {
            return task.isDone() && clock.monotonicTime() - endedAt >= age.toNanos();
        }

        Backlog answer() {
            try {
                return task.get(Math.max(0, waitUntil - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (ExecutionException e) {
                throw new IllegalStateException("the store can't be read", e.getCause());
            } catch (TimeoutException e) {
                throw new IllegalStateException("the store has not answered within " + WAIT_AT_MOST, e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while the store was read", e);
            }
        }
    }
}
