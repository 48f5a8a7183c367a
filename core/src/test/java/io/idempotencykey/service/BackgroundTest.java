package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class BackgroundTest {
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");
    private static final Duration SOON = Duration.ofMillis(1);
    private static final Duration LONG = Duration.ofSeconds(30);

    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public int deleteExpired(Instant at, int limit) {
            reaping.run();
            return super.deleteExpired(at, limit);
        }
    };
    private volatile Runnable reaping = () -> {};
    private final BlockingQueue<KeyEvent> events = new LinkedBlockingQueue<>();
    private final IdempotencyKeyService<List<String>> keys =
            IdempotencyKeyService.builder(store).listener(events::add).build();

    private Background.Builder background(Operation<List<String>> operation) {
        return keys.background(operation).completeEvery(SOON).reapEvery(SOON).abandonedAfter(Duration.ZERO);
    }

    private <E extends KeyEvent> E await(Class<E> type) throws InterruptedException {
        while (true) {
            KeyEvent event = events.poll(30, TimeUnit.SECONDS);
            assertThat(event).as("an event of the kind " + type.getSimpleName()).isNotNull();
            if (type.isInstance(event)) {
                return type.cast(event);
            }
        }
    }

    @Test
    void nothingRunsBeforeItIsStarted() {
        // Those of another test may still be ending.
        Set<Thread> before = Thread.getAllStackTraces().keySet();

        Background.Builder unused =
                background(keys.operation("op").respond(STARTED, stage -> DONE).build());

        assertThat(Thread.getAllStackTraces().keySet())
                .filteredOn(thread -> !before.contains(thread))
                .noneMatch(thread -> thread.getName().startsWith("idempotencykey-"));
    }

    @Test
    void abandonedRequestsAreCompletedAndExpiredKeysReaped() throws InterruptedException {
        Operation<List<String>> operation =
                keys.operation("op").respond(STARTED, stage -> DONE).build();
        keys.claim(operation, ID, REQUEST);
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));

        try (Background background = background(operation).start()) {
            assertThat(await(KeyEvent.Completed.class).key().id()).isEqualTo(ID);
            store.pass(ServiceBuilder.DEFAULT_TIME_TO_LIVE);
            assertThat(await(KeyEvent.Expired.class).count()).isEqualTo(1);
            assertThat(background.isRunning()).isTrue();
        }

        assertThat(store.keys).isEmpty();
    }

    @Test
    void aSlowRequestHoldsUpNoOther() throws InterruptedException {
        CountDownLatch proceed = new CountDownLatch(1);
        Operation<List<String>> operation = keys.operation("op")
                .respond(STARTED, stage -> {
                    if (stage.key().id().value().equals("slow")) {
                        proceed.await();
                    }
                    return DONE;
                })
                .build();
        for (String value : List.of("slow", "quick")) {
            keys.claim(operation, KeyId.of(value), REQUEST);
        }
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));

        Background background = background(operation).completers(2).start();
        try {
            assertThat(await(KeyEvent.Completed.class).key().id().value()).isEqualTo("quick");
        } finally {
            proceed.countDown();
            background.close();
        }
        assertThat(background.isRunning()).isFalse();
    }

    /** Each needs a connection: the threads that wait for requests complete none themselves. */
    @Test
    void noMoreRequestsRunAtOnceThanItWasTold() throws InterruptedException {
        Set<Thread> threads = ConcurrentHashMap.newKeySet();
        CountDownLatch completed = new CountDownLatch(40);
        Operation<List<String>> operation = keys.operation("op")
                .respond(STARTED, stage -> {
                    threads.add(Thread.currentThread());
                    completed.countDown();
                    return DONE;
                })
                .build();
        for (int i = 0; i < 40; i++) {
            keys.claim(operation, KeyId.of("key-" + i), REQUEST);
        }
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));

        try (Background background = background(operation).completers(1).start()) {
            await(completed);
            assertThat(background.isRunning()).isTrue();
        }

        assertThat(threads).hasSize(1);
    }

    private Background reaping(Runnable reaping) {
        this.reaping = reaping;
        return keys.background().reapEvery(SOON).start();
    }

    private static void await(CountDownLatch latch) throws InterruptedException {
        assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void itsThreadsKeepNoProcessAlive() throws InterruptedException {
        BlockingQueue<Thread> threads = new LinkedBlockingQueue<>();
        try (Background background = reaping(() -> threads.add(Thread.currentThread()))) {
            assertThat(background.isRunning()).isTrue();
            Thread thread = threads.poll(30, TimeUnit.SECONDS);
            assertThat(thread).isNotNull();
            assertThat(thread.isDaemon()).isTrue();
            assertThat(thread.getName()).isEqualTo("idempotencykey-background");
        }
    }

    @Test
    void whateverARunThrowsTheNextOneComes() throws InterruptedException {
        CountDownLatch runs = new CountDownLatch(3);
        try (Background background = reaping(() -> {
            runs.countDown();
            throw new StackOverflowError("deep");
        })) {
            await(runs);
            assertThat(background.isRunning()).isTrue();
        }
    }

    @Test
    void itWaitsForTheRunThatIsUnderWay() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        AtomicInteger ended = new AtomicInteger();
        Background background = reaping(() -> {
            running.countDown();
            try {
                proceed.await();
                ended.incrementAndGet();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        await(running);
        proceed.countDown();

        assertThat(background.stop(LONG)).isTrue();
        assertThat(ended.get()).isPositive();
        assertThat(background.isRunning()).isFalse();
    }

    /** Work whose run is under way, and never ends by itself. */
    private Background reapingUntilInterrupted(CountDownLatch interrupted) throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        Background background = reaping(() -> {
            running.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                interrupted.countDown();
            }
        });
        await(running);
        return background;
    }

    @Test
    void aRunThatDoesNotEndIsInterruptedAndHasTimeToGiveBackWhatItHolds() throws InterruptedException {
        CountDownLatch interrupted = new CountDownLatch(1);
        Background background = reapingUntilInterrupted(interrupted);

        boolean unused = background.stop(SOON);
        await(interrupted);

        assertThat(background.stop(LONG)).isTrue();
    }

    @Test
    void whoStopsItOnAnInterruptedThreadInterruptsTheRunAtOnce() throws InterruptedException {
        CountDownLatch interrupted = new CountDownLatch(1);
        Background background = reapingUntilInterrupted(interrupted);
        Thread.currentThread().interrupt();

        boolean unused = background.stop(LONG);

        assertThat(Thread.interrupted()).isTrue();
        await(interrupted);
        assertThat(background.stop(LONG)).isTrue();
    }

    @Test
    void aRunThatEndsWhenItIsInterruptedEndsWithinTheDeadline() throws InterruptedException {
        Background background = reapingUntilInterrupted(new CountDownLatch(1));

        assertThat(background.stop(Duration.ofSeconds(4))).isTrue();
    }

    @Test
    void onceItIsStoppedNoFurtherKeyIsTaken() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        Operation<List<String>> operation = keys.operation("op")
                .respond(STARTED, stage -> {
                    running.countDown();
                    proceed.await();
                    return DONE;
                })
                .build();
        for (int i = 0; i < 20; i++) {
            keys.claim(operation, KeyId.of("key-" + i), REQUEST);
        }
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));
        Background background = background(operation).completers(1).start();
        await(running);
        long taken = attempts();

        CompletableFuture<Boolean> stopping = CompletableFuture.supplyAsync(() -> background.stop(LONG));
        long end = System.nanoTime() + LONG.toNanos();
        while (background.isRunning() && System.nanoTime() - end < 0) {
            Thread.onSpinWait();
        }
        proceed.countDown();

        assertThat(stopping.get(30, TimeUnit.SECONDS)).isTrue();
        assertThat(attempts()).isEqualTo(taken);
    }

    private long attempts() {
        return store.keys.values().stream()
                .mapToLong(key -> key.key().attempts())
                .sum();
    }

    @Test
    void whatNobodyKnowsIsPutAsideAfterAsLongAsItWasTold() throws InterruptedException {
        Operation<List<String>> unknown =
                keys.operation("unknown").respond(STARTED, stage -> DONE).build();
        keys.claim(unknown, ID, REQUEST);
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusSeconds(2));

        Background background = background(
                        keys.operation("op").respond(STARTED, stage -> DONE).build())
                .unknownAfter(Duration.ofSeconds(1))
                .start();
        try {
            assertThat(await(KeyEvent.Quarantined.class).key().id()).isEqualTo(ID);
        } finally {
            background.close();
        }
    }

    @Test
    void withoutOperationsNothingIsQuarantined() throws InterruptedException {
        keys.claim(ID, REQUEST);
        store.pass(Completer.DEFAULT_UNKNOWN_AFTER.multipliedBy(2));
        CountDownLatch runs = new CountDownLatch(3);
        reaping = runs::countDown;

        try (Background background =
                keys.background().completeEvery(SOON).reapEvery(SOON).start()) {
            await(runs);
            assertThat(background.isRunning()).isTrue();
        }

        assertThat(events).noneMatch(KeyEvent.Quarantined.class::isInstance);
        assertThat(keys.claim(ID, REQUEST)).isInstanceOf(Claim.Claimed.class);
    }

    @Test
    void itSaysIfSomethingStillRunsAtTheDeadline() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        Operation<List<String>> operation = keys.operation("op")
                .respond(STARTED, stage -> {
                    running.countDown();
                    while (proceed.getCount() > 0) {
                        Thread.onSpinWait();
                    }
                    return DONE;
                })
                .build();
        keys.claim(operation, ID, REQUEST);
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));
        Background background = background(operation).start();
        await(running);

        assertThat(background.stop(SOON)).isFalse();

        proceed.countDown();
        assertThat(background.stop(LONG)).isTrue();
    }

    @Test
    void aDeadlineOutOfBoundsIsRefusedAndTheWorkGoesOn() throws InterruptedException {
        CountDownLatch runs = new CountDownLatch(3);
        try (Background background = reaping(() -> {})) {
            for (Duration deadline : List.of(Duration.ofMillis(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> background.stop(deadline))
                        .withMessageContaining("argument 'deadline'");
            }
            reaping = runs::countDown;

            await(runs);
            assertThat(background.isRunning()).isTrue();
        }
    }

    /** A store that can be read but not written stops all completing: that is told, and not swallowed. */
    @Test
    void aCompleterThatCanTakeNoKeyOverTellsTheListeners() {
        Operation<List<String>> declared =
                keys.operation("op").respond(STARTED, stage -> DONE).build();
        keys.claim(declared, ID, REQUEST);
        store.pass(ServiceBuilder.DEFAULT_LEASE.plusMillis(1));
        store.failing = new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "read-only", null);

        int completed = Completer.builder(keys)
                .operation(declared)
                .abandonedAfter(Duration.ZERO)
                .build()
                .runOnce();

        assertThat(completed).isZero();
        assertThat(events).hasAtLeastOneElementOfType(KeyEvent.CompletionFailed.class);
        assertThat(store.key(ID).attempts()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Integer.MIN_VALUE, 10_001})
    void aNumberOfKeysOutOfBoundsIsRefused(int number) {
        OperatorActions actions = new OperatorActions(keys);

        assertThatIllegalArgumentException().isThrownBy(() -> actions.listQuarantined(null, null, number));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listUnfinished(null, null, number));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listQuarantined("", null, null, number));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.listUnfinished("", null, null, number));
        assertThatIllegalArgumentException().isThrownBy(() -> actions.backlogByOperation(number));
        assertThatIllegalArgumentException().isThrownBy(() -> new Reaper(keys, number));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Completer.builder(keys).batchSize(number));
    }

    @Test
    void whatIsOutOfBoundsIsRefused() {
        Background.Builder builder = keys.background();

        assertThatIllegalArgumentException().isThrownBy(() -> builder.completeEvery(Duration.ZERO));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.reapEvery(Duration.ofDays(2)));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.completers(0));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.abandonedAfter(Duration.ofMillis(-1)));
        assertThatIllegalArgumentException().isThrownBy(() -> builder.unknownAfter(Duration.ZERO));
    }

    @Test
    void onceItIsStoppedNoFurtherBatchIsReaped() {
        AtomicInteger batches = new AtomicInteger();
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<Background> stopping = new CompletableFuture<>();
        MapKeyStore full = new MapKeyStore() {
            @Override
            public int deleteExpired(Instant at, int limit) {
                batches.incrementAndGet();
                begun.countDown();
                Background background = stopping.join();
                while (background.isRunning()) {
                    Thread.onSpinWait();
                }
                return limit;
            }
        };

        Background background =
                IdempotencyKeyService.builder(full).build().background().start();
        Threads.await(begun);
        stopping.complete(background);

        assertThat(background.stop(LONG)).isTrue();
        assertThat(batches).hasValue(1);
    }
}
