package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Idempotency keys: made, found, locked, and moved on by stages of work that commit together with them.
 *
 * <p>Every change of a key is a compare-and-set against the revision that its holder knows; a stage's runs inside the
 * stage's own transaction. So every step of a request is committed once, whatever crashes, pauses or lost connections
 * come between. Transient failures of the store are retried inside, and a write whose answer was lost is looked up.
 *
 * <p>Methods block while the store works. Safe for many threads. Besides the exceptions that a method names, every one may
 * throw {@link IdempotencyException.StoreUnavailable} (its change was not made) or {@link
 * IdempotencyException.OutcomeUnknown} (the same call with the same key finds out).
 *
 * @param <T> the handle that a stage writes with in its transaction
 */
public final class IdempotencyKeyService<T> {
    private static final Duration SOON = Duration.ofSeconds(1);

    private final KeyStore<T> store;
    private final Settings settings;
    private final StoreAccess<T> access;
    private final StoreClock clock;

    /**
     * A service with the defaults of its {@link Builder}.
     *
     * @param store where keys are kept
     */
    public IdempotencyKeyService(KeyStore<T> store) {
        this(store, new Builder<>(store).settings());
    }

    private IdempotencyKeyService(KeyStore<T> store, Settings settings) {
        this.store = store;
        this.settings = settings;
        this.access = new StoreAccess<>(store, settings);
        this.clock = new StoreClock(store, access, settings);
    }

    /**
     * Begins a service with other settings than the defaults.
     *
     * @param <T> the store's transaction handle
     * @param store where keys are kept
     * @return the builder
     */
    public static <T> Builder<T> builder(KeyStore<T> store) {
        return new Builder<>(store);
    }

    /**
     * Makes a key for a request; nobody holds it.
     *
     * @param scope the key's scope; may be empty
     * @param value the key's value; {@code null} to have a random one made
     * @param request the request that the key is for
     * @return the new key
     * @throws IdempotencyException.InvalidKey if scope or value is illegal
     * @throws IdempotencyException.KeyExists if the value is taken; the existing key is as it was
     * @throws IdempotencyException.Locked if a transaction holds the key's row
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public IdempotencyKey create(String scope, @Nullable String value, Request request) {
        StoredKey fresh = open(new KeyId(scope, value == null ? generatedValue() : value), request);
        return observed(() -> {
            if (!insertOrFind(fresh).revision().equals(fresh.revision())) {
                throw new IdempotencyException.KeyExists(fresh.id());
            }
            return fresh.key();
        });
    }

    /**
     * Finds the key for a request, in whatever state and not locked, or makes it.
     *
     * @param scope the key's scope; may be empty
     * @param headerKey the {@code Idempotency-Key} header as received, quoted or not; {@code null} to have a key with a
     *     random value made
     * @param request the request
     * @return the existing or the new key
     * @throws IdempotencyException.InvalidKey if scope or header is illegal
     * @throws IdempotencyException.Mismatch if the key was made for another request
     * @throws IdempotencyException.Locked if a transaction holds the key's row
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public IdempotencyKey initializeRequest(String scope, @Nullable String headerKey, Request request) {
        KeyId id = headerKey == null ? new KeyId(scope, generatedValue()) : KeyId.fromHeader(scope, headerKey);
        StoredKey fresh = open(id, request);
        return observed(() -> {
            IdempotencyKey key = insertOrFind(fresh).key();
            Transitions.checkFingerprint(key, fresh.key().fingerprint());
            return key;
        });
    }

    /**
     * Finds the key for a request in the empty scope, or makes it.
     *
     * @param headerKey the {@code Idempotency-Key} header as received, quoted or not; {@code null} to have a key with a
     *     random value made
     * @param method the request's method
     * @param params the request's parameters
     * @param path the request's path
     * @return the existing or the new key
     * @throws IllegalArgumentException if method, params or path pass the limits of {@link Request}
     * @throws IdempotencyException.InvalidKey if the header is illegal
     * @throws IdempotencyException.Mismatch if the key was made for another request
     * @throws IdempotencyException.Locked if a transaction holds the key's row
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public IdempotencyKey initializeRequest(
            @Nullable String headerKey, String method, Map<String, ? extends @Nullable Object> params, String path) {
        return initializeRequest("", headerKey, Request.of(method, path, params));
    }

    /**
     * Reads a key.
     *
     * @param id the key
     * @return what is known of it
     * @throws IdempotencyException.NotFound if there is none, or it has expired
     */
    public IdempotencyKey retrieve(KeyId id) {
        return observed(() -> current(id).key());
    }

    /**
     * Takes a key for this worker, for the service's lease.
     *
     * @param id the key
     * @return the right to change it
     * @throws IdempotencyException.NotFound if there is none, or it has expired
     * @throws IdempotencyException.Locked if another worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     * @throws IdempotencyException.Quarantined if it is put aside
     */
    public HeldKey lock(KeyId id) {
        return lock(id, settings.lease());
    }

    /**
     * Takes a key for this worker.
     *
     * @param id the key
     * @param lease how long the lock holds if this worker disappears: 1 millisecond to 24 hours
     * @return the right to change it
     * @throws IllegalArgumentException if the lease is out of bounds
     * @throws IdempotencyException.NotFound if there is none, or it has expired
     * @throws IdempotencyException.Locked if another worker holds it
     * @throws IdempotencyException.AlreadyFinished if it has its response
     * @throws IdempotencyException.Quarantined if it is put aside
     */
    public HeldKey lock(KeyId id, Duration lease) {
        Transitions.lease(lease);
        return observed(() -> {
            Tries tries = new Tries(settings);
            while (true) {
                StoredKey stored = current(id);
                StoredKey next = Transitions.lock(
                        stored,
                        clock.now(),
                        lease,
                        newRevision(),
                        free -> free,
                        timeLeft -> {
                            throw new IdempotencyException.Locked(id, timeLeft);
                        },
                        response -> {
                            throw new IdempotencyException.AlreadyFinished(id, response);
                        });
                StoreAccess.Write write = access.replace(stored.revision(), next);
                if (write == StoreAccess.Write.DONE) {
                    return taken(stored, next);
                }
                if (write == StoreAccess.Write.BUSY || !tries.another()) {
                    throw new IdempotencyException.Locked(id, SOON);
                }
            }
        });
    }

    /**
     * Presents a request with its key: the first one makes the key and holds it, in one statement; a later one gets the
     * response, holds the key to resume it, or learns that another worker is at it.
     *
     * @param id the key
     * @param request the request
     * @return what the request may do now
     * @throws IdempotencyException.Mismatch if the key was made for another request
     * @throws IdempotencyException.Quarantined if the key is put aside
     * @throws IdempotencyException.Locked if a transaction holds the key's row and the key can't be read
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public Claim claim(KeyId id, Request request) {
        Claim claim = claim(null, id, request);
        claim.match(
                claimed -> claimed,
                replay -> replay,
                inFlight -> settings.events().refused(new IdempotencyException.Locked(id, inFlight.retryAfter())));
        return claim;
    }

    /** The same for a declared operation, whose name is stored and whose recovery points are known. */
    Claim claim(@Nullable Operation<T> operation, KeyId id, Request request) {
        Arguments.required(request, "request");
        String name = operation == null ? "" : operation.name();
        StoredKey fresh = Transitions.createLocked(
                Arguments.required(id, "id"),
                newUuid(),
                name,
                operation == null ? request : operation.redact(request),
                Fingerprint.of(name, request),
                clock.now(),
                leaseAt(operation, RecoveryPoint.STARTED),
                newRevision());
        return observed(() -> {
            Tries tries = new Tries(settings);
            while (true) {
                StoredKey stored = insertOrFind(fresh);
                if (stored.revision().equals(fresh.revision())) {
                    return new Claim.Claimed(new HeldKey(fresh));
                }
                Transitions.checkFingerprint(stored.key(), fresh.key().fingerprint());
                Optional<Claim> claim = Transitions.lock(
                        stored,
                        clock.now(),
                        leaseAt(operation, stored.key().recoveryPoint()),
                        newRevision(),
                        next -> take(operation, stored, next, tries),
                        timeLeft -> Optional.of(new Claim.InFlight(stored.key(), timeLeft)),
                        response -> Optional.of(replay(stored, response)));
                if (claim.isPresent()) {
                    return claim.get();
                }
            }
        });
    }

    private Claim replay(StoredKey stored, Response response) {
        settings.events().emit(new KeyEvent.Replayed(stored.key()));
        return new Claim.Replay(stored.key(), response);
    }

    private HeldKey taken(StoredKey before, StoredKey held) {
        boolean takenOver = before.key().state().match(open -> false, locked -> true, finished -> false, put -> false);
        settings.events().emit(takenOver ? new KeyEvent.TakenOver(held.key()) : new KeyEvent.Locked(held.key()));
        return new HeldKey(held);
    }

    /**
     * Takes a key that the completer found, if it is still as it was found; it may be taken, since its operation and point
     * are known and it is open or its lease has run out.
     */
    Optional<HeldKey> takeAbandoned(Operation<T> operation, StoredKey found) {
        Duration lease = leaseAt(operation, found.key().recoveryPoint());
        return Transitions.lock(
                found,
                clock.now(),
                lease,
                newRevision(),
                next -> access.replace(found.revision(), next) == StoreAccess.Write.DONE
                        ? Optional.of(taken(found, next))
                        : Optional.empty(),
                timeLeft -> Optional.empty(),
                response -> Optional.empty());
    }

    /** Puts a key aside, if it is still as it was found. */
    void quarantine(StoredKey found, String reason) {
        StoredKey next = Transitions.quarantine(found, clock.now(), reason, newRevision());
        if (access.replace(found.revision(), next) == StoreAccess.Write.DONE) {
            settings.events().quarantined(next);
        }
    }

    /** An operator's change of an unfinished key that nobody holds. */
    IdempotencyKey operate(KeyId id, String action, String by, OperatorChange change) {
        return observed(() -> {
            Tries tries = new Tries(settings);
            while (true) {
                StoredKey stored = current(id);
                Instant now = clock.now();
                Transitions.checkUnattended(stored, now);
                StoredKey next = change.next(stored, now, newRevision());
                StoreAccess.Write write = access.replace(stored.revision(), next);
                if (write == StoreAccess.Write.DONE) {
                    settings.events().emit(new KeyEvent.Operated(next.key(), action, by));
                    return next.key();
                }
                if (write == StoreAccess.Write.BUSY || !tries.another()) {
                    throw new IdempotencyException.Locked(id, SOON);
                }
            }
        });
    }

    /** What an operator makes of a key. */
    @FunctionalInterface
    interface OperatorChange {
        StoredKey next(StoredKey stored, Instant now, Revision revision);
    }

    /** Leaves a key alone until the instant, if it is still as it was found. */
    void postpone(StoredKey found, Instant until) {
        access.replace(found.revision(), Transitions.postpone(found, clock.now(), until, newRevision()));
    }

    List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return access.repeatable(null, () -> store.findResumable(operations, afterScope, before, limit));
    }

    List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
        return access.repeatable(null, () -> store.findQuarantined(after, limit));
    }

    int deleteExpired(int limit) {
        return access.repeatable(null, () -> store.deleteExpired(clock.now(), limit));
    }

    StoreClock clock() {
        return clock;
    }

    Settings settings() {
        return settings;
    }

    /** Locks a free key; empty if another was faster and the key is to be read again. */
    private Optional<Claim> take(@Nullable Operation<T> operation, StoredKey stored, StoredKey next, Tries tries) {
        RecoveryPoint resumesAt = stored.key().recoveryPoint();
        if (operation != null && !operation.recoveryPoints().contains(resumesAt)) {
            throw new IdempotencyException.UnknownRecoveryPoint(stored.id(), resumesAt, operation.recoveryPoints());
        }
        return switch (access.replace(stored.revision(), next)) {
            case DONE -> Optional.of(new Claim.Claimed(taken(stored, next)));
            case LOST -> tries.another() ? Optional.empty() : Optional.of(new Claim.InFlight(stored.key(), SOON));
            case BUSY -> Optional.of(new Claim.InFlight(stored.key(), SOON));
        };
    }

    /**
     * Moves a held key on without a stage: to another recovery point, where it is held for the service's lease, or to its
     * response.
     *
     * @param held the right to change the key; stale afterwards
     * @param outcome where to
     * @return the key as it is then
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing was changed
     * @throws IdempotencyException.ResponseTooLarge if the body is too long; nothing was changed
     * @throws IdempotencyException.Locked if a transaction holds the key's row
     */
    public StageResult update(HeldKey held, StageOutcome outcome) {
        Arguments.required(outcome, "outcome");
        StoredKey stored = Arguments.required(held, "held").stored();
        return observed(() -> result(write(stored, next(null, stored, outcome, clock.now(), newRevision()))));
    }

    /**
     * Runs one stage in a transaction of its own, which commits the stage's writes together with the key's change.
     *
     * <p>The transaction has the service's isolation; the key is then held for the service's lease. The stage is run again
     * after transient failures.
     *
     * @param held the right to change the key; stale afterwards, also after an exception
     * @param stage the work
     * @return the key as it is then
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing of the stage is kept
     * @throws IdempotencyException.ResponseTooLarge if the response's body is too long; the key is released
     * @throws IdempotencyException.RetriesExhausted if transient failures didn't end; the key is released
     * @throws RuntimeException what the stage throws, as it is; nothing of the stage is kept, and the key is released
     */
    public StageResult workStage(HeldKey held, WorkStage<T> stage) {
        return workStage(held, settings.isolation(), stage);
    }

    /**
     * Runs one stage as {@link #workStage(HeldKey, WorkStage)} does, in a transaction of another isolation.
     *
     * @param held the right to change the key; stale afterwards, also after an exception
     * @param isolation one that the store has
     * @param stage the work
     * @return the key as it is then
     * @throws IllegalArgumentException if the store doesn't have the isolation; nothing was changed
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing of the stage is kept
     * @throws IdempotencyException.ResponseTooLarge if the response's body is too long; the key is released
     * @throws IdempotencyException.RetriesExhausted if transient failures didn't end; the key is released
     * @throws RuntimeException what the stage throws, as it is; nothing of the stage is kept, and the key is released
     */
    public StageResult workStage(HeldKey held, Isolation isolation, WorkStage<T> stage) {
        Arguments.required(held, "held");
        Arguments.required(stage, "stage");
        checkIsolation(store, isolation);
        return execute(null, held, held.key(), key -> stage, isolation);
    }

    /** Runs the operation's stage at the held key's recovery point, for the request as its client sent it. */
    StageResult workStage(Operation<T> operation, HeldKey held, Request request) {
        StageDefinition<T> stage = operation.stage(held.recoveryPoint());
        if (stage == null) {
            throw new IdempotencyException.UnknownRecoveryPoint(
                    held.id(), held.recoveryPoint(), operation.recoveryPoints());
        }
        IdempotencyKey seen = Transitions.withRequest(held.key(), request);
        return execute(operation, held, seen, stage.prepare(), isolationOf(stage));
    }

    private StageResult execute(
            @Nullable Operation<T> operation,
            HeldKey held,
            IdempotencyKey seen,
            Function<IdempotencyKey, WorkStage<T>> prepare,
            Isolation isolation) {
        StoredKey stored = held.stored();
        StageExecution<T> execution = new StageExecution<>(
                store,
                access,
                clock,
                settings,
                this::newRevision,
                failure -> afterFailure(operation, stored, failure),
                stored,
                seen);
        return observed(() -> result(execution.run(
                prepare, isolation, (outcome, now, revision) -> next(operation, stored, outcome, now, revision))));
    }

    private StoredKey afterFailure(@Nullable Operation<T> operation, StoredKey held, Throwable failure) {
        Instant now = clock.now();
        if (Thread.currentThread().isInterrupted()) {
            // The process is stopping: that says nothing against the request.
            return Transitions.release(held, now, newRevision());
        }
        return operation == null
                ? Transitions.fail(held, now, failure, now, Integer.MAX_VALUE, newRevision())
                : Transitions.fail(
                        held,
                        now,
                        failure,
                        now.plus(operation.backoff(
                                held.key().failedAttempts() + 1,
                                settings.environment().random())),
                        operation.maxAttempts(),
                        newRevision());
    }

    /**
     * Begins a held key's lease anew, between two stages, for the service's lease.
     *
     * @param held the right to change the key; stale afterwards
     * @return the key, held anew
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing was changed
     * @throws IdempotencyException.Locked if a transaction holds the key's row, such as that of a stage still running
     */
    public HeldKey renew(HeldKey held) {
        return renew(held, settings.lease());
    }

    /**
     * Begins a held key's lease anew, between two stages.
     *
     * @param held the right to change the key; stale afterwards
     * @param lease how long from now on: 1 millisecond to 24 hours
     * @return the key, held anew
     * @throws IllegalArgumentException if the lease is out of bounds; nothing was changed
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing was changed
     * @throws IdempotencyException.Locked if a transaction holds the key's row, such as that of a stage still running
     */
    public HeldKey renew(HeldKey held, Duration lease) {
        StoredKey stored = Arguments.required(held, "held").stored();
        Transitions.lease(lease);
        return observed(() -> new HeldKey(write(stored, Transitions.renew(stored, clock.now(), lease, newRevision()))));
    }

    /**
     * Gives a held key back without a change: the next attempt resumes at the same recovery point at once.
     *
     * @param held the right to change the key; stale afterwards
     * @return what is known of the key
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing was changed
     * @throws IdempotencyException.Locked if a transaction holds the key's row, such as that of a stage still running
     */
    public IdempotencyKey unlock(HeldKey held) {
        StoredKey stored = Arguments.required(held, "held").stored();
        return observed(() -> write(stored, Transitions.release(stored, clock.now(), newRevision()))
                .key());
    }

    /** Refuses, before anything runs, an operation with an isolation that the store doesn't have. */
    void check(Operation<T> operation) {
        for (RecoveryPoint at : operation.recoveryPoints()) {
            StageDefinition<T> stage = operation.stage(at);
            if (stage != null) {
                checkIsolation(store, isolationOf(stage));
            }
        }
    }

    private static Isolation checkIsolation(KeyStore<?> store, Isolation isolation) {
        Set<Isolation> isolations = store.isolations();
        if (!isolations.contains(Arguments.required(isolation, "isolation"))) {
            throw Arguments.refused("isolation", isolation, "what the store has: " + isolations);
        }
        return isolation;
    }

    private Isolation isolationOf(StageDefinition<T> stage) {
        Isolation isolation = stage.isolation();
        return isolation == null ? settings.isolation() : isolation;
    }

    private Duration leaseAt(@Nullable Operation<T> operation, RecoveryPoint at) {
        StageDefinition<T> stage = operation == null ? null : operation.stage(at);
        Duration lease = stage == null ? null : stage.lease();
        return lease == null ? settings.lease() : lease;
    }

    private StoredKey next(
            @Nullable Operation<T> operation, StoredKey held, StageOutcome outcome, Instant now, Revision revision) {
        return outcome.match(
                to -> {
                    StageDefinition<T> stage = operation == null
                            ? null
                            : operation.stage(held.key().recoveryPoint());
                    if (stage != null && !stage.targets().contains(to)) {
                        throw new IdempotencyException.UnknownRecoveryPoint(held.id(), to, stage.targets());
                    }
                    return Transitions.advance(held, to, now, leaseAt(operation, to), revision);
                },
                response -> {
                    Transitions.checkLength(held.id(), response, settings.maxResponseBytes());
                    return Transitions.respond(held, response, now, settings.timeToLive(), revision);
                });
    }

    private StageResult result(StoredKey stored) {
        return stored.key()
                .state()
                .match(
                        open -> unheld(stored),
                        locked -> new StageResult.Held(new HeldKey(stored)),
                        finished -> {
                            Duration age = Duration.between(stored.key().createdAt(), finished.finishedAt());
                            settings.events().emit(new KeyEvent.Finished(stored.key(), age));
                            return new StageResult.Finished(stored.key(), finished.response());
                        },
                        quarantined -> unheld(stored));
    }

    private static StageResult unheld(StoredKey stored) {
        throw new IllegalStateException("a stage leaves its key held or finished: " + stored);
    }

    /** A holder's write. */
    private StoredKey write(StoredKey held, StoredKey next) {
        return switch (access.replace(held.revision(), next)) {
            case DONE -> next;
            case LOST -> throw new IdempotencyException.StaleKey(held.id(), null);
            case BUSY -> throw new IdempotencyException.Locked(held.id(), SOON);
        };
    }

    private StoredKey current(KeyId id) {
        return access.find(Arguments.required(id, "id"))
                .filter(stored -> !Transitions.isExpired(stored.key(), clock.now()))
                .orElseThrow(() -> new IdempotencyException.NotFound(id));
    }

    /** The fresh key if it is stored now, be it in place of an expired one; else the key that stands there. */
    private StoredKey insertOrFind(StoredKey fresh) {
        Tries tries = new Tries(settings);
        while (true) {
            StoreAccess.Write write = access.insert(fresh);
            if (write == StoreAccess.Write.DONE) {
                return created(fresh);
            }
            Optional<StoredKey> found = access.find(fresh.id());
            if (found.isPresent()) {
                StoredKey stored = found.get();
                if (!Transitions.isExpired(stored.key(), clock.now())) {
                    return stored;
                }
                write = access.replace(stored.revision(), fresh);
                if (write == StoreAccess.Write.DONE) {
                    return created(fresh);
                }
            }
            if (write == StoreAccess.Write.BUSY || !tries.another()) {
                throw new IdempotencyException.Locked(fresh.id(), SOON);
            }
        }
    }

    private StoredKey created(StoredKey fresh) {
        settings.events().emit(new KeyEvent.Created(fresh.key()));
        return fresh;
    }

    /** Tells the listener of what is refused, and throws it on. */
    private <R> R observed(Supplier<R> call) {
        try {
            return call.get();
        } catch (IdempotencyException e) {
            throw settings.events().refused(e);
        }
    }

    private StoredKey open(KeyId id, Request request) {
        Fingerprint fingerprint = Fingerprint.of("", request);
        return Transitions.createOpen(id, newUuid(), "", request, fingerprint, clock.now(), newRevision());
    }

    private String generatedValue() {
        return newUuid().toString();
    }

    private Revision newRevision() {
        return new Revision(newUuid());
    }

    private UUID newUuid() {
        // At once: a SecureRandom works through its lock for every call.
        byte[] bytes = new byte[16];
        settings.environment().random().nextBytes(bytes);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    /**
     * Settings of a service, each with a default; not safe for many threads.
     *
     * @param <T> the store's transaction handle
     */
    public static final class Builder<T> {
        /** How long a lock holds if its owner disappears. */
        public static final Duration DEFAULT_LEASE = Duration.ofSeconds(30);

        /** How long a finished key can be replayed. */
        public static final Duration DEFAULT_TIME_TO_LIVE = Duration.ofHours(24);

        /** The longest body that is stored, in bytes. */
        public static final int DEFAULT_MAX_RESPONSE_BYTES = 1024 * 1024;

        /** How many times a stage or a statement is tried while its failures are transient. */
        public static final int DEFAULT_MAX_TRIES = 20;

        /** The bound on the first wait between two tries. */
        public static final Duration DEFAULT_FIRST_PAUSE = Duration.ofMillis(5);

        /** The bound on any wait between two tries. */
        public static final Duration DEFAULT_LONGEST_PAUSE = Duration.ofMillis(500);

        private final KeyStore<T> store;
        private Duration lease = DEFAULT_LEASE;
        private Duration timeToLive = DEFAULT_TIME_TO_LIVE;
        private int maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES;
        private int maxTries = DEFAULT_MAX_TRIES;
        private Duration firstPause = DEFAULT_FIRST_PAUSE;
        private Duration longestPause = DEFAULT_LONGEST_PAUSE;
        private @Nullable Isolation isolation;
        private @Nullable Environment environment;
        private final List<KeyListener> listeners = new ArrayList<>();

        private Builder(KeyStore<T> store) {
            this.store = Arguments.required(store, "store");
        }

        /**
         * How long a lock holds if its owner disappears; set it to more than the longest stage takes. Default: {@link
         * #DEFAULT_LEASE}.
         *
         * @param lease 1 millisecond to 24 hours
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> lease(Duration lease) {
            this.lease = Transitions.lease(lease);
            return this;
        }

        /**
         * How long a finished key can be replayed before it counts as absent; set it to more than clients go on retrying.
         * Default: {@link #DEFAULT_TIME_TO_LIVE}.
         *
         * @param timeToLive 1 millisecond to 3,650 days
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> timeToLive(Duration timeToLive) {
            this.timeToLive = Arguments.between(Duration.ofMillis(1), Duration.ofDays(3650), timeToLive, "timeToLive");
            return this;
        }

        /**
         * The longest body that is stored. Default: {@link #DEFAULT_MAX_RESPONSE_BYTES}.
         *
         * @param maxResponseBytes 0 to 8,388,608
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> maxResponseBytes(int maxResponseBytes) {
            this.maxResponseBytes = Arguments.between(0, 8 * 1024 * 1024, maxResponseBytes, "maxResponseBytes");
            return this;
        }

        /**
         * The isolation of stages' transactions. Default: the strongest that the store has.
         *
         * @param isolation one that the store has
         * @return this
         * @throws IllegalArgumentException if the store doesn't have it
         */
        public Builder<T> isolation(Isolation isolation) {
            this.isolation = checkIsolation(store, isolation);
            return this;
        }

        /**
         * How many times a stage or a statement is tried while its failures are transient. Default: {@link
         * #DEFAULT_MAX_TRIES}.
         *
         * @param maxTries 1 to 1,000
         * @return this
         * @throws IllegalArgumentException if it is out of bounds
         */
        public Builder<T> maxTries(int maxTries) {
            this.maxTries = Arguments.between(1, 1000, maxTries, "maxTries");
            return this;
        }

        /**
         * How long to wait between two tries: a random time below a bound that doubles from the first to the longest.
         * Default: {@link #DEFAULT_FIRST_PAUSE} and {@link #DEFAULT_LONGEST_PAUSE}.
         *
         * @param first 1 microsecond to 1 minute
         * @param longest the first to 1 minute
         * @return this
         * @throws IllegalArgumentException if one of them is out of bounds
         */
        public Builder<T> pauses(Duration first, Duration longest) {
            Duration most = Duration.ofMinutes(1);
            Arguments.between(Duration.ofNanos(1000), most, first, "first");
            this.longestPause = Arguments.between(first, most, longest, "longest");
            this.firstPause = first;
            return this;
        }

        /**
         * What is random, timed or waits. Default: {@link Environment#system()}.
         *
         * @param environment such as a simulator's
         * @return this
         */
        public Builder<T> environment(Environment environment) {
            this.environment = Arguments.required(environment, "environment");
            return this;
        }

        /**
         * Adds a listener. Default: none; the library logs its events to the {@link System.Logger} {@code
         * io.idempotencykey} anyway.
         *
         * @param listener is told what happens to keys
         * @return this
         */
        public Builder<T> listener(KeyListener listener) {
            listeners.add(Arguments.required(listener, "listener"));
            return this;
        }

        /**
         * Makes the service.
         *
         * @return the service; nothing has been read or written yet
         */
        public IdempotencyKeyService<T> build() {
            return new IdempotencyKeyService<>(store, settings());
        }

        private Settings settings() {
            return new Settings(
                    lease,
                    timeToLive,
                    maxResponseBytes,
                    isolation == null ? Collections.max(store.isolations()) : isolation,
                    maxTries,
                    firstPause,
                    longestPause,
                    environment == null ? Environment.system() : environment,
                    new Events(List.copyOf(listeners)));
        }
    }
}
