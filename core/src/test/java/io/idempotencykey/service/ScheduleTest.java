package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ScheduleTest {
    private static final Duration LONG = Duration.ofSeconds(30);

    @Test
    void itCallsAgainAndAgainOnADaemonOfItsName() throws InterruptedException {
        CountDownLatch calls = new CountDownLatch(3);
        AtomicReference<String> thread = new AtomicReference<>();
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), () -> {
                    Thread current = Thread.currentThread();
                    thread.set(current.getName() + " " + current.isDaemon());
                    calls.countDown();
                })
                .start();

        assertThat(calls.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(schedule.stop(LONG)).isTrue();
        assertThat(thread).hasValue("completer true");
    }

    @Test
    void whateverACallThrowsTheNextOneComes() throws InterruptedException {
        CountDownLatch calls = new CountDownLatch(3);
        Schedule schedule = new Schedule("reaper", Duration.ofMillis(1), () -> {
                    calls.countDown();
                    throw new StackOverflowError("deep");
                })
                .start();

        assertThat(calls.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(schedule.stop(LONG)).isTrue();
    }

    @Test
    void itStopsAfterTheCallThatRuns() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        AtomicInteger ended = new AtomicInteger();
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), () -> {
                    running.countDown();
                    try {
                        proceed.await();
                        ended.incrementAndGet();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .start();
        assertThat(running.await(30, TimeUnit.SECONDS)).isTrue();
        proceed.countDown();

        assertThat(schedule.stop(LONG)).isTrue();
        assertThat(ended.get()).isPositive();
    }

    @Test
    void aCallThatDoesNotEndIsInterruptedAtTheDeadline() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch interrupted = new CountDownLatch(1);
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), () -> {
                    running.countDown();
                    try {
                        new CountDownLatch(1).await();
                    } catch (InterruptedException e) {
                        interrupted.countDown();
                    }
                })
                .start();
        assertThat(running.await(30, TimeUnit.SECONDS)).isTrue();

        schedule.stop(Duration.ofMillis(1));

        assertThat(interrupted.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void aCallThatIsInterruptedHasTimeToEndBeforeTheDeadline() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), () -> {
                    running.countDown();
                    try {
                        new CountDownLatch(1).await();
                    } catch (InterruptedException e) {
                        // What it holds is given back.
                        for (int i = 0; i < 10_000; i++) {
                            Thread.onSpinWait();
                        }
                    }
                })
                .start();
        assertThat(running.await(30, TimeUnit.SECONDS)).isTrue();

        assertThat(schedule.stop(Duration.ofSeconds(3))).isTrue();
    }

    @Test
    void itSaysIfSomethingStillRunsAtTheDeadline() throws InterruptedException {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), () -> {
                    running.countDown();
                    while (proceed.getCount() > 0) {
                        Thread.onSpinWait();
                    }
                })
                .start();
        assertThat(running.await(30, TimeUnit.SECONDS)).isTrue();

        assertThat(schedule.stop(Duration.ofMillis(1))).isFalse();

        proceed.countDown();
        assertThat(schedule.stop(LONG)).isTrue();
    }

    @Test
    void aPeriodOutOfBoundsIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Schedule("completer", Duration.ZERO, () -> {}))
                .withMessageContaining("argument 'every'");
    }

    @Test
    void aDeadlineOutOfBoundsIsRefusedAndTheScheduleGoesOn() throws InterruptedException {
        CountDownLatch calls = new CountDownLatch(3);
        Schedule schedule = new Schedule("completer", Duration.ofMillis(1), calls::countDown).start();
        try {
            for (Duration deadline : List.of(Duration.ofMillis(-1), Duration.ofSeconds(Long.MAX_VALUE))) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> schedule.stop(deadline))
                        .withMessageContaining("argument 'deadline'");
            }

            assertThat(calls.await(30, TimeUnit.SECONDS)).isTrue();
        } finally {
            schedule.stop(LONG);
        }
    }
}
