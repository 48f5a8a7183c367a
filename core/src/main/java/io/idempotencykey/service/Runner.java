package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import java.time.Duration;

/**
 * Runs declared operations: a new request through all its stages, a retry to its stored response, an interrupted request
 * from its recovery point on.
 */
final class Runner<T> {
    private static final Duration FIRST_LOOK = Duration.ofMillis(20);
    private static final Duration LONGEST_BETWEEN_LOOKS = Duration.ofSeconds(1);

    private final Engine<T> engine;

    Runner(Engine<T> engine) {
        this.engine = engine;
    }

    /** Brings a request to its end; if another worker is at it, waits so long for that one's answer. */
    Execution run(Operation<T> operation, KeyId id, Request request, Duration waitAtMost) {
        DeclaredPlan<T> plan = engine.planOf(engine.checked(operation));
        return claim(plan, id, request, waitAtMost).accept(new Claim.Visitor<>() {
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

    /** Claims the key; while it is in flight, looks again with growing pauses and no connection held. */
    private Claim claim(Plan plan, KeyId id, Request request, Duration waitAtMost) {
        Environment environment = engine.settings().environment();
        long begin = environment.nanoTime();
        Duration between = FIRST_LOOK;
        Claim claim = engine.claim(plan, id, request);
        while (claim instanceof Claim.InFlight) {
            Duration left = waitAtMost.minusNanos(environment.nanoTime() - begin);
            if (left.isNegative() || left.isZero() || !pause(environment, between, left)) {
                return claim;
            }
            between = between.multipliedBy(2).compareTo(LONGEST_BETWEEN_LOOKS) < 0
                    ? between.multipliedBy(2)
                    : LONGEST_BETWEEN_LOOKS;
            if (!engine.isInFlight(id)) {
                claim = engine.claim(plan, id, request);
            }
        }
        return claim;
    }

    /** Waits for at least half the time, the rest by chance, so that many waiting callers don't look all at once. */
    private static boolean pause(Environment environment, Duration most, Duration left) {
        long half = most.toNanos() / 2;
        Duration pause = Duration.ofNanos(half + environment.random().nextLong(half + 1));
        try {
            environment.pause(pause.compareTo(left) < 0 ? pause : left);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
