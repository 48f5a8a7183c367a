package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;

/** Hands every event to the listeners and the log; neither can harm the work. */
final class Events {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    /** For what nobody observes. */
    static final KeyListener.StageObservation UNOBSERVED = failure -> {};

    private final List<KeyListener> listeners;

    Events(List<KeyListener> listeners) {
        this.listeners = listeners;
    }

    void emit(KeyEvent event) {
        try {
            if (LOGGER.isLoggable(event.level())) {
                // An event's text shows keys cut short, and errors without their messages.
                LOGGER.log(event.level(), event.toString());
            }
        } catch (Throwable e) {
            // There is no place left to tell of it.
        }
        for (KeyListener listener : listeners) {
            try {
                listener.onEvent(event);
            } catch (Throwable e) {
                tell(e);
            }
        }
    }

    /** Tells that a stage begins; what is returned tells of its end. */
    KeyListener.StageObservation stageBegins(IdempotencyKey key) {
        if (listeners.isEmpty()) {
            return UNOBSERVED;
        }
        Deque<KeyListener.StageObservation> observations = new ArrayDeque<>();
        for (KeyListener listener : listeners) {
            try {
                observations.push(Objects.requireNonNull(
                        listener.stageBegins(key),
                        () -> "stageBegins of " + listener.getClass().getName() + " returned null; it has to return"
                                + " what is told of the end"));
            } catch (Throwable e) {
                tell(e);
            }
        }
        return failure -> {
            for (KeyListener.StageObservation observation : observations) {
                try {
                    observation.stageEnded(failure);
                } catch (Throwable e) {
                    tell(e);
                }
            }
        };
    }

    private static void tell(Throwable failure) {
        if (failure instanceof InterruptedException) {
            // The listener has taken the interruption, which was the worker's.
            Thread.currentThread().interrupt();
        }
        try {
            LOGGER.log(Level.WARNING, "a listener failed", failure);
        } catch (Throwable e) {
            // Not even its text can be had.
        }
    }

    /** Tells of a key that is quarantined now; says nothing of any other. */
    void quarantined(StoredKey stored) {
        if (stored.key().state() instanceof KeyState.Quarantined) {
            emit(new KeyEvent.Quarantined(stored.key()));
        }
    }

    /** Tells of an error on its way to the caller. */
    <E extends IdempotencyException> E refused(E why) {
        emit(new KeyEvent.Refused(why));
        return why;
    }
}
