package io.idempotencykey.service;

import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Rule 18: a request of one stage, run in one transaction until it is answered, it fails, or its outcome can't be found
 * out. Nothing of its key is stored before the commit.
 *
 * <p>Every try proposes a revision of its own before it commits. A revision that was proposed here and is found in the
 * store means that this try did commit, however late.
 */
final class SingleRun<T> {
    /** What the run has come to: an execution, or a key that stands in its way and is to be resumed stage by stage. */
    private record End(Optional<Execution> execution) {
        static final Optional<End> STAGED = Optional.of(new End(Optional.empty()));

        static Optional<End> of(IdempotencyKey key, Response response, boolean replayed) {
            return Optional.of(new End(Optional.of(new Execution(key, response, replayed))));
        }
    }

    private final Engine<T> engine;
    private final DeclaredPlan<T> plan;
    private final Waiting waiting;
    private final HeldKey fresh;
    private final IdempotencyKey seen;
    private final StageDefinition<T> stage;
    private final Duration lease;
    private final Tries tries;
    private final Environment environment;
    private final Map<Revision, Proposal> proposed = new HashMap<>();

    /** What the stage threw where a proposal is the answer to that. */
    private final Map<Revision, Throwable> answered = new HashMap<>();

    private long begin;
    private KeyListener.StageObservation observation = Events.UNOBSERVED;

    // What the try at hand has met.
    private @Nullable Proposal latest;
    private @Nullable StoredKey standing;
    private boolean begun;
    private @Nullable Throwable thrown;

    /** Set once the key is taken: until then another thread's request may be the one that takes it. */
    private KnownAnswers.@Nullable Running running;

    /** Whether the key is stored as this call took it, which the stage has committed behind our back. */
    private boolean isLeft;

    /** Why it isn't known whether an earlier try has committed, or still will; the first one's failure. */
    private @Nullable Throwable lost;

    /** The failure of an earlier try whose transaction the store may not have ended yet, though it can't commit. */
    private @Nullable Throwable lingering;

    SingleRun(
            Engine<T> engine,
            DeclaredPlan<T> plan,
            KeyId id,
            Request request,
            Fingerprint fingerprint,
            Waiting waiting) {
        this.engine = engine;
        this.plan = plan;
        this.waiting = waiting;
        this.lease = plan.leaseAt(RecoveryPoint.STARTED);
        this.fresh = HeldKey.unstored(engine.creation(plan, id, request, fingerprint), lease, engine.newRevision());
        this.seen = fresh.key().withRequest(request);
        this.stage = plan.stage(id, RecoveryPoint.STARTED);
        this.tries = new Tries(engine.settings());
        this.environment = engine.settings().environment();
        this.begin = environment.nanoTime();
    }

    /** Runs the stage or finds its answer; empty if the key is to be resumed stage by stage. */
    Optional<Execution> run() {
        Throwable failure = null;
        try {
            return observed();
        } catch (Throwable e) {
            failure = e;
            throw e;
        } finally {
            observation.stageEnded(failure);
        }
    }

    private Optional<Execution> observed() {
        try {
            Optional<End> end = engine.isLikelyFinished(fresh.id()) ? look() : Optional.empty();
            while (end.isEmpty()) {
                end = attempt();
            }
            return end.get().execution();
        } catch (IdempotencyException.OutcomeUnknown e) {
            throw e;
        } catch (RuntimeException e) {
            // It would say that nothing was changed, or be the store's.
            throw lost == null ? e : outcomeUnknown(e);
        }
    }

    /** One try; nothing if there may be another. */
    private Optional<End> attempt() {
        StageCommit end = commit();
        return switch (end.kind()) {
            case COMMITTED -> committed(Objects.requireNonNull(latest));
            case FENCED_OFF -> fencedOff();
            case HELD -> held();
            case ROLLED_BACK -> begun ? stageFailed(causeOf(end)) : storeFailed(causeOf(end));
            case TRANSIENTLY_ROLLED_BACK -> {
                lingering = begun ? causeOf(end) : lingering;
                yield again(causeOf(end));
            }
            case UNKNOWN -> {
                lost = lost == null ? causeOf(end) : lost;
                begun = false;
                yield again(causeOf(end));
            }
        };
    }

    private StageCommit commit() {
        latest = null;
        standing = null;
        begun = false;
        thrown = null;
        Duration timeout = StageRun.timeout(timeLeft());
        // Begins when the work has ended, so that an interrupted thread ends the transaction as any other one does.
        Interruption ending = new Interruption();
        try {
            StageCommit end =
                    engine.store().commitSingle(fresh.stored(), engine.isolationOf(stage), timeout, new Work(ending));
            return StageRun.once(end, thrown);
        } catch (RuntimeException e) {
            return StageCommit.unknown(e);
        } finally {
            ending.giveBack();
            if (running != null) {
                engine.knownAnswers().end(running);
            }
        }
    }

    private final class Work implements SingleStage<T> {
        private final Interruption ending;

        Work(Interruption ending) {
            this.ending = ending;
        }

        @Override
        public boolean replaces(StoredKey stored) {
            standing = stored;
            return !proposed.containsKey(stored.revision()) && isExpired(stored);
        }

        @Override
        public StoredProgress work(T transaction) {
            begun = true;
            running = engine.knownAnswers().begin(fresh);
            if (observation == Events.UNOBSERVED) {
                observation = events().stageBegins(fresh.key());
            }
            try {
                StageOutcome outcome = StageRun.work(plan, seen, prepared(), transaction);
                Proposal next =
                        engine.propose(plan, fresh, outcome, engine.clock().carried());
                latest = remembered(next);
                return next.stored().progress();
            } catch (Throwable e) {
                thrown = e;
                throw e;
            } finally {
                ending.take();
            }
        }

        private WorkStage<T> prepared() {
            try {
                return stage.preparation().prepare(seen);
            } catch (Exception e) {
                throw StageRun.<RuntimeException>asItIs(e);
            }
        }
    }

    private Proposal remembered(Proposal next) {
        proposed.put(next.revision(), next);
        return next;
    }

    private static Throwable causeOf(StageCommit end) {
        return Objects.requireNonNull(end.cause());
    }

    private boolean isExpired(StoredKey stored) {
        return Transitions.isExpired(stored.key(), engine.clock().carried());
    }

    private Optional<End> committed(Proposal committed) {
        IdempotencyKey key = committed.stored().key();
        events().emit(new KeyEvent.Created(key));
        Throwable failure = answered.get(committed.revision());
        events().emit(
                        failure == null
                                ? new KeyEvent.StageCommitted(key, RecoveryPoint.STARTED, tries.used(), sinceBegin())
                                : new KeyEvent.StageRolledBack(fresh.key(), failure, sinceBegin()));
        return finished(committed);
    }

    private Optional<End> finished(Proposal proposal) {
        StageResult.Finished result = (StageResult.Finished) engine.finished(proposal.result());
        return End.of(result.key(), result.response(), false);
    }

    /** A key stands in the way. If the stage didn't see it, it was stored meanwhile. */
    private Optional<End> fencedOff() {
        Optional<End> end = Optional.ofNullable(standing).flatMap(this::settle);
        return end.isPresent()
                ? end
                : again(new StoreFailure(StoreFailure.Kind.TRANSIENT, "another key was stored first", null));
    }

    /** What a stored key means for this request; nothing if the stage may run. */
    private Optional<End> settle(StoredKey stored) {
        Proposal mine = proposed.get(stored.revision());
        if (mine != null) {
            return committed(mine);
        }
        isLeft = stored.revision().equals(fresh.revision());
        if (isLeft || isExpired(stored)) {
            return Optional.empty();
        }
        IdempotencyKey key =
                Transitions.checkFingerprint(stored.key(), fresh.key().fingerprint());
        if (key.state() instanceof KeyState.Finished finished) {
            engine.replayed(key);
            return End.of(key, finished.response(), true);
        }
        return End.STAGED;
    }

    /** Another transaction holds the key: an earlier one of this call, if one may be open, or another worker's. */
    private Optional<End> held() {
        if (lost != null) {
            return again(new StoreFailure(StoreFailure.Kind.BUSY, "another transaction holds the key", null));
        }
        if (lingering != null && !waiting.isPossible()) {
            return again(lingering);
        }
        return inFlight(new IdempotencyException.Locked(fresh.id(), Transitions.SOON));
    }

    /** Waits for another worker, if the caller wants to; the lease begins anew. */
    private Optional<End> inFlight(IdempotencyException.Locked locked) {
        if (!waiting.another()) {
            throw locked;
        }
        begin = environment.nanoTime();
        return Optional.empty();
    }

    /** Waits, and reads the key before the stage may run again, which it may if this returns nothing. */
    private Optional<End> again(Throwable cause) {
        boolean another = tries.another(timeLeft());
        Optional<End> end;
        try {
            end = look();
        } catch (IdempotencyException.StoreUnavailable | IdempotencyException.UnreadableKey e) {
            StageRun.suppress(e, cause);
            throw e;
        }
        if (end.isPresent()) {
            return end;
        }
        if (isLeft) {
            // Another run would commit once more what the stage has committed.
            return stageFailed(cause);
        }
        // A try that began held the key, so every earlier one had ended by then.
        if (begun) {
            lost = null;
        }
        if (lost != null && (!another || mayHaveExpired())) {
            throw outcomeUnknown(cause);
        }
        if (!another) {
            IdempotencyException exhausted = new IdempotencyException.RetriesExhausted(fresh.id(), tries.used(), cause);
            events().emit(new KeyEvent.StageRolledBack(fresh.key(), exhausted, sinceBegin()));
            throw exhausted;
        }
        events().emit(new KeyEvent.StageRetried(fresh.key(), tries.used() - 1, cause, sinceBegin()));
        return Optional.empty();
    }

    /** Whether what an earlier try committed may be gone since its time is over; a call doesn't do it anew. */
    private boolean mayHaveExpired() {
        return proposed.values().stream().anyMatch(each -> isExpired(each.stored()));
    }

    /** Reads the key. Not finding it says nothing of a commit that may still be under way. */
    private Optional<End> look() {
        return engine.settling().find(fresh.id()).flatMap(this::settle);
    }

    /** The stage failed: that is its answer if its operation says so. */
    private Optional<End> stageFailed(Throwable failure) {
        Optional<Proposal> answer;
        try {
            answer = StageRun.answer(plan, failure)
                    .map(response -> engine.propose(
                            plan,
                            fresh,
                            StageOutcome.respond(response),
                            engine.clock().now()));
        } catch (Throwable e) {
            StageRun.suppress(e, failure);
            return throwUnlessAnswered(e);
        }
        return answer.isPresent() ? storeAnswer(remembered(answer.get()), failure) : throwUnlessAnswered(failure);
    }

    /**
     * Throws the stage's failure, unless the key has its answer: the failure may come from that, as a duplicate of what
     * an earlier try or another worker has committed.
     */
    private Optional<End> throwUnlessAnswered(Throwable failure) {
        Optional<End> end = Optional.empty();
        try {
            end = look();
        } catch (IdempotencyException.StoreUnavailable | IdempotencyException.UnreadableKey e) {
            if (lost != null) {
                StageRun.suppress(e, failure);
                throw e;
            }
            StageRun.suppress(failure, e);
        }
        if (end.isPresent()) {
            return end;
        }
        // The stage had begun, as in again().
        lost = null;
        if (isLeft) {
            giveBack(failure);
        }
        events().emit(new KeyEvent.StageRolledBack(fresh.key(), failure, sinceBegin()));
        if (failure instanceof InterruptedException) {
            // The compiler doesn't make callers catch it: the thread says it, too.
            Thread.currentThread().interrupt();
        }
        if (latest != null) {
            // The work had returned: it's the store that failed, at the last write or before it.
            return storeFailed(failure);
        }
        throw StageRun.<RuntimeException>asItIs(failure);
    }

    /** Gives back the key that is stored as this call took it; if that fails, it is held until its lease ends. */
    private void giveBack(Throwable failure) {
        try {
            Instant now = engine.clock().now();
            KeyState then = plan.afterFailure(fresh, now, environment.random());
            StoredKey released = fresh.failed(then, plan.describe(failure), now, engine.newRevision());
            engine.settling().replace(fresh.revision(), released);
        } catch (IdempotencyException | IllegalStateException e) {
            StageRun.suppress(failure, e);
        }
    }

    /** Stores an answer in one write; no answer is given before it is stored. */
    private Optional<End> storeAnswer(Proposal answer, Throwable failure) {
        answered.put(answer.revision(), failure);
        StoredKey stored;
        try {
            stored = engine.settle(answer.stored());
            if (stored.revision().equals(fresh.revision())) {
                if (engine.settling().replace(fresh.revision(), answer.stored()) != StoreAccess.Write.DONE) {
                    throw outcomeUnknown(failure);
                }
                stored = answer.stored();
            }
            if (!stored.revision().equals(answer.revision())) {
                return settle(stored);
            }
        } catch (IdempotencyException e) {
            StageRun.suppress(e, failure);
            if (e instanceof IdempotencyException.Locked locked && lost == null) {
                return inFlight(locked);
            }
            throw e instanceof IdempotencyException.Locked ? outcomeUnknown(e) : e;
        }
        events().emit(new KeyEvent.StageRolledBack(fresh.key(), failure, sinceBegin()));
        return finished(answer);
    }

    /** The store didn't run the stage, or didn't store its key. */
    private Optional<End> storeFailed(Throwable cause) {
        if (lost != null) {
            throw outcomeUnknown(cause);
        }
        throw StageRun.<RuntimeException>asItIs(StageRun.toldOf(fresh.id(), cause));
    }

    private IdempotencyException outcomeUnknown(Throwable failure) {
        return StageRun.outcomeUnknown(fresh.id(), lost, failure);
    }

    private Duration timeLeft() {
        return lease.minus(sinceBegin());
    }

    private Duration sinceBegin() {
        return Duration.ofNanos(environment.nanoTime() - begin);
    }

    private Events events() {
        return engine.events();
    }
}
