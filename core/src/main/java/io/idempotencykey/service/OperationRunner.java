package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.internal.Arguments;

/**
 * Runs declared operations: a new request through all its stages, a retry to its stored response, an interrupted request
 * from its recovery point on.
 *
 * <p>Blocks while stages run. Safe for many threads.
 *
 * @param <T> the store's transaction handle
 */
public final class OperationRunner<T> {
    private final Engine<T> engine;

    /**
     * A runner.
     *
     * @param service whose settings apply where an operation doesn't say otherwise
     */
    public OperationRunner(IdempotencyKeyService<T> service) {
        this(Arguments.required(service, "service").engine());
    }

    OperationRunner(Engine<T> engine) {
        this.engine = engine;
    }

    /**
     * Brings a request to its end.
     *
     * @param operation what the request asks for
     * @param id the request's key
     * @param request the request
     * @return the response, stored before or now
     * @throws IllegalArgumentException if a stage asks for an isolation that the store doesn't have; nothing was changed
     * @throws IdempotencyException.Mismatch if the key was made for another operation or request
     * @throws IdempotencyException.Locked if another worker is at it
     * @throws IdempotencyException.Quarantined if the key is put aside
     * @throws IdempotencyException.UnknownRecoveryPoint if the key stands where no stage begins, and then it is untouched;
     *     or if a stage advanced to a point that it doesn't declare
     * @throws IdempotencyException.StaleKey if another worker took the key over meanwhile
     * @throws IdempotencyException.ResponseTooLarge if the response's body is too long; the key is released
     * @throws IdempotencyException.RetriesExhausted if a stage's transient failures didn't end; the key is released
     * @throws IdempotencyException.StoreFull if the store has no room
     * @throws IdempotencyException.StoreUnavailable if the store could not be used
     * @throws IdempotencyException.OutcomeUnknown if the answer to a write was lost for good
     * @throws RuntimeException what a stage or an outside call throws, as it is; earlier stages are kept, nothing of this
     *     one is, and the key is released
     */
    public Execution run(Operation<T> operation, KeyId id, Request request) {
        engine.check(Arguments.required(operation, "operation"));
        Claim claim = engine.claim(
                engine.planOf(operation), Arguments.required(id, "id"), Arguments.required(request, "request"));
        return claim.accept(new Claim.Visitor<>() {
            @Override
            public Execution claimed(Claim.Claimed claimed) {
                return proceed(operation, claimed.key(), request);
            }

            @Override
            public Execution replay(Claim.Replay replay) {
                return new Execution(replay.key(), replay.response(), true);
            }

            @Override
            public Execution inFlight(Claim.InFlight inFlight) {
                throw engine.events().refused(new IdempotencyException.Locked(id, inFlight.retryAfter()));
            }
        });
    }

    /** Runs the stages from the held key's recovery point on, for the request as its client sent it. */
    Execution proceed(Operation<T> operation, HeldKey held, Request request) {
        DeclaredPlan<T> plan = engine.planOf(operation);
        StageResult result =
                engine.run(plan, held, held.key().withRequest(request), plan.stage(held.id(), held.recoveryPoint()));
        return result.accept(new StageResult.Visitor<>() {
            // At most as deep as the operation has stages, since no way leads in a circle.
            @Override
            public Execution held(StageResult.Held next) {
                return proceed(operation, next.key(), request);
            }

            @Override
            public Execution finished(StageResult.Finished finished) {
                return new Execution(finished.key(), finished.response(), false);
            }
        });
    }
}
