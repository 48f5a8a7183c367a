package io.idempotencykey.service;

import java.time.Duration;

/** The pauses of a caller that waits for another worker's answer: from 20 milliseconds to a second, up to a bound. */
final class Waiting {
    private static final Duration FIRST = Duration.ofMillis(20);
    private static final Duration LONGEST = Duration.ofSeconds(1);

    private final Environment environment;
    private final Duration atMost;
    private final long begin;
    private long pauseNanos = FIRST.toNanos();

    Waiting(Environment environment, Duration atMost) {
        this.environment = environment;
        this.atMost = atMost;
        this.begin = environment.nanoTime();
    }

    /** Whether there is time left to wait. */
    boolean isPossible() {
        return left() > 0;
    }

    private long left() {
        return atMost.toNanos() - (environment.nanoTime() - begin);
    }

    /**
     * Waits, and says whether to look again: not if the time is over, or if the thread is interrupted (which it then
     * still is). Half of each pause is fixed and half is random, so that many callers don't look at the same moment.
     */
    boolean another() {
        long left = left();
        if (left <= 0) {
            return false;
        }
        long half = pauseNanos / 2;
        long pause = Math.min(left, half + environment.random().nextLong(half + 1));
        pauseNanos = Math.min(2 * pauseNanos, LONGEST.toNanos());
        try {
            environment.pause(Duration.ofNanos(pause));
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
