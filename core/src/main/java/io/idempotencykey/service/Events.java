package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;
import java.lang.System.Logger.Level;
import java.util.List;

/** Hands every event to the listeners and the log; neither can harm the work. */
final class Events {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    private final List<KeyListener> listeners;

    Events(List<KeyListener> listeners) {
        this.listeners = listeners;
    }

    void emit(KeyEvent event) {
        if (LOGGER.isLoggable(event.level())) {
            // An event's text shows keys cut short, and errors without their messages.
            LOGGER.log(event.level(), event.toString());
        }
        for (KeyListener listener : listeners) {
            try {
                listener.onEvent(event);
            } catch (Throwable e) {
                LOGGER.log(Level.WARNING, "a listener failed", e);
            }
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
