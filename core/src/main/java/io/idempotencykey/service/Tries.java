package io.idempotencykey.service;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Counts the tries of one piece of work and waits between them: exponential backoff with full jitter, bounded. */
final class Tries {
    private final Settings settings;
    private final @Nullable Interruption interruption;
    private int used = 1;

    Tries(Settings settings) {
        this(settings, null);
    }

    /**
     * Tries of what must be brought to its end on an interrupted thread, too: an interruption, which is taken away,
     * ends one wait and not the tries. Without an {@code interruption} to take it, it ends the tries.
     */
    Tries(Settings settings, @Nullable Interruption interruption) {
        this.settings = settings;
        this.interruption = interruption;
    }

    /** How many tries have begun. */
    int used() {
        return used;
    }

    /**
     * Waits, and says whether another try may begin: not if the tries are used up, if the wait would take longer than
     * there is time, or if the thread is interrupted (which it then still is) and nobody takes that away.
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
        if (interruption != null) {
            interruption.take();
        }
        try {
            settings.environment().pause(pause);
        } catch (InterruptedException e) {
            if (interruption == null) {
                Thread.currentThread().interrupt();
                return false;
            }
            interruption.took();
        }
        used++;
        return true;
    }

    /** The same without a limit of time. */
    boolean another() {
        return another(Duration.ofDays(1));
    }
}
