package io.idempotencykey.service;

import java.time.Duration;

/** Counts the tries of one piece of work and waits between them: exponential backoff with full jitter, bounded. */
final class Tries {
    private final Settings settings;
    private int used = 1;

    Tries(Settings settings) {
        this.settings = settings;
    }

    /** How many tries have begun. */
    int used() {
        return used;
    }

    /**
     * Waits, and says whether another try may begin: not if the tries are used up, if the wait would take longer than
     * there is time, or if the thread is interrupted (which it then still is).
     */
    boolean another(Duration timeLeft) {
        if (used == settings.maxTries()) {
            return false;
        }
        long ceiling = Math.min(
                settings.longestPause().toNanos(), settings.firstPause().toNanos() << Math.min(used - 1, 20));
        Duration pause = Duration.ofNanos(settings.environment().random().nextLong(Math.max(1, ceiling)));
        if (pause.compareTo(timeLeft) >= 0) {
            return false;
        }
        try {
            settings.environment().pause(pause);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
        used++;
        return true;
    }

    /** The same without a limit of time. */
    boolean another() {
        return another(Duration.ofDays(1));
    }
}
