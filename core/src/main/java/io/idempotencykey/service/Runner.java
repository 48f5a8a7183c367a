package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import java.time.Duration;
import java.util.Optional;

/**
 * Runs declared operations: a new request through all its stages, a retry to its stored response, an interrupted
 * request from its recovery point on.
 */
final class Runner<T> {
    private final Engine<T> engine;

    Runner(Engine<T> engine) {
        this.engine = engine;
    }

    /** Brings a request to its end; while another worker holds its key, waits for that worker's answer. */
    Execution run(Operation<T> operation, KeyId id, Request request, Duration waitAtMost) {
        DeclaredPlan<T> plan = engine.planOf(engine.checked(operation));
        Environment environment = engine.settings().environment();
        long begin = environment.nanoTime();
        Execution execution;
        try {
            Waiting waiting = engine.waiting(waitAtMost);
            Optional<Execution> single =
                    operation.isSingle() ? engine.runSingle(plan, id, request, waiting) : Optional.empty();
            execution = single.orElseGet(() -> runStaged(plan, id, request, waiting));
        } catch (Throwable e) {
            Duration duration = Duration.ofNanos(environment.nanoTime() - begin);
            engine.events().emit(new KeyEvent.NotAnswered(operation.name(), id, e, duration));
            throw e;
        }
        engine.events().emit(new KeyEvent.Answered(execution, Duration.ofNanos(environment.nanoTime() - begin)));
        return execution;
    }

    private Execution runStaged(DeclaredPlan<T> plan, KeyId id, Request request, Waiting waiting) {
        return engine.claim(plan, id, request, waiting).accept(new Claim.Visitor<>() {
            @Override
            public Execution claimed(Claim.Claimed claimed) {
                return proceed(plan, claimed.key(), request);
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
    Execution proceed(DeclaredPlan<T> plan, HeldKey held, Request request) {
        HeldKey current = held;
        while (true) {
            StageResult result = stage(plan, current, request);
            if (result instanceof StageResult.Finished finished) {
                return new Execution(finished.key(), finished.response(), false);
            }
            current = ((StageResult.Held) result).key();
        }
    }

    /** Runs the one stage at the held key's recovery point. */
    StageResult stage(DeclaredPlan<T> plan, HeldKey held, Request request) {
        StageDefinition<T> stage = plan.stage(held.id(), held.recoveryPoint());
        return engine.run(plan, held, held.key().withRequest(request), stage);
    }
}
