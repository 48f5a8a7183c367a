package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One stage, run until its fate is known: committed, rolled back for good, or beyond finding out.
 *
 * <p>Every try proposes a revision of its own before it commits. A revision that was proposed here and is found in the
 * store means that this try did commit, however late, and what it stored is the outcome.
 */
final class StageExecution<T> {
    /** Turns a stage's outcome into the key's next content. */
    @FunctionalInterface
    interface Step {
        StoredKey next(StageOutcome outcome, Instant now, Revision revision);
    }

    private static final Duration SHORTEST_TIMEOUT = Duration.ofSeconds(1);

    private final KeyStore<T> store;
    private final StoreAccess<T> access;
    private final StoreClock clock;
    private final Supplier<Revision> revisions;
    private final Function<Throwable, StoredKey> afterFailure;
    private final StoredKey held;
    private final IdempotencyKey seen;
    private final Tries tries;
    private final Events events;
    private final Supplier<Duration> sinceBegin;
    private final Set<Revision> proposed = new HashSet<>();
    private @Nullable StoredKey latest;
    private boolean unresolved;

    /**
     * A stage to be run.
     *
     * @param afterFailure what to make of the held key when the stage has failed
     * @param seen what the stage and its outside call see of the key
     */
    StageExecution(
            KeyStore<T> store,
            StoreAccess<T> access,
            StoreClock clock,
            Settings settings,
            Supplier<Revision> revisions,
            Function<Throwable, StoredKey> afterFailure,
            StoredKey held,
            IdempotencyKey seen) {
        this.store = store;
        this.access = access;
        this.clock = clock;
        this.revisions = revisions;
        this.afterFailure = afterFailure;
        this.held = held;
        this.seen = seen;
        this.tries = new Tries(settings);
        this.events = settings.events();
        long begin = settings.environment().nanoTime();
        this.sinceBegin = () -> Duration.ofNanos(settings.environment().nanoTime() - begin);
    }

    /** Makes the outside call, if any, runs the stage, and returns the key as it is then stored. */
    StoredKey run(Function<IdempotencyKey, WorkStage<T>> prepare, Isolation isolation, Step step) {
        WorkStage<T> work;
        try {
            work = prepare.apply(seen);
        } catch (Throwable e) {
            return failed(e);
        }
        while (true) {
            Optional<StoredKey> end = commit(work, isolation, step)
                    .match(
                            () -> Optional.ofNullable(latest),
                            () -> settle(
                                    new StoreFailure(StoreFailure.Kind.TRANSIENT, "the fence matched nothing", null)),
                            failure -> Optional.of(failed(failure)),
                            this::again,
                            failure -> {
                                unresolved = true;
                                return settle(failure);
                            });
            if (end.isPresent()) {
                events.emit(new KeyEvent.StageCommitted(
                        end.get().key(), held.key().recoveryPoint(), tries.used(), sinceBegin.get()));
                return end.get();
            }
        }
    }

    private StageCommit commit(WorkStage<T> work, Isolation isolation, Step step) {
        try {
            return store.commitStage(held, isolation, transactionTimeout(), transaction -> {
                StageOutcome outcome = Arguments.required(work.work(new StageContext<>(transaction, seen)), "outcome");
                StoredKey next = step.next(outcome, clock.carried(), revisions.get());
                proposed.add(next.revision());
                latest = next;
                return next;
            });
        } catch (RuntimeException e) {
            return StageCommit.unknown(e);
        }
    }

    /** A try's fate is open, or the fence held: what the store says, and another try if it says that nothing happened. */
    private Optional<StoredKey> settle(Throwable cause) {
        Optional<StoredKey> committed = look(cause);
        return committed.isPresent() ? committed : again(cause);
    }

    /** Waits and looks whether the stage may run again: empty if so. */
    private Optional<StoredKey> again(Throwable cause) {
        if (!tries.another(timeLeft())) {
            // A takeover shows as a conflict in stores with snapshots, and the lease is over then: that is a stale key.
            Optional<StoredKey> committed = look(cause);
            return committed.isPresent()
                    ? committed
                    : Optional.of(failed(new IdempotencyException.RetriesExhausted(held.id(), tries.used(), cause)));
        }
        Optional<StoredKey> committed = look(cause);
        if (committed.isEmpty()) {
            events.emit(new KeyEvent.StageRetried(held.key(), tries.used() - 1, cause, sinceBegin.get()));
        }
        return committed;
    }

    /** Reads the key: what this call committed, or empty if the key is as it was held. */
    private Optional<StoredKey> look(Throwable cause) {
        Optional<StoredKey> found;
        try {
            found = access.find(held.id());
        } catch (IdempotencyException.StoreUnavailable e) {
            IdempotencyException unread = unresolved ? new IdempotencyException.OutcomeUnknown(held.id(), e) : e;
            unread.addSuppressed(cause);
            throw unread;
        }
        if (found.isPresent()) {
            Revision revision = found.get().revision();
            if (revision.equals(held.revision())) {
                return Optional.empty();
            }
            if (proposed.contains(revision)) {
                return found;
            }
        }
        events.emit(new KeyEvent.FencedOff(held.key(), sinceBegin.get()));
        throw new IdempotencyException.StaleKey(held.id(), cause);
    }

    /**
     * Gives the key back and throws the failure as it is. The release also fences off an earlier try whose fate is open;
     * if that one was faster, its outcome is returned instead.
     */
    private StoredKey failed(Throwable failure) {
        try {
            StoredKey released = afterFailure.apply(failure);
            StoreAccess.Write release = access.replace(held.revision(), released);
            if (release == StoreAccess.Write.DONE) {
                events.quarantined(released);
            }
            if (unresolved && release != StoreAccess.Write.DONE) {
                Optional<StoredKey> seen = look(failure);
                if (seen.isPresent()) {
                    return seen.get();
                }
                throw new IdempotencyException.OutcomeUnknown(held.id(), failure);
            }
        } catch (IdempotencyException e) {
            if (unresolved) {
                throw e instanceof IdempotencyException.StaleKey || e instanceof IdempotencyException.OutcomeUnknown
                        ? e
                        : new IdempotencyException.OutcomeUnknown(held.id(), e);
            }
            failure.addSuppressed(e);
        }
        events.emit(new KeyEvent.StageRolledBack(held.key(), failure, sinceBegin.get()));
        throw StageExecution.<RuntimeException>asItIs(failure);
    }

    /** The rest of the lease, and a second where that has run out: nobody may have taken over yet. */
    private Duration transactionTimeout() {
        Duration timeLeft = timeLeft();
        return timeLeft.compareTo(SHORTEST_TIMEOUT) < 0 ? SHORTEST_TIMEOUT : timeLeft;
    }

    private Duration timeLeft() {
        return Duration.between(clock.now(), Transitions.leaseEnds(held));
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <X extends Throwable> X asItIs(Throwable failure) throws X {
        throw (X) failure;
    }
}
