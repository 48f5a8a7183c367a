package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.KeyStore;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
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
    private final Engine<T> engine;

    /**
     * A service with the defaults of its {@link ServiceBuilder}.
     *
     * @param store where keys are kept
     */
    public IdempotencyKeyService(KeyStore<T> store) {
        this(store, new ServiceBuilder<>(store).settings());
    }

    IdempotencyKeyService(KeyStore<T> store, Settings settings) {
        this.engine = new Engine<>(store, settings);
    }

    /**
     * Begins a service with other settings than the defaults.
     *
     * @param <T> the store's transaction handle
     * @param store where keys are kept
     * @return the builder
     */
    public static <T> ServiceBuilder<T> builder(KeyStore<T> store) {
        return new ServiceBuilder<>(store);
    }

    Engine<T> engine() {
        return engine;
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
        KeyId id = value == null ? generatedId(scope) : new KeyId(scope, value);
        return engine.create(id, Arguments.required(request, "request"));
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
        KeyId id = headerKey == null ? generatedId(scope) : KeyId.fromHeader(scope, headerKey);
        return engine.findOrCreate(id, Arguments.required(request, "request"));
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
        return engine.retrieve(Arguments.required(id, "id"));
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
        return lock(id, engine.settings().lease());
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
        return engine.lock(Arguments.required(id, "id"), Transitions.lease(lease));
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
        Claim claim =
                engine.claim(engine.undeclared(), Arguments.required(id, "id"), Arguments.required(request, "request"));
        if (claim instanceof Claim.InFlight inFlight) {
            engine.events().refused(new IdempotencyException.Locked(id, inFlight.retryAfter()));
        }
        return claim;
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
        return engine.update(Arguments.required(held, "held"), Arguments.required(outcome, "outcome"));
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
        return workStage(held, engine.settings().isolation(), stage);
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
        StageDefinition<T> definition =
                new StageDefinition<>(key -> stage, null, engine.checkIsolation(isolation), Set.of());
        return engine.run(engine.undeclared(), held, held.key(), definition);
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
        return renew(held, engine.settings().lease());
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
        return engine.renew(Arguments.required(held, "held"), Transitions.lease(lease));
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
        return engine.unlock(Arguments.required(held, "held"));
    }

    private KeyId generatedId(String scope) {
        return new KeyId(scope, engine.newUuid().toString());
    }
}
