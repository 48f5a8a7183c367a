package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One stage, run until its fate is known: committed, rolled back for good, or beyond finding out.
 *
 * <p>Every try proposes a revision of its own before it commits. A revision that was proposed here and is found in the
 * store means that this try did commit, however late, and what it stored is the outcome.
 */
final class StageRun<T> {
    private static final Duration SHORTEST_TIMEOUT = Duration.ofSeconds(1);

    private final Engine<T> engine;
    private final Plan plan;
    private final HeldKey held;
    private final IdempotencyKey seen;
    private final StageDefinition<T> stage;
    private final Tries tries;
    private final Environment environment;
    private final long begin;
    private final Map<Revision, Proposal> proposed = new HashMap<>();
    private @Nullable Proposal latest;
    private boolean unresolved;

    /** A stage to be run; {@code seen} is what it and its outside call see of the key. */
    StageRun(Engine<T> engine, Plan plan, HeldKey held, IdempotencyKey seen, StageDefinition<T> stage) {
        this.engine = engine;
        this.plan = plan;
        this.held = held;
        this.seen = seen;
        this.stage = stage;
        this.tries = new Tries(engine.settings());
        this.environment = engine.settings().environment();
        this.begin = environment.nanoTime();
    }

    /** Makes the outside call, if any, and runs the stage: until it is committed, or this throws. */
    StageResult run() {
        WorkStage<T> work;
        try {
            work = stage.prepare().apply(seen);
        } catch (Throwable e) {
            return committed(giveUp(e));
        }
        while (true) {
            StageCommit end = attempt(work);
            Optional<Proposal> committed = switch (end.kind()) {
                case COMMITTED -> Optional.ofNullable(latest);
                case ROLLED_BACK -> Optional.of(giveUp(causeOf(end)));
                case TRANSIENTLY_ROLLED_BACK -> again(causeOf(end));
                case FENCED_OFF, UNKNOWN -> settle(end);
            };
            if (committed.isPresent()) {
                return committed(committed.get());
            }
        }
    }

    private StageResult committed(Proposal committed) {
        events().emit(new KeyEvent.StageCommitted(
                committed.stored().key(), held.recoveryPoint(), tries.used(), sinceBegin()));
        return committed.result();
    }

    /** Rule 2: one try, whose commit is fenced by the revision that this worker holds. */
    private StageCommit attempt(WorkStage<T> work) {
        try {
            return engine.store()
                    .commitStage(held.stored(), engine.isolationOf(stage), transactionTimeout(), transaction -> {
                        StageOutcome outcome =
                                Arguments.required(work.work(new StageContext<>(transaction, seen)), "outcome");
                        Proposal next = engine.propose(
                                plan, held, outcome, engine.clock().carried());
                        proposed.put(next.revision(), next);
                        latest = next;
                        return next.stored().progress();
                    });
        } catch (RuntimeException e) {
            return StageCommit.unknown(e);
        }
    }

    private static Throwable causeOf(StageCommit end) {
        return end.cause() == null
                ? new StoreFailure(StoreFailure.Kind.TRANSIENT, "the fence matched nothing", null)
                : end.cause();
    }

    /** Rule 5: a commit that nobody answered, or that was fenced off, is looked up; the stage runs again if it must. */
    private Optional<Proposal> settle(StageCommit end) {
        unresolved |= end.kind() == StageCommit.Kind.UNKNOWN;
        Optional<Proposal> committed = look(causeOf(end));
        return committed.isPresent() ? committed : again(causeOf(end));
    }

    /** Rule 4: waits, and reads the key before the stage may run again, which it may if this returns nothing. */
    private Optional<Proposal> again(Throwable cause) {
        boolean another = tries.another(timeLeft());
        // In stores with snapshots, a takeover shows as a conflict: so the key may be stale, whatever is left of the
        // tries.
        Optional<Proposal> committed = look(cause);
        if (committed.isPresent()) {
            return committed;
        }
        if (!another) {
            return Optional.of(giveUp(new IdempotencyException.RetriesExhausted(held.id(), tries.used(), cause)));
        }
        events().emit(new KeyEvent.StageRetried(held.key(), tries.used() - 1, cause, sinceBegin()));
        return Optional.empty();
    }

    /** Reads the key: what this call committed, or nothing if the key is as it was held. */
    private Optional<Proposal> look(Throwable cause) {
        Optional<Revision> found;
        try {
            found = engine.access().find(held.id()).map(StoredKey::revision);
        } catch (IdempotencyException.StoreUnavailable e) {
            IdempotencyException unread = unresolved ? new IdempotencyException.OutcomeUnknown(held.id(), e) : e;
            unread.addSuppressed(cause);
            throw unread;
        }
        if (found.isPresent() && found.get().equals(held.revision())) {
            return Optional.empty();
        }
        Proposal committed = found.isPresent() ? proposed.get(found.get()) : null;
        if (committed == null) {
            events().emit(new KeyEvent.FencedOff(held.key(), sinceBegin()));
            throw new IdempotencyException.StaleKey(held.id(), cause);
        }
        return Optional.of(committed);
    }

    /**
     * Gives the key back and throws the failure as it is. The release also fences off an earlier try whose fate is open;
     * if that one was faster, it is returned instead.
     */
    private Proposal giveUp(Throwable failure) {
        try {
            StoredKey released = released(failure);
            StoreAccess.Write release = engine.access().replace(held.revision(), released);
            if (release == StoreAccess.Write.DONE) {
                events().quarantined(released);
            } else if (unresolved) {
                return look(failure).orElseThrow(() -> new IdempotencyException.OutcomeUnknown(held.id(), failure));
            }
        } catch (IdempotencyException e) {
            if (unresolved) {
                throw e instanceof IdempotencyException.StaleKey || e instanceof IdempotencyException.OutcomeUnknown
                        ? e
                        : new IdempotencyException.OutcomeUnknown(held.id(), e);
            }
            failure.addSuppressed(e);
        }
        events().emit(new KeyEvent.StageRolledBack(held.key(), failure, sinceBegin()));
        throw StageRun.<RuntimeException>asItIs(failure);
    }

    private StoredKey released(Throwable failure) {
        Instant now = engine.clock().now();
        Revision revision = engine.newRevision();
        if (Thread.currentThread().isInterrupted()) {
            // The process is stopping, which says nothing against the request.
            return held.released(now, revision);
        }
        return held.failed(plan.afterFailure(held, now, environment.random()), failure, now, revision);
    }

    /** The rest of the lease, and a second where that has run out: nobody may have taken over yet. */
    private Duration transactionTimeout() {
        Duration timeLeft = timeLeft();
        return timeLeft.compareTo(SHORTEST_TIMEOUT) < 0 ? SHORTEST_TIMEOUT : timeLeft;
    }

    private Duration timeLeft() {
        return Duration.between(engine.clock().now(), held.leaseEnds());
    }

    private Duration sinceBegin() {
        return Duration.ofNanos(environment.nanoTime() - begin);
    }

    private Events events() {
        return engine.events();
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }
}
