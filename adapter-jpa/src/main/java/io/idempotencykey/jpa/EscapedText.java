package io.idempotencykey.jpa;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.port.StoredKey;

/** Texts for people, in characters that every database has. */
final class EscapedText {
    private static final int LONGEST = 1_000;

    private EscapedText() {}

    /** The same key with the messages of its failures in ASCII. */
    static StoredKey of(StoredKey key) {
        KeyProgress progress = key.key().progress();
        KeyState state = progress.state() instanceof KeyState.Quarantined quarantined
                ? new KeyState.Quarantined(
                        quarantined.recoveryPoint(), quarantined.since(), ascii(quarantined.reason()))
                : progress.state();
        return new StoredKey(
                new IdempotencyKey(
                        key.key().creation(),
                        new KeyProgress(
                                state,
                                progress.attempts(),
                                progress.failedAttempts(),
                                ascii(progress.lastError()),
                                progress.updatedAt())),
                key.revision());
    }

    static String ascii(String text) {
        StringBuilder escaped = new StringBuilder();
        for (int i = 0; i < text.length() && escaped.length() <= LONGEST - 6; i++) {
            char character = text.charAt(i);
            if (character < 128) {
                escaped.append(character);
            } else {
                escaped.append(String.format("\\u%04x", (int) character));
            }
        }
        return escaped.toString();
    }
}
