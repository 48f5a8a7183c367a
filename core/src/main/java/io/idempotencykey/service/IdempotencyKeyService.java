package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
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
 * <p>Methods block while the store works. Safe for many threads. Besides the exceptions that a method names, every one
 * may throw {@link IdempotencyException.StoreUnavailable} (its change was not made), {@link
 * IdempotencyException.OutcomeUnknown} (the same call with the same key finds out) or {@link
 * IdempotencyException.UnreadableKey} (nothing was changed).
 *
 * <p>On an interrupted thread no stage is run again, and nobody waits for another worker. What a stage has left is
 * settled all the same, and its key is given back; {@link #update}, {@link #renew} and {@link #unlock} do their work.
 * The thread is still interrupted afterwards. Whether another call works on such a thread is the store's: MongoDB's
 * driver refuses.
 *
 * @param <T> the handle that a stage writes with in its transaction
 */
public final class IdempotencyKeyService<T> {
    private final Engine<T> engine;
    private final Runner<T> runner;

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
        this.runner = new Runner<>(engine);
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

    // Operations: declared once, and then run with one call for each request

    /**
     * Begins the declaration of an operation.
     *
     * @param name stored with every key and part of its fingerprint, so never to be changed while keys are unfinished:
     *     1 to 100 ASCII letters, digits, {@code '.'}, {@code '_'} and {@code '-'}
     * @return the builder
     * @throws IllegalArgumentException if the name has an illegal character or length
     */
    public Operation.Builder<T> operation(String name) {
        return new Operation.Builder<>(engine, name);
    }

    /**
     * Brings a request to its end: a new one through all its stages, a retry to its stored response, an interrupted one
     * from its recovery point on.
     *
     * @param operation what the request asks for
     * @param id the request's key
     * @param request the request
     * @return the response, stored before or now
     * @throws IllegalArgumentException if a stage asks for an isolation that the store doesn't have; nothing was
     *     changed
     * @throws IdempotencyException.Mismatch if the key was made for another operation or request
     * @throws IdempotencyException.Locked if another worker holds the key
     * @throws IdempotencyException.Quarantined if the key is put aside
     * @throws IdempotencyException.UnknownRecoveryPoint if the key stands where no stage begins, and then it is
     *     untouched; or if a stage advanced to a point that it doesn't declare
     * @throws IdempotencyException.StaleKey if another worker took the key over meanwhile
     * @throws IdempotencyException.ResponseTooLarge if the response's body is too long; the key is released
     * @throws IdempotencyException.RetriesExhausted if a stage's transient failures didn't end; the key is released
     * @throws IdempotencyException.StoreFull if the store has no room
     * @throws RuntimeException whatever a stage or an outside call throws, unchanged. It may be a checked exception,
     *     which the compiler can't know of here; catch {@link Exception} to handle those. Earlier stages are kept,
     *     nothing of this one is, and the key is released
     */
    public Execution run(Operation<T> operation, KeyId id, Request request) {
        return run(operation, id, request, Duration.ZERO);
    }

    /**
     * Brings a request to its end, as {@link #run(Operation, KeyId, Request)} does, and waits while another worker
     * holds its key.
     *
     * <p>This call looks again with growing pauses of up to a second, holds no connection between the looks, and
     * returns as soon as the response is there. If the worker vanishes, this call goes on with the request.
     *
     * @param operation what the request asks for
     * @param id the request's key
     * @param request the request
     * @param waitAtMost how long to wait before {@link IdempotencyException.Locked} is thrown: 0 to 24 hours
     * @return the response, stored before or now
     * @throws IllegalArgumentException if {@code waitAtMost} is out of bounds; nothing was changed
     */
    public Execution run(Operation<T> operation, KeyId id, Request request, Duration waitAtMost) {
        Arguments.required(id, "id");
        Arguments.required(request, "request");
        Arguments.between(Duration.ZERO, Transitions.LONGEST_LEASE, waitAtMost, "waitAtMost");
        return runner.run(operation, id, request, waitAtMost);
    }

    /**
     * Brings a request to its end, as {@link #run(Operation, KeyId, Request)} does, and reads the value of its
     * response.
     *
     * @param <V> the value
     * @param operation what the request asks for
     * @param id the request's key
     * @param request the request
     * @param codec the one that the operation responds with
     * @return the value, stored before or now
     */
    public <V> V run(Operation<T> operation, KeyId id, Request request, ResponseCodec<V> codec) {
        Arguments.required(codec, "codec");
        return run(operation, id, request).value(codec);
    }

    /**
     * Runs a request of one stage, once.
     *
     * <p>The stage runs in one transaction with its key, and nothing is stored before it commits. So if it fails, or
     * the server dies, the request waits for its client, and leaves nothing behind. A call to another system doesn't
     * belong in it, because a retry can't derive the same key for it. Declare an {@link #operation} that is {@linkplain
     * Operation.Builder#staged staged} to have it completed.
     *
     * @param name names the work, as {@link #operation} does
     * @param id the request's key
     * @param request the request
     * @param answer the work
     * @return the response, stored before or now
     * @throws IllegalArgumentException if the name has an illegal character or length; nothing was changed
     * @throws RuntimeException as from {@link #run(Operation, KeyId, Request)}
     */
    public Execution once(String name, KeyId id, Request request, WorkStage.Answer<T, Response> answer) {
        return once(name, id, request, Duration.ZERO, answer);
    }

    /**
     * Runs a request of one stage, once, and waits while another worker holds its key.
     *
     * @param name names the work, as {@link #operation} does
     * @param id the request's key
     * @param request the request
     * @param waitAtMost how long to wait before {@link IdempotencyException.Locked} is thrown: 0 to 24 hours
     * @param answer the work
     * @return the response, stored before or now
     * @throws IllegalArgumentException if the name is illegal or {@code waitAtMost} out of bounds; nothing was changed
     * @throws RuntimeException as from {@link #run(Operation, KeyId, Request)}
     */
    public Execution once(
            String name, KeyId id, Request request, Duration waitAtMost, WorkStage.Answer<T, Response> answer) {
        return run(operation(name).respond(RecoveryPoint.STARTED, answer).build(), id, request, waitAtMost);
    }

    /**
     * Runs a request of one stage that returns a value, once.
     *
     * @param <V> the value
     * @param name names the work, as {@link #operation} does
     * @param id the request's key
     * @param request the request
     * @param codec makes a response of the value, and back
     * @param answer the work
     * @return the value, stored before or now
     * @throws IllegalArgumentException if the name has an illegal character or length; nothing was changed
     * @throws RuntimeException as from {@link #run(Operation, KeyId, Request)}
     */
    public <V> V once(String name, KeyId id, Request request, ResponseCodec<V> codec, WorkStage.Answer<T, V> answer) {
        Arguments.required(answer, "answer");
        Arguments.required(codec, "codec");
        return once(name, id, request, stage -> codec.encode(answer.answer(stage)))
                .value(codec);
    }

    /**
     * Does a message's work, once: the short form of {@link #once(String, KeyId, Request, WorkStage.Answer)} for a
     * consumer of messages that wants no value.
     *
     * <p>Return means that the work is committed, by this delivery or by another one, and that the message can be
     * acknowledged.
     *
     * @param name names the work, as {@link #operation} does. It is the scope of the keys, too, and the request's
     *     source: give the same message another name where other work is done for it, and two topics whose ids may
     *     meet a name each
     * @param id the id of the event, which its producer gave it, and which is the same in each delivery
     * @param message what the event says, as in {@link Request#ofMessage}, and nothing that differs between deliveries
     * @param work what is done for it
     * @throws IllegalArgumentException if the name is illegal, or the message passes a limit of a {@link Request};
     *     nothing was changed
     * @throws IdempotencyException.InvalidKey if the id has an illegal character or length; nothing was changed
     * @throws RuntimeException as from {@link #run(Operation, KeyId, Request)}
     */
    public void receive(
            String name, String id, Map<String, ? extends @Nullable Object> message, WorkStage.Action<T> work) {
        Arguments.required(work, "work");
        Execution unused = once(name, KeyId.of(name, id), Request.ofMessage(name, message), stage -> {
            work.run(stage);
            return Response.of(204, new byte[0]);
        });
    }

    /**
     * Begins the background work for operations: completing what nobody came back for, and reaping what has expired.
     *
     * @param operations the operations whose requests are completed; without any, only expired keys are reaped. An
     *     operation that runs in one transaction has nothing to complete, unless it is {@linkplain
     *     Operation.Builder#staged staged}; a warning names it
     * @return the work, not started yet
     * @throws IllegalArgumentException if two operations have one name
     */
    @SafeVarargs
    public final Background.Builder background(Operation<T>... operations) {
        Completer.Builder<T> completer = Completer.builder(this);
        for (Operation<T> operation : operations) {
            completer.operation(operation);
        }
        return new Background.Builder(engine, completer);
    }

    // The six operations, for explicit control

    /**
     * Makes a key for a request; nobody holds it.
     *
     * @param scope the key's scope; may be empty
     * @param value the key's value; {@code null} to have a random one generated. Tell the client that one, because a
     *     retry without it runs anew
     * @param request the request that the key is for
     * @return the new key
     * @throws IdempotencyException.InvalidKey if scope or value is illegal
     * @throws IdempotencyException.KeyExists if the value is taken by another key; that one is as it was
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
     * @param headerKey the {@code Idempotency-Key} header as received, quoted or not; for a request that comes
     *     without one, {@link #create} generates a value
     * @param request the request
     * @return the existing or the new key
     * @throws IdempotencyException.InvalidKey if scope or header is illegal, or the header is {@code null}
     * @throws IdempotencyException.Mismatch if the key was made for another request
     * @throws IdempotencyException.Locked if a transaction holds the key's row
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public IdempotencyKey initializeRequest(String scope, @Nullable String headerKey, Request request) {
        return engine.findOrCreate(KeyId.fromHeader(scope, headerKey), Arguments.required(request, "request"));
    }

    /**
     * Finds the key for a request in the empty scope, or makes it.
     *
     * @param headerKey the {@code Idempotency-Key} header as received, quoted or not
     * @param method the request's method
     * @param params the request's parameters
     * @param path the request's path
     * @return the existing or the new key
     * @throws IllegalArgumentException if method, params or path pass the limits of {@link Request}
     * @throws IdempotencyException.InvalidKey if the header is illegal or {@code null}
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
     * Presents a request of a declared operation with its key, as {@link #claim(KeyId, Request)} does.
     *
     * @param operation whose name is stored, and whose recovery points are known
     * @param id the key
     * @param request the request
     * @return what the request may do now
     * @throws IllegalArgumentException if a stage asks for an isolation that the store doesn't have; nothing was
     *     changed
     * @throws IdempotencyException.Mismatch if the key was made for another operation or request
     * @throws IdempotencyException.Quarantined if the key is put aside
     * @throws IdempotencyException.UnknownRecoveryPoint if the key stands where no stage begins; it is untouched
     * @throws IdempotencyException.Locked if a transaction holds the key's row and the key can't be read
     * @throws IdempotencyException.StoreFull if the store has no room
     */
    public Claim claim(Operation<T> operation, KeyId id, Request request) {
        return claim(engine.planOf(engine.checked(operation)), id, request);
    }

    /**
     * Presents a request with its key: the first one makes the key and holds it, in one statement; a later one gets the
     * response, holds the key to resume it, or learns that another worker holds it.
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
        return claim(engine.undeclared(), id, request);
    }

    private Claim claim(Plan plan, KeyId id, Request request) {
        Arguments.required(id, "id");
        Arguments.required(request, "request");
        Claim claim = engine.claim(plan, id, request, engine.waiting(Duration.ZERO));
        if (claim instanceof Claim.InFlight inFlight) {
            engine.events().emit(new KeyEvent.FoundInFlight(inFlight.key(), inFlight.retryAfter()));
        }
        return claim;
    }

    /**
     * Moves a held key on without a stage: to another recovery point, where it is held for the service's lease, or to
     * its response.
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
     * <p>The transaction has the service's isolation; the key is then held for the service's lease. The stage is run
     * again after transient failures.
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
                new StageDefinition<>(seen -> stage, false, null, engine.checkIsolation(isolation), Set.of());
        return engine.run(engine.undeclared(), held, held.key(), definition);
    }

    /**
     * Runs the stage of a declared operation that begins where the held key stands.
     *
     * @param operation the one that the key was claimed for
     * @param held the right to change the key; stale afterwards, also after an exception
     * @param request the request as its client sent it
     * @return the key as it is then
     * @throws IllegalArgumentException if a stage asks for an isolation that the store doesn't have, or the key was
     *     made for another operation; nothing was changed
     * @throws IdempotencyException.Mismatch if the key was made for another request; nothing was changed
     * @throws IdempotencyException.UnknownRecoveryPoint if no stage begins there, and then nothing was changed; or if
     *     the stage advanced to a point that it doesn't declare
     * @throws IdempotencyException.StaleKey if the key isn't held any more; nothing of the stage is kept
     * @throws IdempotencyException.ResponseTooLarge if the response's body is too long; the key is released
     * @throws IdempotencyException.RetriesExhausted if transient failures didn't end; the key is released
     * @throws RuntimeException what the stage or its outside call throws, as it is; nothing of the stage is kept
     */
    public StageResult workStage(Operation<T> operation, HeldKey held, Request request) {
        DeclaredPlan<T> plan = engine.planOf(engine.checked(operation));
        String made = Arguments.required(held, "held").key().operation();
        if (!made.equals(plan.operation())) {
            throw Arguments.refused("operation", plan.operation(), "the one that the key was made for, '" + made + "'");
        }
        engine.checkRequest(held, Arguments.required(request, "request"));
        return runner.stage(plan, held, request);
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
     * @param lease how long from now on, also if the one so far was longer: 1 millisecond to 24 hours
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
