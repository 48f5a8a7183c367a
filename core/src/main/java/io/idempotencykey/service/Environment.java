package io.idempotencykey.service;

import java.security.SecureRandom;
import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * Rule 11: everything random, timed or waiting that core uses; a simulator passes its own.
 *
 * <p>The time of day isn't among it, because that is the store's. Implementations are safe for many threads.
 */
public interface Environment {
    /**
     * The source of revisions, creation ids, generated keys and jitter; must not be guessable where generated keys are
     * handed out.
     *
     * @return safe for many threads
     */
    RandomGenerator random();

    /**
     * A monotonic clock, as {@link System#nanoTime()}.
     *
     * @return nanoseconds since some instant
     */
    long nanoTime();

    /**
     * Waits between two tries.
     *
     * @param duration how long
     * @throws InterruptedException if the thread is interrupted; the waiting ends at once
     */
    void pause(Duration duration) throws InterruptedException;

    /**
     * The machine's own: a {@link SecureRandom}, {@link System#nanoTime()} and {@link Thread#sleep(long)}.
     *
     * @return safe for many threads
     */
    static Environment system() {
        SecureRandom random = new SecureRandom();
        return new Environment() {
            @Override
            public RandomGenerator random() {
                return random;
            }

            @Override
            public long nanoTime() {
                return System.nanoTime();
            }

            @Override
            public void pause(Duration duration) throws InterruptedException {
                Thread.sleep(duration.toMillis(), duration.toNanosPart() % 1_000_000);
            }
        };
    }
}
