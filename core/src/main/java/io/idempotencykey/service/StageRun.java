package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One stage, run until it is committed, rolled back for good, or its outcome can't be found out.
 *
 * <p>Every try proposes a revision of its own before it commits. A revision that was proposed here and is found in the
 * store means that this try did commit, however late, and what it stored is the outcome.
 */
final class StageRun<T> {
    /** Nobody may have taken over yet where a lease has run out. */
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
    private boolean begun;

    /** What the work of the try at hand has thrown. */
    private @Nullable Throwable thrown;

    /** Why it isn't known whether an earlier try has committed; the first one's failure, if there are several. */
    private @Nullable Throwable lost;

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

    /** Makes the outside call, if any, and runs the stage until it is committed, it is answered, or this throws. */
    StageResult run() {
        KeyListener.StageObservation observation = events().stageBegins(held.key());
        KnownAnswers.Running running = engine.knownAnswers().begin(held);
        Throwable failure = null;
        try {
            return observed();
        } catch (Throwable e) {
            failure = e;
            throw e;
        } finally {
            engine.knownAnswers().end(running);
            observation.stageEnded(failure);
        }
    }

    private StageResult observed() {
        try {
            WorkStage<T> work;
            try {
                work = stage.preparation().prepare(seen);
            } catch (Throwable e) {
                return stageFailed(e);
            }
            return run(work);
        } catch (IdempotencyException.OutcomeUnknown e) {
            throw e;
        } catch (RuntimeException e) {
            // It would say that nothing was changed, or be the store's.
            throw lost == null ? e : outcomeUnknown(e);
        }
    }

    private StageResult run(WorkStage<T> work) {
        while (true) {
            StageCommit end = attempt(work);
            Optional<StageResult> result = switch (end.kind()) {
                case COMMITTED -> Optional.of(committed(Objects.requireNonNull(latest)));
                case ROLLED_BACK -> Optional.of(begun ? stageFailed(causeOf(end)) : giveUp(causeOf(end)));
                case HELD, TRANSIENTLY_ROLLED_BACK -> again(causeOf(end));
                case FENCED_OFF, UNKNOWN -> settle(end);
            };
            if (result.isPresent()) {
                return result.get();
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
        Duration timeout = timeout(timeLeft());
        // Begins when the work has ended, so that an interrupted thread ends the transaction as any other one does.
        Interruption ending = new Interruption();
        try {
            thrown = null;
            StageCommit end = engine.store()
                    .commitStage(held.stored(), engine.isolationOf(stage), timeout, transaction -> {
                        begun = true;
                        try {
                            StageOutcome outcome = work(plan, seen, work, transaction);
                            Proposal next = engine.propose(
                                    plan, held, outcome, engine.clock().carried());
                            latest = remembered(next);
                            return next.stored().progress();
                        } catch (Throwable e) {
                            thrown = e;
                            throw e;
                        } finally {
                            ending.take();
                        }
                    });
            return once(end, thrown);
        } catch (RuntimeException e) {
            return StageCommit.unknown(e);
        } finally {
            ending.giveBack();
        }
    }

    /**
     * What a call of the service within the stage, or within a callback of its transaction, has failed with is the
     * stage's own failure, however transient the store takes it for: that call has had its tries, and if it lacks the
     * connection that this stage holds, all others will.
     */
    static StageCommit once(StageCommit end, @Nullable Throwable thrown) {
        Throwable failure = thrown == null ? end.cause() : thrown;
        return end.kind() == StageCommit.Kind.TRANSIENTLY_ROLLED_BACK
                        && failure != null
                        && StoreFailure.chain(failure).stream().anyMatch(IdempotencyException.class::isInstance)
                ? StageCommit.rolledBack(failure)
                : end;
    }

    /** Does a stage's work, and throws what it throws as it is. */
    static <T> StageOutcome work(Plan plan, IdempotencyKey seen, WorkStage<T> work, T transaction) {
        StageContext<T> context = new StageContext<>(transaction, seen);
        try {
            StageOutcome outcome = work.work(context);
            if (outcome == null) {
                throw new NullPointerException("the stage at '" + seen.recoveryPoint() + "'"
                        + (plan.operation().isEmpty() ? "" : " of operation '" + plan.operation() + "'")
                        + " returned null; it has to return how it ends");
            }
            return outcome;
        } catch (Exception e) {
            throw StageRun.<RuntimeException>asItIs(e);
        } finally {
            context.end();
        }
    }

    /** A revision that was proposed once is known for the length of this call. */
    private Proposal remembered(Proposal next) {
        proposed.put(next.revision(), next);
        return next;
    }

    private static Throwable causeOf(StageCommit end) {
        return end.cause() == null
                ? new StoreFailure(StoreFailure.Kind.TRANSIENT, "the key is held, or has changed", null)
                : end.cause();
    }

    /** A commit that nobody answered, or that was fenced off, is looked up; the stage runs again if it must. */
    private Optional<StageResult> settle(StageCommit end) {
        if (end.kind() == StageCommit.Kind.UNKNOWN && lost == null) {
            lost = causeOf(end);
        }
        Optional<StageResult> committed = look(causeOf(end));
        return committed.isPresent() ? committed : again(causeOf(end));
    }

    /** Rule 4: waits, and reads the key before the stage may run again, which it may if this returns nothing. */
    private Optional<StageResult> again(Throwable cause) {
        boolean another = tries.another(timeLeft());
        // In stores with snapshots a takeover shows as a conflict: the key may be stale, even if tries are left.
        Optional<StageResult> committed = look(cause);
        if (committed.isPresent()) {
            return committed;
        }
        if (!another) {
            return Optional.of(giveUp(new IdempotencyException.RetriesExhausted(held.id(), tries.used(), cause)));
        }
        events().emit(new KeyEvent.StageRetried(held.key(), tries.used() - 1, cause, sinceBegin()));
        return Optional.empty();
    }

    /** A response is final: one of this call's would still stand there as long as the creation is the same. */
    private boolean showsThatNothingCommitted(StoredKey found) {
        return found.key().creationId().equals(held.key().creationId())
                && proposed.values().stream()
                        .allMatch(each -> each.stored().key().state() instanceof KeyState.Finished);
    }

    /** Rule 5: reads the key, and finds what this call committed; nothing if the key is as it was held. */
    private Optional<StageResult> look(Throwable cause) {
        StoredKey found;
        try {
            found = engine.settling().find(held.id()).orElse(null);
        } catch (IdempotencyException.StoreUnavailable | IdempotencyException.UnreadableKey e) {
            e.addSuppressed(cause);
            throw e;
        }
        if (found != null && found.revision().equals(held.revision())) {
            return Optional.empty();
        }
        Proposal committed = found == null ? null : proposed.get(found.revision());
        if (committed == null) {
            if (found != null && showsThatNothingCommitted(found)) {
                lost = null;
            }
            if (lost != null) {
                // Another worker may have gone on from what an earlier try has committed.
                throw outcomeUnknown(cause);
            }
            events().emit(new KeyEvent.FencedOff(held.key(), sinceBegin()));
            throw new IdempotencyException.StaleKey(held.id(), cause);
        }
        return Optional.of(committed(committed));
    }

    /** The response that a failure of the application is, if its operation says so. */
    static Optional<Response> answer(Plan plan, Throwable failure) {
        boolean isApplications = !(failure instanceof IdempotencyException
                || failure instanceof StoreFailure
                || failure instanceof InterruptedException);
        return isApplications ? plan.answerTo(failure) : Optional.empty();
    }

    /** The application failed: that is its answer if its operation says so, and else the end of this attempt. */
    private StageResult stageFailed(Throwable failure) {
        Optional<Proposal> answer;
        try {
            answer = answer(plan, failure)
                    .map(response -> engine.propose(
                            plan,
                            held,
                            StageOutcome.respond(response),
                            engine.clock().now()));
        } catch (Throwable e) {
            suppress(e, failure);
            return giveUp(e);
        }
        if (answer.isEmpty()) {
            return giveUp(failure);
        }
        return storeAnswer(remembered(answer.get()), failure);
    }

    /** Rule 16: stores an answer in one write that is fenced as a commit is; no answer is given before it is stored. */
    private StageResult storeAnswer(Proposal answer, Throwable failure) {
        StoreAccess.Write write;
        try {
            write = write(answer.stored());
        } catch (IdempotencyException e) {
            suppress(e, failure);
            throw lost == null ? e : outcomeUnknown(e);
        }
        return switch (write) {
            case DONE -> {
                events().emit(new KeyEvent.StageRolledBack(held.key(), failure, sinceBegin()));
                yield answer.result();
            }
            case LOST -> look(failure).orElseThrow(() -> outcomeUnknown(failure));
            case BUSY -> throw outcomeUnknown(failure);
        };
    }

    /** Writes as the holder; while an earlier try's transaction holds the row, writes again. */
    private StoreAccess.Write write(StoredKey next) {
        return Interruption.without(interruption -> {
            Tries writes = new Tries(engine.settings(), interruption);
            while (true) {
                StoreAccess.Write write = engine.settling().replace(held.revision(), next);
                if (write != StoreAccess.Write.BUSY || !writes.another(timeLeft())) {
                    return write;
                }
            }
        });
    }

    private IdempotencyException outcomeUnknown(Throwable failure) {
        return outcomeUnknown(held.id(), lost, failure);
    }

    /** Whatever went wrong later, it's the answer that was lost first that makes the outcome unknown. */
    static IdempotencyException outcomeUnknown(KeyId id, @Nullable Throwable lost, Throwable failure) {
        Throwable cause = lost == null ? failure : lost;
        IdempotencyException unknown = new IdempotencyException.OutcomeUnknown(id, cause);
        if (failure != cause) {
            unknown.addSuppressed(failure);
        }
        return unknown;
    }

    static void suppress(Throwable thrown, Throwable suppressed) {
        if (thrown != suppressed) {
            thrown.addSuppressed(suppressed);
        }
    }

    /** Whether the process is stopping, which says nothing about the request. */
    private boolean isStopping(Throwable failure) {
        // Without a client, a stage that always throws InterruptedException has to come to an end, too.
        return Thread.currentThread().isInterrupted() || (plan.attended() && failure instanceof InterruptedException);
    }

    /**
     * Gives the key back and throws the failure as it is. The release also fences off an earlier try whose fate is
     * open; if that one was faster, it is returned instead.
     */
    private StageResult giveUp(Throwable failure) {
        try {
            StoredKey released = released(failure);
            if (write(released) == StoreAccess.Write.DONE) {
                lost = null;
                events().quarantined(released);
            } else if (lost != null) {
                return look(failure).orElseThrow(() -> outcomeUnknown(failure));
            }
        } catch (IdempotencyException | IllegalStateException e) {
            if (lost != null) {
                throw outcomeUnknown(e);
            }
            failure.addSuppressed(e);
        }
        events().emit(new KeyEvent.StageRolledBack(held.key(), failure, sinceBegin()));
        if (failure instanceof InterruptedException) {
            // The compiler doesn't make callers catch it: the thread says it, too.
            Thread.currentThread().interrupt();
        }
        throw StageRun.<RuntimeException>asItIs(failure == thrown ? failure : toldOf(held.id(), failure));
    }

    /** What a caller is told of a failure that isn't the application's. */
    static Throwable toldOf(KeyId id, Throwable failure) {
        return failure instanceof StoreFailure ofStore ? StoreAccess.toldOf(ofStore.kind(), id, ofStore) : failure;
    }

    private StoredKey released(Throwable failure) {
        Instant now = engine.clock().now();
        Revision revision = engine.newRevision();
        if (isStopping(failure)) {
            return held.released(now, revision);
        }
        KeyState then = plan.afterFailure(held, now, environment.random());
        return held.failed(then, plan.describe(failure), now, revision);
    }

    /** How long a transaction may live: the rest of the lease, or a second where that has run out. */
    static Duration timeout(Duration timeLeft) {
        return Transitions.atLeast(SHORTEST_TIMEOUT, timeLeft);
    }

    /** No more than the lease, though the store's clock was set back since the key was taken. */
    private Duration timeLeft() {
        return Transitions.atMost(held.lease(), Duration.between(engine.clock().now(), held.leaseEnds()));
    }

    private Duration sinceBegin() {
        return Duration.ofNanos(environment.nanoTime() - begin);
    }

    private Events events() {
        return engine.events();
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }
}
