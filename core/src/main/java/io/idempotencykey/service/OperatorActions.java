package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a person can do with keys that don't come to an end by themselves.
 *
 * <p>Each action is a compare-and-set against the key as it was read, works on unfinished keys that nobody holds, and
 * is recorded: as {@link IdempotencyKey#lastError()} with who did it and what stood there before, in the log, and as
 * {@link KeyEvent.Operated}. Safe for many threads.
 */
public final class OperatorActions {
    /** Longer than any lease or rest of a key, so that every unfinished key is found. */
    private static final Duration LONGEST_WAIT = Duration.ofDays(366);

    private final Engine<?> engine;

    /**
     * Actions on a service's keys.
     *
     * @param service whose keys
     */
    public OperatorActions(IdempotencyKeyService<?> service) {
        this.engine = Arguments.required(service, "service").engine();
    }

    /**
     * Lists quarantined keys, by scope and value.
     *
     * @param after keys up to this one are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them
     * @throws IllegalArgumentException if the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listQuarantined(@Nullable KeyId after, int limit) {
        Arguments.between(1, 10_000, limit, "limit");
        return engine.findQuarantined(after, limit).stream().map(StoredKey::key).toList();
    }

    /**
     * Lists unfinished keys that aren't quarantined: those that a worker holds, those that wait for their client or the
     * completer, and those of operations that nobody here knows. Failed keys, which are left to their clients, are not
     * among them.
     *
     * <p>All are of one scope, the first in order that has any: ask for the next with the scope that came back.
     *
     * @param afterScope scopes up to this one, of 0 to 255 visible ASCII characters, are left out; {@code null} leaves
     *     out none
     * @param limit the most keys to return, 1 to 10,000; a scope's further ones can't be listed until these are done
     * @return what is known of them, the longest waiting first
     * @throws IllegalArgumentException if the scope is no legal one, or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinished(@Nullable String afterScope, int limit) {
        if (afterScope != null && !Arguments.isVisible(KeyId.MAX_LENGTH, afterScope)) {
            throw Arguments.refused(
                    "afterScope", afterScope, "0 to " + KeyId.MAX_LENGTH + " visible ASCII characters ('!' to '~')");
        }
        Arguments.between(1, 10_000, limit, "limit");
        return engine.findResumable(Map.of(), afterScope, engine.clock().now().plus(LONGEST_WAIT), limit).stream()
                .map(StoredKey::key)
                .toList();
    }

    /**
     * Lets a request go on at its recovery point, with all its attempts anew; its client or the completer takes
     * it next, also where it had failed and was left to its client.
     *
     * @param id the key
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     */
    public IdempotencyKey retry(KeyId id, String by) {
        return engine.operate(
                Arguments.required(id, "id"),
                "retry",
                by(by),
                (stored, now, next) -> Transitions.reopen(stored, now, record("retry", by, stored), next));
    }

    /**
     * Finishes a request with a response that every retry gets; no further stage runs.
     *
     * @param id the key
     * @param response what retries get
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.ResponseTooLarge if the body is too long; the key is as it was
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     */
    public IdempotencyKey finish(KeyId id, Response response, String by) {
        Settings settings = engine.settings();
        Transitions.checkLength(id, Arguments.required(response, "response"), settings);
        return engine.operate(
                Arguments.required(id, "id"),
                "finish",
                by(by),
                (stored, now, next) -> Transitions.close(
                        stored, response, now, now.plus(settings.timeToLive()), record("finish", by, stored), next));
    }

    /**
     * Gives a request up: the key counts as absent from now on, so that the same request would run anew. What its
     * stages committed stays.
     *
     * @param id the key
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     */
    public IdempotencyKey discard(KeyId id, String by) {
        Response gone = Response.of(410, new byte[0]);
        return engine.operate(
                Arguments.required(id, "id"),
                "discard",
                by(by),
                // Expired since long ago, for servers whose reading of the clock is behind this one's, too.
                (stored, now, next) -> Transitions.close(
                        stored, gone, now, stored.key().createdAt(), record("discard", by, stored), next));
    }

    private static String by(String by) {
        return Arguments.line(100, by, "by");
    }

    private static String record(String action, String by, StoredKey stored) {
        String before = stored.key().lastError();
        String record = action + " by " + by + (before.isEmpty() ? "" : "; before: " + before);
        int length = Math.min(record.length(), KeyProgress.MAX_ERROR_LENGTH);
        // Not through the middle of a character.
        return record.substring(0, Character.isHighSurrogate(record.charAt(length - 1)) ? length - 1 : length);
    }
}
