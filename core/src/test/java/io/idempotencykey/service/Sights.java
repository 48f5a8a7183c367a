package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyState;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/** In how many runs something was seen that a simulation must come across to be worth anything. */
final class Sights {
    enum Sight {
        TAKEN_OVER,
        ADVANCED,
        EXPIRED_AND_MADE_ANEW,
        REAPED,
        QUARANTINED,
        LEFT_TO_ITS_CLIENT,
        COMPLETED,
        RETRIED_BY_AN_OPERATOR,
        FINISHED_BY_AN_OPERATOR,
        DISCARDED_BY_AN_OPERATOR,
        REPLAYED,
        REFUSED_AS_ANOTHER_REQUEST,
        REFUSED_AT_AN_UNKNOWN_POINT,
        REFUSED_WHILE_LOCKED,
        REFUSED_AS_STALE,
        REFUSED_AS_QUARANTINED,
        OUTCOME_UNKNOWN,
        RETRIES_EXHAUSTED,
        LANDED_LATE,
        ANSWERED_WITHOUT_THE_STORE
    }

    private final Map<Sight, Long> runs = new ConcurrentHashMap<>();

    /** Safe for many threads. */
    void add(SimulatedWorld world) {
        Set<Sight> seen = EnumSet.noneOf(Sight.class);
        world.history().events().forEach(event -> look(event, seen));
        if (world.lateLandings() > 0) {
            seen.add(Sight.LANDED_LATE);
        }
        if (world.hasRecalled()) {
            seen.add(Sight.ANSWERED_WITHOUT_THE_STORE);
        }
        seen.forEach(sight -> runs.merge(sight, 1L, Long::sum));
    }

    private static void look(History.Event event, Set<Sight> seen) {
        if (event instanceof History.Wrote wrote) {
            look(wrote, seen);
        } else if (event instanceof History.Deleted) {
            seen.add(Sight.REAPED);
        } else if (event instanceof History.Answered answered && answered.replayed()) {
            seen.add(Sight.REPLAYED);
        } else if (event instanceof History.Operated operated) {
            seen.add(
                    switch (operated.action()) {
                        case "retry" -> Sight.RETRIED_BY_AN_OPERATOR;
                        case "finish" -> Sight.FINISHED_BY_AN_OPERATOR;
                        default -> Sight.DISCARDED_BY_AN_OPERATOR;
                    });
        } else if (event instanceof History.Refused refused) {
            look(refused.failure(), seen);
        }
    }

    private static void look(History.Wrote wrote, Set<Sight> seen) {
        KeyState after = wrote.after().key().state();
        if (after instanceof KeyState.Quarantined) {
            seen.add(Sight.QUARANTINED);
        } else if (after instanceof KeyState.Failed) {
            seen.add(Sight.LEFT_TO_ITS_CLIENT);
        } else if (after instanceof KeyState.Finished && wrote.role() == History.Role.COMPLETER) {
            seen.add(Sight.COMPLETED);
        }
        if (wrote.before() == null) {
            return;
        }
        if (!wrote.before().key().creationId().equals(wrote.after().key().creationId())) {
            seen.add(Sight.EXPIRED_AND_MADE_ANEW);
        } else if (wrote.before().key().state() instanceof KeyState.Locked && after instanceof KeyState.Locked) {
            boolean isTaken =
                    wrote.before().key().attempts() < wrote.after().key().attempts();
            seen.add(isTaken ? Sight.TAKEN_OVER : Sight.ADVANCED);
        }
    }

    private static void look(Throwable failure, Set<Sight> seen) {
        if (failure instanceof IdempotencyException.Mismatch) {
            seen.add(Sight.REFUSED_AS_ANOTHER_REQUEST);
        } else if (failure instanceof IdempotencyException.UnknownRecoveryPoint) {
            seen.add(Sight.REFUSED_AT_AN_UNKNOWN_POINT);
        } else if (failure instanceof IdempotencyException.Locked) {
            seen.add(Sight.REFUSED_WHILE_LOCKED);
        } else if (failure instanceof IdempotencyException.StaleKey) {
            seen.add(Sight.REFUSED_AS_STALE);
        } else if (failure instanceof IdempotencyException.Quarantined) {
            seen.add(Sight.REFUSED_AS_QUARANTINED);
        } else if (failure instanceof IdempotencyException.OutcomeUnknown) {
            seen.add(Sight.OUTCOME_UNKNOWN);
        } else if (failure instanceof IdempotencyException.RetriesExhausted) {
            seen.add(Sight.RETRIES_EXHAUSTED);
        }
    }

    /** The fewest runs in which any of them was seen. */
    long fewest() {
        return Arrays.stream(Sight.values())
                .mapToLong(sight -> runs.getOrDefault(sight, 0L))
                .min()
                .orElseThrow();
    }

    @Override
    public String toString() {
        return new TreeMap<>(runs).toString();
    }
}
