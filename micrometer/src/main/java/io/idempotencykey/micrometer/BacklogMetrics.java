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
import java.util.concurrent.TimeUnit;
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
 * <p>Reading a gauge blocks for one query, by index, at most once in {@link #READ_EVERY}; each instance of an
 * application reads the same store, so take their maximum and not their sum. If the store can't be read, the gauges are
 * NaN, and Micrometer logs why. Safe for many threads.
 */
public final class BacklogMetrics implements MeterBinder {
    /** How long what was read is shown. */
    public static final Duration READ_EVERY = Duration.ofSeconds(5);

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
        private long readAt;
        private @Nullable Backlog backlog;
        private @Nullable RuntimeException failure;

        Reading(OperatorActions actions, Clock clock) {
            this.actions = actions;
            this.clock = clock;
        }

        Backlog read() {
            lock.lock();
            try {
                boolean isNew = backlog == null && failure == null;
                if (isNew || clock.monotonicTime() - readAt >= READ_EVERY.toNanos()) {
                    readAnew();
                }
                if (backlog == null) {
                    throw Objects.requireNonNull(failure);
                }
                return backlog;
            } finally {
                lock.unlock();
            }
        }

        private void readAnew() {
            backlog = null;
            failure = null;
            try {
                backlog = actions.backlog();
            } catch (RuntimeException e) {
                failure = e;
            }
            readAt = clock.monotonicTime();
        }
    }
}
