package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.Reaper;
import jakarta.persistence.EntityManager;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many keys and many threads: facts, not times. */
@Tag("databases")
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PostgresqlScaleTest {
    @Test
    void tenThousandKeysOn64ThreadsMeetNoErrorInEmptyTables() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (ScaleWorld world = world(64)) {
            Operation<EntityManager> operation = world.operation(runs);
            AtomicInteger next = new AtomicInteger();

            inThreads(64, thread -> () -> {
                for (int i = next.getAndIncrement(); i < 10_000; i = next.getAndIncrement()) {
                    assertThat(world.keys
                                    .run(operation, KeyId.of("key-" + i), ScaleWorld.REQUEST)
                                    .replayed())
                            .isFalse();
                }
                return null;
            });

            assertThat(world.count("idempotency_key where state = 'finished' and attempts = 1"))
                    .isEqualTo(10_000);
            assertThat(world.count("contract_row")).isEqualTo(20_000);
        }
    }

    @Test
    void oneKeyOn64ThreadsIsExecutedOnce() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (ScaleWorld world = world(64)) {
            Operation<EntityManager> operation = world.operation(runs);
            AtomicInteger executed = new AtomicInteger();

            inThreads(64, thread -> () -> {
                Execution execution = null;
                while (execution == null) {
                    try {
                        execution = world.keys.run(operation, KeyId.of("key"), ScaleWorld.REQUEST);
                    } catch (IdempotencyException.Locked e) {
                        Thread.onSpinWait();
                    }
                }
                if (!execution.replayed()) {
                    executed.incrementAndGet();
                }
                return execution.response();
            });

            assertThat(executed).hasValue(1);
            assertThat(world.count("contract_row")).isEqualTo(2);
        }
    }

    @Test
    void eightCompletersFinishEachOfTwoThousandStuckKeysOnce() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (ScaleWorld world = world(16)) {
            world.fill("waiting", Duration.ofHours(-1), 2_000, "stuck");
            AtomicInteger finished = new AtomicInteger();

            inThreads(8, thread -> {
                Completer<EntityManager> completer = Completer.builder(askingTheStore(world.store))
                        .operation(world.operation(runs))
                        .abandonedAfter(Duration.ZERO)
                        .build();
                return () -> {
                    while (finished.get() < 2_000) {
                        finished.addAndGet(completer.runOnce());
                    }
                    return null;
                };
            });

            assertThat(finished).hasValue(2_000);
            assertThat(runs).hasSize(2_000);
            assertThat(world.count("idempotency_key where state = 'finished'")).isEqualTo(2_000);
            assertThat(world.count("contract_row where name like '%/2'")).isEqualTo(2_000);
        }
    }

    @Test
    void theReaperRemovesOnlyWhatHasExpiredWhileKeysComeIn() throws Exception {
        try (ScaleWorld world = world(16)) {
            world.fill("expired", Duration.ofDays(-1), 20_000, "finished");
            world.fill("finished", Duration.ofDays(1), 1_000, "finished");
            world.fill("abandoned", Duration.ofDays(-1), 1_000, "stuck");
            world.fill("aside", Duration.ofDays(-1), 1_000, "quarantined");
            Operation<EntityManager> operation = world.operation(new ConcurrentHashMap<>());
            AtomicBoolean reaped = new AtomicBoolean();
            AtomicInteger deleted = new AtomicInteger();
            AtomicInteger claimed = new AtomicInteger();

            inThreads(8, thread -> () -> {
                if (thread == 0) {
                    // Small batches, so that claims come in between.
                    deleted.set(new Reaper(world.keys, 100).runOnce());
                    reaped.set(true);
                }
                while (!reaped.get()) {
                    world.keys.run(operation, KeyId.of("key-" + claimed.incrementAndGet()), ScaleWorld.REQUEST);
                }
                return null;
            });

            assertThat(deleted).hasValue(20_000);
            assertThat(world.count("idempotency_key where key_value like 'expired-%'"))
                    .isZero();
            for (String kept : List.of("finished", "abandoned", "aside")) {
                assertThat(world.count("idempotency_key where key_value like '" + kept + "-%'"))
                        .as(kept)
                        .isEqualTo(1_000);
            }
            assertThat(claimed).hasPositiveValue();
            assertThat(world.count("idempotency_key where key_value like 'key-%'"))
                    .isEqualTo(claimed.get());
        }
    }

    private static void inThreads(int threads, IntFunction<Callable<?>> work) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                running.add(executor.submit(work.apply(i)));
            }
            for (Future<?> each : running) {
                each.get();
            }
        } finally {
            executor.shutdownNow();
        }
    }

    private static ScaleWorld world(int connections) {
        return new ScaleWorld(TestDatabase.POSTGRESQL, TestDatabase.POSTGRESQL.create(), connections);
    }
}
