package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Callers that wait for a request in flight. A pause takes no time but the store's, and something may happen in it. */
class WaitingTest {
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of());
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private final MapKeyStore store = new MapKeyStore() {
        @Override
        public boolean insert(StoredKey key) {
            if (busyRow) {
                throw new StoreFailure(StoreFailure.Kind.BUSY, "row is locked", null);
            }
            return super.insert(key);
        }
    };
    private boolean busyRow;
    private final List<KeyEvent> events = new ArrayList<>();
    private final List<Duration> pauses = new ArrayList<>();
    private long nanos;
    private int happensIn = Integer.MAX_VALUE;
    private Runnable happens = () -> {};
    private boolean interrupted;

    private final IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(store)
            .environment(new Environment() {
                @Override
                public RandomGenerator random() {
                    return RandomGenerator.getDefault();
                }

                @Override
                public long nanoTime() {
                    return nanos;
                }

                @Override
                public void pause(Duration duration) throws InterruptedException {
                    if (interrupted) {
                        throw new InterruptedException();
                    }
                    pauses.add(duration);
                    nanos += duration.toNanos();
                    store.pass(duration);
                    if (pauses.size() == happensIn) {
                        happens.run();
                    }
                }
            })
            .listener(events::add)
            .build();
    private final Operation<List<String>> operation =
            keys.operation("op").respond(STARTED, stage -> DONE).build();
    private final Operation<List<String>> staged =
            keys.operation("op").staged().respond(STARTED, stage -> DONE).build();
    private final Operation<List<String>> unexpected = keys.operation("op")
            .respond(STARTED, stage -> {
                throw new AssertionError("not to be run");
            })
            .build();

    @AfterEach
    void endInterruption() {
        boolean unused = Thread.interrupted();
    }

    private HeldKey held() {
        return ((Claim.Claimed) keys.claim(operation, ID, REQUEST)).key();
    }

    @Test
    void whoDoesNotWaitIsToldAtOnce() {
        held();

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> keys.run(operation, ID, REQUEST));

        assertThat(pauses).isEmpty();
        assertThat(events.subList(events.size() - 2, events.size()))
                .hasExactlyElementsOfTypes(KeyEvent.Refused.class, KeyEvent.NotAnswered.class);
    }

    @Test
    void whoWaitsGetsTheReplayAsSoonAsItIsThere() {
        HeldKey held = held();
        happensIn = 3;
        happens = () -> keys.workStage(operation, held, REQUEST);

        Execution execution = keys.run(operation, ID, REQUEST, Duration.ofSeconds(20));

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(DONE);
        assertThat(pauses).hasSize(3);
    }

    @Test
    void whoWaitsGoesOnWithARequestWhoseWorkerVanished() {
        held();

        Execution execution = keys.run(operation, ID, REQUEST, ServiceBuilder.DEFAULT_LEASE.plusSeconds(2));

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.key().attempts()).isEqualTo(2);
    }

    @Test
    void pausesGrowToASecondAndEndWithTheTime() {
        held();

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST, Duration.ofSeconds(10)));

        assertThat(pauses.get(0)).isBetween(Duration.ofMillis(10), Duration.ofMillis(20));
        assertThat(pauses).allSatisfy(pause -> assertThat(pause).isLessThanOrEqualTo(Duration.ofSeconds(1)));
        assertThat(pauses).hasSizeBetween(10, 30);
        assertThat(pauses.stream().reduce(Duration.ZERO, Duration::plus)).isEqualTo(Duration.ofSeconds(10));
    }

    @Test
    void onceWaitsToo() {
        HeldKey held = ((Claim.Claimed) keys.claim(
                        keys.operation("one").respond(STARTED, stage -> DONE).build(), ID, REQUEST))
                .key();
        happensIn = 1;
        happens = () -> keys.update(held, StageOutcome.respond(DONE));

        assertThat(keys.once("one", ID, REQUEST, Duration.ofSeconds(1), stage -> DONE)
                        .replayed())
                .isTrue();
    }

    @Test
    void whoWaitsForARowThatATransactionHoldsIsToldOnceThatItTookTooLong() {
        busyRow = true;

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(staged, ID, REQUEST, Duration.ofSeconds(10)));

        assertThat(pauses).hasSizeGreaterThan(10);
        assertThat(events).hasExactlyElementsOfTypes(KeyEvent.Refused.class, KeyEvent.NotAnswered.class);
    }

    @Test
    void whoWaitsForARowThatATransactionHoldsRunsOnceItIsFree() {
        busyRow = true;
        happensIn = 3;
        happens = () -> busyRow = false;

        assertThat(keys.run(staged, ID, REQUEST, Duration.ofSeconds(10)).replayed())
                .isFalse();
    }

    @Test
    void whoWaitsForAKeyThatASingleStageHoldsIsToldOnceThatItTookTooLong() {
        store.taken.add(ID);

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST, Duration.ofSeconds(10)));

        assertThat(pauses).hasSizeGreaterThan(10);
        assertThat(pauses.stream().reduce(Duration.ZERO, Duration::plus)).isEqualTo(Duration.ofSeconds(10));
        assertThat(((KeyEvent.NotAnswered) events.get(1)).duration()).isEqualTo(Duration.ofSeconds(10));
        assertThat(events).hasExactlyElementsOfTypes(KeyEvent.Refused.class, KeyEvent.NotAnswered.class);
    }

    @Test
    void whoDoesNotWaitForAKeyThatASingleStageHoldsIsToldAtOnce() {
        store.taken.add(ID);

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST))
                .satisfies(locked -> assertThat(locked.retryAfter()).contains(Duration.ofSeconds(1)));

        assertThat(pauses).isEmpty();
        assertThat(events).hasExactlyElementsOfTypes(KeyEvent.Refused.class, KeyEvent.NotAnswered.class);
    }

    @Test
    void whoWaitsForASingleStageGetsItsBytes() {
        store.taken.add(ID);
        happensIn = 3;
        happens = () -> {
            store.taken.remove(ID);
            keys.run(operation, ID, REQUEST);
        };

        Execution execution = keys.run(unexpected, ID, REQUEST, Duration.ofSeconds(10));

        assertThat(execution.replayed()).isTrue();
        assertThat(execution.response()).isEqualTo(DONE);
        assertThat(pauses).hasSize(3);
    }

    @Test
    void whoWaitsForASingleStageThatFailsRunsItself() {
        store.taken.add(ID);
        happensIn = 3;
        happens = () -> store.taken.remove(ID);

        Execution execution = keys.run(operation, ID, REQUEST, Duration.ofSeconds(10));

        assertThat(execution.replayed()).isFalse();
        assertThat(execution.response()).isEqualTo(DONE);
        assertThat(pauses).hasSize(3);
    }

    @Test
    void anInterruptionEndsTheWaitingForASingleStage() {
        store.taken.add(ID);
        interrupted = true;

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST, Duration.ofSeconds(10)));

        assertThat(Thread.currentThread().isInterrupted()).isTrue();
    }

    @Test
    void anInterruptionEndsTheWaiting() {
        held();
        interrupted = true;

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(operation, ID, REQUEST, Duration.ofSeconds(10)));

        assertThat(Thread.currentThread().isInterrupted()).isTrue();
    }

    @Test
    void aBoundOutOfBoundsIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> keys.run(operation, ID, REQUEST, Duration.ofMillis(-1)))
                .withMessageContaining("argument 'waitAtMost'");
        assertThat(store.keys).isEmpty();
    }
}
