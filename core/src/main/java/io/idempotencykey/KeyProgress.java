package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.time.Instant;

/**
 * How far a key's request has come: the half of a key that changes, and all that a stage's commit can change of it.
 *
 * <p>Immutable. The time is the store's, in UTC, and whole milliseconds.
 *
 * @param state the key's state
 * @param attempts how many times the key was locked, 0 to {@link #MAX_ATTEMPTS}; it only grows, so it orders attempts
 *     towards other systems
 * @param failedAttempts how many attempts ended with an exception since the last committed stage, 0 to {@link
 *     #MAX_FAILED_ATTEMPTS}
 * @param lastError class and message of what ended the last of them, at most 1,000 characters; empty if there is none
 * @param updatedAt when the key was last written
 */
public record KeyProgress(KeyState state, long attempts, int failedAttempts, String lastError, Instant updatedAt) {
    /** The most characters that are kept of an error. */
    public static final int MAX_ERROR_LENGTH = 1_000;

    /** The most attempts, which only an edited key reaches; then it is not counted on. */
    public static final long MAX_ATTEMPTS = 1L << 62;

    /** The most failed attempts, which only an edited key reaches; then it is not counted on. */
    public static final int MAX_FAILED_ATTEMPTS = 1 << 30;

    /** Refuses a missing part, a counter out of bounds and an error that is no single line of text. */
    public KeyProgress {
        Arguments.required(state, "state");
        if (attempts < 0 || attempts > MAX_ATTEMPTS) {
            throw Arguments.refused("attempts", attempts, "0 to " + MAX_ATTEMPTS);
        }
        Arguments.between(0, MAX_FAILED_ATTEMPTS, failedAttempts, "failedAttempts");
        Arguments.line(MAX_ERROR_LENGTH, lastError, "lastError");
        Arguments.required(updatedAt, "updatedAt");
    }
}
