package io.idempotencykey.service;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyProgress;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.StoredKey;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a person can do with keys that don't come to an end by themselves.
 *
 * <p>Each action is a compare-and-set against the key as the person looked at it, so that what was decided on one
 * request isn't done to another, which was made anew under its key, or to one that has gone on meanwhile. It works on
 * unfinished keys that nobody holds, and is recorded: as {@link IdempotencyKey#lastError()} with who did it and what
 * stood there before, in the log, and as {@link KeyEvent.Operated}. Safe for many threads.
 */
public final class OperatorActions {
    /** Before any instant at which a key can be due. */
    private static final Instant BEFORE_ALL = Instant.EPOCH.minusMillis(1);

    /** What none of a scope's unfinished keys comes before, if it is due before all of them. */
    private static final String ANY_VALUE = "!";

    /** The first character that scopes and values may have. */
    private static final char FIRST = '!';

    /** The last of all legal scopes and values. */
    private static final String LAST = "~".repeat(KeyId.MAX_LENGTH);

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
     * Counts the keys that wait for somebody, over all scopes.
     *
     * <p>Asks the store each time, by index: the cost grows with the unfinished and the quarantined keys, and not with
     * the finished ones.
     *
     * @return the counts as of the store's time now
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public Backlog backlog() {
        return engine.backlog();
    }

    /**
     * Counts some of these keys, operation by operation.
     *
     * @param most how many of the waiting keys and how many of the quarantined ones are looked at, 1 to 10,000
     * @return by the operations' names; complete if {@link #backlog} counts no more
     * @throws IllegalArgumentException if the number is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<Backlog.OfOperation> backlogByOperation(int most) {
        Arguments.between(1, 10_000, most, "most");
        Map<String, Backlog.OfOperation> counted = new TreeMap<>();
        engine.countByOperation(most).forEach(each -> counted.merge(each.operation(), each, OperatorActions::sum));
        return List.copyOf(counted.values());
    }

    private static Backlog.OfOperation sum(Backlog.OfOperation one, Backlog.OfOperation other) {
        return new Backlog.OfOperation(
                one.operation(),
                one.waiting() + other.waiting(),
                Stream.concat(one.waitingSince().stream(), other.waitingSince().stream())
                        .min(Comparator.naturalOrder()),
                one.quarantined() + other.quarantined());
    }

    /**
     * Lists quarantined keys, by scope and value.
     *
     * @param after keys up to this one are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them; empty only if there are no more
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
     * @param after an unfinished key, up to which the keys are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them: scope by scope, the longest waiting of each first; empty only if there are no more
     * @throws IllegalArgumentException if the key isn't unfinished, or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinished(@Nullable IdempotencyKey after, int limit) {
        return after == null ? listUnfinished(null, null, limit) : listUnfinished(after.id(), due(after), limit);
    }

    /**
     * Lists unfinished keys after one that was listed elsewhere, such as on a page.
     *
     * @param after keys up to this one are left out; {@code null} leaves out none
     * @param due the instant from which that key was resumable, or at which its lease ended; {@code null} if there is
     *     no such key
     * @param limit the most keys to return, 1 to 10,000
     * @return as {@link #listUnfinished(IdempotencyKey, int)} does
     * @throws IllegalArgumentException if only one of the two is given, or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinished(@Nullable KeyId after, @Nullable Instant due, int limit) {
        if ((after == null) != (due == null)) {
            throw Arguments.refused("due", due, "an instant if there is a key to go on after, and none if there isn't");
        }
        Arguments.between(1, 10_000, limit, "limit");
        return engine.findUnfinished(after, due == null ? BEFORE_ALL : due, limit).stream()
                .map(StoredKey::key)
                .toList();
    }

    private static Instant due(IdempotencyKey key) {
        if (key.state() instanceof KeyState.Open open) {
            return open.resumableFrom();
        }
        if (key.state() instanceof KeyState.Locked locked) {
            return locked.leaseEnds();
        }
        throw Arguments.refused("after", key, "an unfinished key that isn't quarantined, or null");
    }

    /**
     * Lists the quarantined keys of one scope, by value.
     *
     * @param scope 0 to 255 visible ASCII characters
     * @param afterValue keys up to this one, of 1 to 255 such characters, are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them
     * @throws IllegalArgumentException if the scope is no legal one, or the limit is out of bounds
     * @throws IdempotencyException.InvalidKey if the value is no legal one
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listQuarantinedIn(String scope, @Nullable String afterValue, int limit) {
        checkScope(scope, "scope");
        KeyId after = afterValue != null
                ? new KeyId(scope, afterValue)
                : before(scope).map(last -> new KeyId(last, LAST)).orElse(null);
        return listQuarantined(after, limit).stream()
                .takeWhile(key -> key.id().scope().equals(scope))
                .toList();
    }

    /**
     * Lists the unfinished keys of one scope, the longest waiting first.
     *
     * @param scope 0 to 255 visible ASCII characters
     * @param afterValue keys up to this one, of 1 to 255 such characters, are left out; {@code null} leaves out none
     * @param due the instant from which that key was resumable, or at which its lease ended; {@code null} if there is
     *     no such key
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them
     * @throws IllegalArgumentException if the scope is no legal one, only one of the two is given, or the limit is out
     *     of bounds
     * @throws IdempotencyException.InvalidKey if the value is no legal one
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinishedIn(
            String scope, @Nullable String afterValue, @Nullable Instant due, int limit) {
        checkScope(scope, "scope");
        List<IdempotencyKey> listed = afterValue == null && due == null
                ? listUnfinished(new KeyId(scope, ANY_VALUE), BEFORE_ALL, limit)
                : listUnfinished(afterValue == null ? null : new KeyId(scope, afterValue), due, limit);
        return listed.stream().takeWhile(key -> key.id().scope().equals(scope)).toList();
    }

    /**
     * The last scope before another one, by the order of their characters; the empty one has none before it. Stores
     * list what comes after a scope, so what comes after this one begins with the other.
     */
    private static Optional<String> before(String scope) {
        if (scope.isEmpty()) {
            return Optional.empty();
        }
        String start = scope.substring(0, scope.length() - 1);
        char last = scope.charAt(scope.length() - 1);
        // Nothing stands between "a" and "a!"; but between "a" and "b" stands all that begins with "a".
        return Optional.of(last == FIRST ? start : (start + (char) (last - 1) + LAST).substring(0, KeyId.MAX_LENGTH));
    }

    private static void checkScope(String scope, String argument) {
        if (!Arguments.isVisible(KeyId.MAX_LENGTH, Arguments.required(scope, argument))) {
            throw Arguments.refused(
                    argument, scope, "0 to " + KeyId.MAX_LENGTH + " visible ASCII characters ('!' to '~')");
        }
    }

    /**
     * Reads a key that was looked at elsewhere, such as on a page, to act on it.
     *
     * @param id the key
     * @param creationId the {@link IdempotencyKey#creationId()} that was seen
     * @param updatedAt the {@link IdempotencyKey#updatedAt()} that was seen
     * @return the key, which is as it was seen
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.StaleKey if it isn't as it was seen
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public IdempotencyKey retrieveUnchanged(KeyId id, UUID creationId, Instant updatedAt) {
        return engine.retrieveUnchanged(
                Arguments.required(id, "id"),
                Arguments.required(creationId, "creationId"),
                Arguments.required(updatedAt, "updatedAt"));
    }

    /**
     * Reads a key that was looked at elsewhere, as the texts that {@link #describe} made of it.
     *
     * @param id the key
     * @param creationId its creation's id
     * @param updatedAt its last change
     * @return the key, which is as it was seen
     * @throws IllegalArgumentException if one of the texts is none that a key was described with
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.StaleKey if it isn't as it was seen
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public IdempotencyKey retrieveUnchanged(KeyId id, String creationId, String updatedAt) {
        UUID creation;
        Instant updated;
        try {
            creation = UUID.fromString(Arguments.required(creationId, "creationId"));
        } catch (IllegalArgumentException e) {
            throw Arguments.refused("creationId", creationId, "a UUID, as the key was shown with it");
        }
        try {
            updated = Instant.parse(Arguments.required(updatedAt, "updatedAt"));
        } catch (DateTimeParseException e) {
            throw Arguments.refused("updatedAt", updatedAt, "an instant, as the key was shown with it");
        }
        return retrieveUnchanged(id, creation, updated);
    }

    /**
     * Describes a key to a person: all that is known of it, as what JSON is made of.
     *
     * @param key the key
     * @param withValues whether the description has the request's parameters, the response's headers and body, and the
     *     last error's message, which may quote them
     * @return text, numbers, booleans, lists and maps of them; in an order for reading
     */
    public static Map<String, Object> describe(IdempotencyKey key, boolean withValues) {
        return new KeyDescription(withValues).of(Arguments.required(key, "key"));
    }

    /**
     * Lets a request go on at its recovery point, with all its attempts anew; its client or the completer takes
     * it next, also where it had failed and was left to its client.
     *
     * @param seen the key as it was looked at
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     * @throws IdempotencyException.StaleKey if it isn't as it was looked at; it is untouched
     */
    public IdempotencyKey retry(IdempotencyKey seen, String by) {
        return engine.operate(
                Arguments.required(seen, "seen"),
                "retry",
                by(by),
                (stored, now, next) -> Transitions.reopen(stored, now, record("retry", by, stored), next));
    }

    /**
     * Finishes a request with a response that every retry gets; no further stage runs.
     *
     * @param seen the key as it was looked at
     * @param response what retries get
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.ResponseTooLarge if the body is too long; the key is as it was
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     * @throws IdempotencyException.StaleKey if it isn't as it was looked at; it is untouched
     */
    public IdempotencyKey finish(IdempotencyKey seen, Response response, String by) {
        Settings settings = engine.settings();
        KeyId id = Arguments.required(seen, "seen").id();
        Transitions.checkLength(id, Arguments.required(response, "response"), settings);
        return engine.operate(
                seen,
                "finish",
                by(by),
                (stored, now, next) -> Transitions.close(
                        stored, response, now, now.plus(settings.timeToLive()), record("finish", by, stored), next));
    }

    /**
     * Gives a request up: the key counts as absent from now on, so that the same request would run anew. What its
     * stages committed stays.
     *
     * @param seen the key as it was looked at
     * @param by who does it: at most 100 characters, none of them a control character
     * @return what is known of the key
     * @throws IllegalArgumentException if {@code by} is illegal
     * @throws IdempotencyException.NotFound if there is no such key
     * @throws IdempotencyException.Locked if a worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     * @throws IdempotencyException.StaleKey if it isn't as it was looked at; it is untouched
     */
    public IdempotencyKey discard(IdempotencyKey seen, String by) {
        Response gone = Response.of(410, new byte[0]);
        return engine.operate(
                Arguments.required(seen, "seen"),
                "discard",
                by(by),
                // Expired since ever, for servers whose clock is behind, too, or is set back.
                (stored, now, next) ->
                        Transitions.close(stored, gone, now, Instant.EPOCH, record("discard", by, stored), next));
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
