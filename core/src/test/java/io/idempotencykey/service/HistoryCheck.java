package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Finding.Kind;
import io.idempotencykey.service.History.Effect;
import io.idempotencykey.service.History.Order;
import io.idempotencykey.service.History.Role;
import io.idempotencykey.service.History.Step;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Reads a history and says what must not be in it.
 *
 * <p>Everything is asked of each creation of a key by itself. A creation may end when it has expired by the foremost
 * clock that any server goes by, so a clock that jumped past the time to live ends a finished one early: that is no
 * finding. Nor is what an operator does, apart from the answer that his finishing gives.
 */
final class HistoryCheck {
    private static final List<RecoveryPoint> POINTS =
            List.of(RecoveryPoint.STARTED, SimulatedServer.PAID, SimulatedServer.INVOICED, RecoveryPoint.FINISHED);

    /** How many stages slow work begins for each client at most: not only because the others have given up in the end. */
    private static final int MOST_STAGES = 6;

    private final History history;
    private final Plot plot;
    private final List<Finding> findings = new ArrayList<>();
    private final Map<UUID, Life> lives = new HashMap<>();
    private final Set<Revision> revisions = new HashSet<>();
    private final Set<Effect> committed = new HashSet<>();
    private final Set<Effect> denied = new HashSet<>();
    private final Map<Integer, Effect> thrown = new HashMap<>();
    /** What each operator's last write has replaced. */
    private final Map<String, StoredKey> operatedOn = new HashMap<>();

    private boolean ended;
    private int answers;
    private int begun;

    /** One creation of a key. */
    private static final class Life {
        final Set<Step> steps = EnumSet.noneOf(Step.class);

        @Nullable
        StoredKey last;

        boolean quarantined;
    }

    HistoryCheck(History history, Plot plot) {
        this.history = history;
        this.plot = plot;
    }

    /** What is wrong; of a run that was cut short, only what can be said without its end. */
    List<Finding> findings(boolean toItsEnd) {
        for (History.Event event : history.events()) {
            if (comesBack(event)) {
                return findings;
            }
            if (event instanceof History.Committed each) {
                each.effects().forEach(this::committed);
            } else if (event instanceof History.Wrote each) {
                wrote(each);
            } else if (event instanceof History.Deleted each) {
                ends(each.before(), each.latest());
            } else if (event instanceof History.Answered each) {
                answered(each);
            } else if (event instanceof History.Refused each) {
                denied(each.denied(), each);
                refused(each);
            } else if (event instanceof History.NotCompleted each) {
                denied(each.denied(), each);
            } else if (event instanceof History.Began each) {
                began(each);
            } else if (event instanceof History.Threw each) {
                thrown.put(each.effect().call(), each.effect());
            } else if (event instanceof History.Called each) {
                thrown.remove(each.call());
            } else if (event instanceof History.Operated each) {
                operated(each);
            } else if (event instanceof History.Failed each) {
                find(Kind.UNEXPECTED_ERROR, each);
            } else if (event instanceof History.Ended each) {
                ended(each);
            }
        }
        if (toItsEnd && !ended) {
            findings.add(new Finding(Kind.NOT_ENDED, "the run"));
        }
        return findings;
    }

    private void find(Kind kind, Object what) {
        findings.add(new Finding(kind, what.toString()));
    }

    private Life life(UUID creation) {
        return lives.computeIfAbsent(creation, none -> new Life());
    }

    private void committed(Effect effect) {
        Life life = life(effect.creation());
        if (life.steps.stream().anyMatch(step -> step.compareTo(effect.step()) > 0)) {
            find(Kind.EFFECT_OUT_OF_ORDER, effect);
        }
        if (!life.steps.add(effect.step())) {
            find(Kind.EFFECT_TWICE, effect);
        }
        if (denied.contains(effect)) {
            find(Kind.EFFECT_THOUGH_DENIED, effect);
        }
        committed.add(effect);
    }

    private void wrote(History.Wrote wrote) {
        StoredKey before = wrote.before();
        StoredKey after = wrote.after();
        if (!revisions.add(after.revision())) {
            find(Kind.REVISION_USED_TWICE, wrote);
        }
        if (before != null) {
            if (before.key().creationId().equals(after.key().creationId())) {
                changed(wrote, before, after);
            } else {
                ends(before, wrote.latest());
            }
        }
        if (wrote.role() == Role.OPERATOR && before != null) {
            operatedOn.put(wrote.who(), before);
        }
        Life life = life(after.key().creationId());
        life.last = after;
        life.quarantined |= after.key().state() instanceof KeyState.Quarantined;
        if (after.key().state() instanceof KeyState.Finished && wrote.role() != Role.OPERATOR) {
            finished(wrote, life);
        }
    }

    /**
     * Whether a call whose first answer was lost makes the same creation once more, after that has ended: the time to
     * live has passed, by some clock, or an operator has discarded it, within the call. That is a known fault, and such a
     * history is read as far as there.
     */
    private boolean comesBack(History.Event event) {
        if (!plot.clocks() && plot.operators() == 0) {
            return false;
        }
        if (event instanceof History.Wrote wrote) {
            boolean isBeginning = wrote.after().key().attempts() <= 1;
            return isBeginning && hasExpired(wrote.after().key().creationId(), wrote.latest());
        }
        return event instanceof History.Committed each
                && each.effects().stream().anyMatch(effect -> hasExpired(effect.creation(), each.latest()));
    }

    private boolean hasExpired(UUID creation, Instant latest) {
        Life life = lives.get(creation);
        return life != null && life.last != null && Transitions.isExpired(life.last.key(), latest);
    }

    private void changed(History.Wrote wrote, StoredKey before, StoredKey after) {
        if (!before.key().creation().equals(after.key().creation())) {
            find(Kind.CREATION_CHANGED, wrote);
        }
        KeyState state = before.key().state();
        if (state instanceof KeyState.Finished) {
            find(Kind.RESPONSE_CHANGED, wrote);
        }
        if (state instanceof KeyState.Quarantined && wrote.role() != Role.OPERATOR) {
            find(Kind.QUARANTINE_IGNORED, wrote);
        }
        if (state instanceof KeyState.Failed && wrote.role() == Role.COMPLETER) {
            find(Kind.COMPLETED_WITHOUT_ITS_CLIENT, wrote);
        }
        boolean isTaken = after.key().state() instanceof KeyState.Locked && point(after) == point(before);
        long taken = after.key().attempts() - before.key().attempts();
        if (taken != (isTaken ? 1 : 0) && !(taken == 0 && isByHand(before))) {
            find(Kind.ATTEMPTS_MISCOUNTED, wrote);
        }
        if (point(after) < point(before)) {
            find(Kind.WENT_BACK, wrote);
        }
    }

    /** Without a declared operation, leases are renewed, and requests are their callers' to bring on. */
    private static boolean isByHand(StoredKey stored) {
        return stored.key().operation().isEmpty();
    }

    private static int point(StoredKey stored) {
        return POINTS.indexOf(stored.key().recoveryPoint());
    }

    /** A request has all its effects, or those before the one that it is refused. */
    private void finished(History.Wrote wrote, Life life) {
        boolean isComplete = Order.isRefused(wrote.after().key().request())
                ? !life.steps.contains(Step.ORDER)
                : life.steps.contains(Step.PAYMENT) && life.steps.contains(Step.ORDER);
        if (!isComplete) {
            find(Kind.EFFECT_MISSING, wrote);
        }
    }

    /** Rule 8: a creation gives way when it has expired, and never before. */
    private void ends(StoredKey stored, Instant latest) {
        if (!Transitions.isExpired(stored.key(), latest)) {
            find(Kind.ENDED_BEFORE_ITS_TIME, stored);
        }
    }

    private void answered(History.Answered answered) {
        answers++;
        StoredKey last = life(answered.creation()).last;
        if (last == null || !(last.key().state() instanceof KeyState.Finished finished)) {
            find(Kind.ANSWER_NOT_STORED, answered);
            return;
        }
        if (!History.body(finished).equals(answered.body())) {
            find(Kind.RESPONSE_CHANGED, answered);
        }
        boolean isExpired = !answered.earliest().isBefore(finished.expiresAt());
        if (answered.replayed() && isExpired) {
            find(Kind.ANSWER_AFTER_EXPIRY, answered);
        }
        if (!answered.order().isAnsweredBy(answered.body())) {
            find(Kind.ANSWER_OF_ANOTHER_REQUEST, answered);
        }
        if (answered.replayed() && answered.body().endsWith(" call-" + answered.call())) {
            find(Kind.OWN_ANSWER_TOLD_AS_REPLAY, answered);
        }
    }

    private void denied(List<Effect> effects, History.Event event) {
        for (Effect effect : effects) {
            denied.add(effect);
            if (committed.contains(effect)) {
                find(Kind.EFFECT_THOUGH_DENIED, event);
            }
        }
    }

    private void refused(History.Refused refused) {
        Throwable failure = refused.failure();
        KeyId id = refused.order().id();
        boolean isExpected;
        if (failure instanceof IdempotencyException.Mismatch) {
            isExpected = stored(id).stream()
                    .anyMatch(each -> !Order.cart(each.key().request())
                            .equals(refused.order().cart()));
        } else if (failure instanceof IdempotencyException.Quarantined) {
            isExpected = stored(id).stream().anyMatch(each -> life(each.key().creationId()).quarantined);
        } else {
            boolean isBroken = failure instanceof SimulatedWorld.Broken
                    && Order.isBroken(refused.order().request());
            isExpected = isBroken || (!ended && (isPassing(failure) || ByHand.isPassing(failure)));
        }
        if (!isExpected) {
            find(ended ? Kind.NOT_ENDED : Kind.UNEXPECTED_ERROR, refused);
        }
    }

    private static boolean isPassing(Throwable failure) {
        return failure instanceof IdempotencyException.RetriesExhausted
                || failure instanceof IdempotencyException.StoreUnavailable
                || failure instanceof IdempotencyException.OutcomeUnknown
                || failure instanceof IdempotencyException.StaleKey
                || failure instanceof IdempotencyException.Locked
                || failure instanceof IdempotencyException.UnknownRecoveryPoint
                || failure instanceof SimulatedWorld.Duplicate
                || failure instanceof SimulatedWorld.Broken;
    }

    private List<StoredKey> stored(KeyId id) {
        List<StoredKey> stored = new ArrayList<>();
        for (Life life : lives.values()) {
            if (life.last != null && life.last.id().equals(id)) {
                stored.add(life.last);
            }
        }
        return stored;
    }

    /** Rule 15: what the application rolled back, it rolled back, once in a call. */
    private void began(History.Began began) {
        begun++;
        Effect failed = thrown.get(began.effect().call());
        if (failed != null && failed.equals(began.effect())) {
            find(Kind.RUN_AGAIN_AFTER_ITS_FAILURE, began);
        }
    }

    private void operated(History.Operated operated) {
        StoredKey before = operatedOn.get(operated.who());
        if (before == null || !before.key().equals(operated.listed())) {
            find(Kind.OPERATED_ON_ANOTHER, operated);
        }
    }

    private void ended(History.Ended event) {
        ended = true;
        for (StoredKey stored : event.keys()) {
            KeyState state = stored.key().state();
            boolean isUnfinished = state instanceof KeyState.Open || state instanceof KeyState.Locked;
            if (isUnfinished && !isByHand(stored)) {
                find(Kind.NOT_ENDED, event);
            }
        }
        if (plot.slow() && (answers == 0 || begun > MOST_STAGES * plot.clients().size())) {
            find(Kind.NOT_ENDED, begun + " stages were begun, and there are " + answers + " answers");
        }
    }
}
