package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.internal.Arguments;
import java.time.Duration;

/**
 * Removes keys that have expired: finished ones, and failed ones that were left to their clients. All others stay.
 *
 * <p>Without a reaper only the store grows, since an expired key counts as absent anyway. Safe for many threads and for
 * many instances side by side.
 */
public final class Reaper {
    /** How many keys one statement deletes at most. */
    public static final int DEFAULT_BATCH_SIZE = 500;

    private static final int MOST_BATCHES = 200;

    /** After each batch it rests this many times the batch's duration, so that claims go on meanwhile. */
    private static final int REST = 9;

    private final Engine<?> engine;
    private final int batchSize;
    private volatile boolean stopped;

    /**
     * A reaper with {@link #DEFAULT_BATCH_SIZE}.
     *
     * @param service whose keys are removed
     */
    public Reaper(IdempotencyKeyService<?> service) {
        this(service, DEFAULT_BATCH_SIZE);
    }

    /**
     * A reaper.
     *
     * @param service whose keys are removed
     * @param batchSize how many keys one statement deletes at most, which bounds how long it holds their locks: 1 to
     *     10,000
     * @throws IllegalArgumentException if {@code batchSize} is out of bounds
     */
    public Reaper(IdempotencyKeyService<?> service, int batchSize) {
        this(Arguments.required(service, "service").engine(), batchSize);
    }

    Reaper(Engine<?> engine) {
        this(engine, DEFAULT_BATCH_SIZE);
    }

    private Reaper(Engine<?> engine, int batchSize) {
        this.engine = engine;
        this.batchSize = Arguments.between(1, 10_000, batchSize, "batchSize");
    }

    /**
     * Deletes batch after batch until nothing expired is left, 200 batches are done, or the thread is interrupted
     * (which it then still is). Between two batches it rests nine times as long as the last one took, so as to leave
     * the store to requests.
     *
     * @return how many keys were deleted
     * @throws IdempotencyException.StoreUnavailable if the store could not be used; what was deleted before stays
     *     deleted
     */
    public int runOnce() {
        Environment environment = engine.settings().environment();
        long begin = environment.nanoTime();
        int deleted = 0;
        boolean more = true;
        for (int i = 0; i < MOST_BATCHES && more && !stopped; i++) {
            long batchBegin = environment.nanoTime();
            int last = engine.deleteExpired(batchSize);
            deleted += last;
            more = last == batchSize && rest(environment, environment.nanoTime() - batchBegin);
        }
        if (deleted > 0) {
            Duration duration = Duration.ofNanos(environment.nanoTime() - begin);
            engine.settings().events().emit(new KeyEvent.Expired(deleted, duration));
        }
        return deleted;
    }

    /** Deletes no further batch, in this run and in any other. */
    void stop() {
        stopped = true;
    }

    private static boolean rest(Environment environment, long batchNanos) {
        try {
            environment.pause(Duration.ofNanos(REST * batchNanos));
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
