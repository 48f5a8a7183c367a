package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Backlog;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.inmemory.InMemoryTransactions;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.OperatorActions;
import io.micrometer.core.instrument.MockClock;
import io.micrometer.core.instrument.simple.SimpleConfig;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The gauges of what waits, over a real store whose counting is watched. */
class BacklogMetricsTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());

    private final MockClock clock = new MockClock();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry(SimpleConfig.DEFAULT, clock);
    private final AtomicInteger readings = new AtomicInteger();
    private final AtomicBoolean broken = new AtomicBoolean();
    private volatile CountDownLatch answers = new CountDownLatch(0);
    private final InMemoryKeyStore<List<String>> store =
            new InMemoryKeyStore<>(new Lists(), 100, InstantSource.fixed(NOW));
    private final IdempotencyKeyService<List<String>> keys = new IdempotencyKeyService<>(watched());

    private static final class Lists implements InMemoryTransactions<List<String>> {
        @Override
        public List<String> begin() {
            return new ArrayList<>();
        }

        @Override
        public void commit(List<String> transaction) {}

        @Override
        public void rollback(List<String> transaction) {}
    }

    @SuppressWarnings("unchecked")
    private KeyStore<List<String>> watched() {
        return (KeyStore<List<String>>) Proxy.newProxyInstance(
                KeyStore.class.getClassLoader(), new Class<?>[] {KeyStore.class}, (proxy, method, arguments) -> {
                    if (method.getReturnType() == Backlog.class) {
                        readings.incrementAndGet();
                        answers.await();
                        if (broken.get()) {
                            throw new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "the store is away", null);
                        }
                    }
                    try {
                        return method.invoke(store, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    private double gauge(String name) {
        return registry.get(name).gauge().value();
    }

    @Test
    void theGaugesShowWhatWaitsAndForHowLong() {
        new BacklogMetrics(new OperatorActions(keys)).bindTo(registry);
        assertThat(gauge("idempotency.backlog")).isZero();
        assertThat(gauge("idempotency.backlog.age")).isZero();
        assertThat(gauge("idempotency.quarantine")).isZero();

        keys.create("shop", "one", REQUEST);
        keys.create("shop", "two", REQUEST);
        store.moveTime(Duration.ofDays(2));
        Completer.builder(keys).build().runOnce();
        keys.create("shop", "three", REQUEST);
        store.moveTime(Duration.ofSeconds(90));
        clock.add(BacklogMetrics.READ_EVERY);

        assertThat(gauge("idempotency.backlog")).isEqualTo(1);
        assertThat(registry.get("idempotency.backlog.age").timeGauge().value(TimeUnit.SECONDS))
                .isEqualTo(90);
        assertThat(gauge("idempotency.quarantine")).isEqualTo(2);
    }

    @Test
    void theGaugesOfOneScrapeAskTheStoreOnce() {
        new BacklogMetrics(new OperatorActions(keys)).bindTo(registry);

        gauge("idempotency.backlog");
        gauge("idempotency.backlog.age");
        clock.add(BacklogMetrics.READ_EVERY.minusMillis(1));
        gauge("idempotency.quarantine");
        assertThat(readings).hasValue(1);

        clock.add(Duration.ofMillis(1));
        gauge("idempotency.backlog");
        assertThat(readings).hasValue(2);
    }

    @Test
    void aStoreThatCantBeReadShowsAsNotANumberAndNotAsWhatItWas() {
        new BacklogMetrics(new OperatorActions(keys)).bindTo(registry);
        assertThat(gauge("idempotency.backlog")).isZero();

        broken.set(true);
        clock.add(BacklogMetrics.READ_EVERY);
        assertThat(gauge("idempotency.backlog")).isNaN();
        int tries = readings.get();
        assertThat(gauge("idempotency.quarantine")).isNaN();
        assertThat(readings).hasValue(tries);

        broken.set(false);
        clock.add(BacklogMetrics.READ_EVERY);
        assertThat(gauge("idempotency.backlog")).isZero();
        assertThat(keys.create("shop", "one", REQUEST).id()).isEqualTo(new KeyId("shop", "one"));
    }

    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aStoreThatDoesntAnswerHoldsUpNoScrapeAndIsAskedOnce() {
        new BacklogMetrics(new OperatorActions(keys)).bindTo(registry);
        assertThat(gauge("idempotency.backlog")).isZero();
        answers = new CountDownLatch(1);
        clock.add(BacklogMetrics.READ_EVERY);

        for (int i = 0; i < 100; i++) {
            assertThat(gauge("idempotency.backlog")).isNaN();
            assertThat(gauge("idempotency.quarantine")).isNaN();
            clock.add(BacklogMetrics.READ_EVERY);
        }
        assertThat(readings).hasValue(2);

        answers.countDown();
        await(() -> !Double.isNaN(gauge("idempotency.backlog")));
        assertThat(gauge("idempotency.backlog")).isZero();
    }

    private static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.onSpinWait();
        }
    }

    @Test
    void aThreadThatIsInterruptedStaysSo() {
        new BacklogMetrics(new OperatorActions(keys)).bindTo(registry);
        answers = new CountDownLatch(1);

        Thread.currentThread().interrupt();
        double shown = gauge("idempotency.backlog");

        assertThat(Thread.interrupted()).isTrue();
        assertThat(shown).isNaN();
        answers.countDown();
    }
}
