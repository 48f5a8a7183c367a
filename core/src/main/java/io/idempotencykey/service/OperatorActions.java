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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
    /** Stands in the place of an instant that isn't looked at, since a first page leaves out no key. */
    private static final Instant UNUSED = Instant.EPOCH;

    /** Every database has the years from 1 to 9999, and some have no others. */
    private static final Instant EARLIEST = Instant.parse("0001-01-01T00:00:00Z");

    private static final Instant LATEST = Instant.parse("9999-12-31T23:59:59.999Z");

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
     * The store's time now, by which keys wait, rest or are held.
     *
     * @return the time, in milliseconds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public Instant time() {
        return engine.time();
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
     * <p>Those that have waited longest are counted, so the longest waits are right also where not all keys are.
     *
     * @param most how many of the waiting keys and how many of the quarantined ones are looked at, 1 to 10,000
     * @return the operation of the key that has waited longest first, be it quarantined or not; complete if {@link
     *     #backlog} counts no more
     * @throws IllegalArgumentException if the number is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<Backlog.OfOperation> backlogByOperation(int most) {
        Arguments.between(1, 10_000, most, "most");
        Map<String, Backlog.OfOperation> counted = new HashMap<>();
        engine.countByOperation(most).forEach(each -> counted.merge(each.operation(), each, OperatorActions::sum));
        return counted.values().stream()
                .sorted(Comparator.comparing(
                                (Backlog.OfOperation each) -> first(each.waitingSince(), each.quarantinedSince())
                                        .orElse(Instant.MAX))
                        .thenComparing(Backlog.OfOperation::operation))
                .toList();
    }

    private static Backlog.OfOperation sum(Backlog.OfOperation one, Backlog.OfOperation other) {
        return new Backlog.OfOperation(
                one.operation(),
                one.waiting() + other.waiting(),
                first(one.waitingSince(), other.waitingSince()),
                one.quarantined() + other.quarantined(),
                first(one.quarantinedSince(), other.quarantinedSince()));
    }

    private static Optional<Instant> first(Optional<Instant> one, Optional<Instant> other) {
        return Stream.concat(one.stream(), other.stream()).min(Comparator.naturalOrder());
    }

    /**
     * Lists quarantined keys, the longest quarantined first.
     *
     * @param scope whose keys, 0 to 255 visible ASCII characters; {@code null} asks for those of all scopes
     * @param after a quarantined key, up to which the keys are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them; empty only if there are no more
     * @throws IllegalArgumentException if the scope is no legal one, the key isn't quarantined or is of another scope,
     *     or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listQuarantined(@Nullable String scope, @Nullable IdempotencyKey after, int limit) {
        if (after == null) {
            return listQuarantined(scope, null, null, limit);
        }
        if (after.state() instanceof KeyState.Quarantined quarantined) {
            return listQuarantined(scope, after.id(), quarantined.since(), limit);
        }
        throw Arguments.refused("after", after, "a quarantined key, or null");
    }

    /**
     * Lists quarantined keys after one that was listed elsewhere, such as on a page.
     *
     * @param scope whose keys, 0 to 255 visible ASCII characters; {@code null} asks for those of all scopes
     * @param after keys up to this one are left out; {@code null} leaves out none
     * @param since the instant since which that key was quarantined; {@code null} if there is no such key
     * @param limit the most keys to return, 1 to 10,000
     * @return as {@link #listQuarantined(String, IdempotencyKey, int)} does
     * @throws IllegalArgumentException if the scope is no legal one, the key is of another scope, only one of the key
     *     and the instant is given, the instant isn't of the years 1 to 9999, or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listQuarantined(
            @Nullable String scope, @Nullable KeyId after, @Nullable Instant since, int limit) {
        return listed(engine.findQuarantined(scope, after, checkedSince(scope, after, since, limit), limit));
    }

    /**
     * Lists unfinished keys that aren't quarantined, the longest waiting first: those that a worker holds, those that
     * wait for their client or the completer, and those of operations that nobody here knows. Failed keys, which are
     * left to their clients, are not among them.
     *
     * @param scope whose keys, 0 to 255 visible ASCII characters; {@code null} asks for those of all scopes
     * @param after an unfinished key, up to which the keys are left out; {@code null} leaves out none
     * @param limit the most keys to return, 1 to 10,000
     * @return what is known of them, by the instant from which they are resumable, or at which their lease ends; empty
     *     only if there are no more
     * @throws IllegalArgumentException if the scope is no legal one, the key isn't unfinished or is of another scope,
     *     or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinished(@Nullable String scope, @Nullable IdempotencyKey after, int limit) {
        if (after == null) {
            return listUnfinished(scope, null, null, limit);
        }
        if (after.state() instanceof KeyState.Open open) {
            return listUnfinished(scope, after.id(), open.resumableFrom(), limit);
        }
        if (after.state() instanceof KeyState.Locked locked) {
            return listUnfinished(scope, after.id(), locked.leaseEnds(), limit);
        }
        throw Arguments.refused("after", after, "an unfinished key that isn't quarantined, or null");
    }

    /**
     * Lists unfinished keys after one that was listed elsewhere, such as on a page.
     *
     * @param scope whose keys, 0 to 255 visible ASCII characters; {@code null} asks for those of all scopes
     * @param after keys up to this one are left out; {@code null} leaves out none
     * @param since the instant from which that key was resumable, or at which its lease ended; {@code null} if there is
     *     no such key
     * @param limit the most keys to return, 1 to 10,000
     * @return as {@link #listUnfinished(String, IdempotencyKey, int)} does
     * @throws IllegalArgumentException if the scope is no legal one, the key is of another scope, only one of the key
     *     and the instant is given, the instant isn't of the years 1 to 9999, or the limit is out of bounds
     * @throws IdempotencyException.StoreUnavailable if the store could not be read
     */
    public List<IdempotencyKey> listUnfinished(
            @Nullable String scope, @Nullable KeyId after, @Nullable Instant since, int limit) {
        return listed(engine.findUnfinished(scope, after, checkedSince(scope, after, since, limit), limit));
    }

    private static List<IdempotencyKey> listed(List<StoredKey> found) {
        return found.stream().map(StoredKey::key).toList();
    }

    private static Instant checkedSince(
            @Nullable String scope, @Nullable KeyId after, @Nullable Instant since, int limit) {
        if (scope != null && !Arguments.isVisible(KeyId.MAX_LENGTH, scope)) {
            throw Arguments.refused(
                    "scope", scope, "0 to " + KeyId.MAX_LENGTH + " visible ASCII characters ('!' to '~'), or null");
        }
        if (scope != null && after != null && !after.scope().equals(scope)) {
            throw Arguments.refused("after", after, "a key of the scope that is listed");
        }
        if ((after == null) != (since == null)) {
            throw Arguments.refused(
                    "since", since, "an instant if there is a key to go on after, and none if there isn't");
        }
        Arguments.between(1, 10_000, limit, "limit");
        return since == null ? UNUSED : Arguments.between(EARLIEST, LATEST, since, "since");
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
     * @param by who does it: 1 to 100 characters, not only blanks, none of them a control character
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
     * @param by who does it: 1 to 100 characters, not only blanks, none of them a control character
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
     * @param by who does it: 1 to 100 characters, not only blanks, none of them a control character
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
        if (Arguments.line(100, by, "by").isBlank()) {
            throw Arguments.refused("by", by, "a name, which has more than blanks");
        }
        return by;
    }

    private static String record(String action, String by, StoredKey stored) {
        String before = stored.key().lastError();
        String record = action + " by " + by + (before.isEmpty() ? "" : "; before: " + before);
        int length = Math.min(record.length(), KeyProgress.MAX_ERROR_LENGTH);
        // Not through the middle of a character.
        return record.substring(0, Character.isHighSurrogate(record.charAt(length - 1)) ? length - 1 : length);
    }
}
