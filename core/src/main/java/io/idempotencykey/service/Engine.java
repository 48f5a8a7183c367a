package io.idempotencykey.service;

import io.idempotencykey.Backlog;
import io.idempotencykey.Fingerprint;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyCreation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.internal.Arguments;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Everything that is done with keys: find, claim, take, write, operate and list. The service, the completer, the reaper
 * and the operator's actions stand on it. Listeners are told here, and only here, of what is refused.
 */
final class Engine<T> {
    private final KeyStore<T> store;
    private final Settings settings;
    private final StoreAccess<T> access;
    private final StoreAccess<T> settling;
    private final StoreClock clock;
    private final Plan undeclared;
    private final FinishedKeys finishedKeys = new FinishedKeys();
    private final KnownAnswers knownAnswers;

    Engine(KeyStore<T> store, Settings settings) {
        this.store = store;
        this.settings = settings;
        this.access = new StoreAccess<>(store, settings);
        this.settling = access.settling();
        this.clock = new StoreClock(store, access, settings);
        this.undeclared = new UndeclaredPlan(settings.lease());
        this.knownAnswers = new KnownAnswers(settings);
    }

    KeyStore<T> store() {
        return store;
    }

    Settings settings() {
        return settings;
    }

    /** The access of whoever settles what a stage has left, which an interrupted thread does like any other one. */
    StoreAccess<T> settling() {
        return settling;
    }

    StoreClock clock() {
        return clock;
    }

    Events events() {
        return settings.events();
    }

    /** The plan of keys that are used without a declared operation. */
    Plan undeclared() {
        return undeclared;
    }

    /** The plan of an operation that is run for a client, who is told of its exceptions. */
    DeclaredPlan<T> planOf(Operation<T> operation) {
        return new DeclaredPlan<>(operation, settings, true);
    }

    /** The plan of an operation that is run without its client. */
    DeclaredPlan<T> completionOf(Operation<T> operation) {
        return new DeclaredPlan<>(operation, settings, false);
    }

    // Find

    IdempotencyKey create(KeyId id, Request request) {
        StoredKey fresh = open(id, request);
        return observed(id, () -> {
            StoredKey stored = insertOrFind(fresh);
            if (!isOfOneCreation(stored, fresh)) {
                throw new IdempotencyException.KeyExists(fresh.id());
            }
            return stored.key();
        });
    }

    IdempotencyKey findOrCreate(KeyId id, Request request) {
        StoredKey fresh = open(id, request);
        Fingerprint fingerprint = fresh.key().fingerprint();
        return observed(
                id, () -> Transitions.checkFingerprint(insertOrFind(fresh).key(), fingerprint));
    }

    IdempotencyKey retrieve(KeyId id) {
        return observed(id, () -> current(id).key());
    }

    /** The key as it is stored, unless it counts as absent. */
    private StoredKey current(KeyId id) {
        return access.find(id)
                .filter(stored -> !Transitions.isExpired(stored.key(), clock.now()))
                .orElseThrow(() -> new IdempotencyException.NotFound(id));
    }

    /** Whether a key is likely to be finished, so that it is best read before anything else. */
    boolean isLikelyFinished(KeyId id) {
        return finishedKeys.isLikely(id);
    }

    /** The fresh key if it is stored now, be it in place of an expired one; else the key that stands there. */
    StoredKey insertOrFind(StoredKey fresh) {
        return insertOrFind(fresh.id(), () -> fresh, access, new Tries(settings));
    }

    /** The same for an answer, which is stored also by a thread that is told to stop: it is final. */
    StoredKey settle(StoredKey answer) {
        return Interruption.without(
                interruption -> insertOrFind(answer.id(), () -> answer, settling, new Tries(settings, interruption)));
    }

    /** A key whose insert's answer was lost is this call's own, also if another worker has gone on from it since. */
    private static boolean isOfOneCreation(StoredKey stored, StoredKey fresh) {
        return stored.key().creationId().equals(fresh.key().creationId());
    }

    /**
     * The key that stands, which is the fresh one if none did that is alive. It is asked for only if it is needed, and
     * has to be the same each time.
     */
    private StoredKey insertOrFind(KeyId id, Supplier<StoredKey> fresh, StoreAccess<T> access, Tries tries) {
        boolean looks = store.isInProcess() || isLikelyFinished(id);
        while (true) {
            Optional<StoredKey> found = looks ? access.find(id) : access.insertOrFind(fresh.get());
            if (found.isPresent()) {
                StoredKey stored = found.get();
                if (!looks && stored.revision().equals(fresh.get().revision())) {
                    return created(stored);
                }
                if (!Transitions.isExpired(stored.key(), clock.now())) {
                    return stored;
                }
                if (isOfOneCreation(stored, fresh.get())) {
                    // A creation that has ended doesn't begin again.
                    throw new IdempotencyException.OutcomeUnknown(
                            id, new IllegalStateException("the key has ended since this call made it"));
                }
                StoreAccess.Write write = access.take(stored.revision(), fresh.get());
                if (write == StoreAccess.Write.DONE) {
                    return created(fresh.get());
                }
                if (write == StoreAccess.Write.BUSY) {
                    throw busy(id);
                }
            }
            if (!(looks || tries.another())) {
                throw busy(id);
            }
            looks = false;
        }
    }

    private StoredKey created(StoredKey fresh) {
        knownAnswers.forget(fresh.id());
        events().emit(new KeyEvent.Created(fresh.key()));
        return fresh;
    }

    private StoredKey open(KeyId id, Request request) {
        Fingerprint fingerprint = Fingerprint.of(undeclared.operation(), request);
        return Transitions.createOpen(creation(undeclared, id, request, fingerprint), newRevision());
    }

    KeyCreation creation(Plan plan, KeyId id, Request request, Fingerprint fingerprint) {
        return creation(plan, id, request, fingerprint, clock.now());
    }

    private KeyCreation creation(Plan plan, KeyId id, Request request, Fingerprint fingerprint, Instant at) {
        return new KeyCreation(id, newUuid(), plan.operation(), plan.toStore(request), fingerprint, at);
    }

    // Claim and take

    /** The pauses of a caller that waits so long for another worker's answer. */
    Waiting waiting(Duration atMost) {
        return new Waiting(settings.environment(), atMost);
    }

    /** Presents a request; while another worker holds the key, looks again as long as there is time to wait. */
    Claim claim(Plan plan, KeyId id, Request request, Waiting waiting) {
        return observed(id, () -> {
            Fingerprint fingerprint = Fingerprint.of(plan.operation(), request);
            while (true) {
                Optional<? extends Claim> known = known(id, fingerprint);
                Claim claim;
                try {
                    claim = known.isPresent() ? known.get() : claim(plan, id, request, fingerprint);
                } catch (IdempotencyException.Locked rowIsHeld) {
                    if (!waiting.another()) {
                        throw rowIsHeld;
                    }
                    continue;
                }
                if (!(claim instanceof Claim.InFlight inFlight)) {
                    return claim;
                }
                do {
                    if (!waiting.another()) {
                        if (known.isPresent()) {
                            recalledInFlight(inFlight.key());
                        }
                        return claim;
                    }
                } while (isInFlight(id));
            }
        });
    }

    /** Rule 6: a first request inserts its key already locked; a later one gets the answer, or the key to resume it. */
    private Claim claim(Plan plan, KeyId id, Request request, Fingerprint fingerprint) {
        FreshKey fresh = new FreshKey(plan, id, request, fingerprint);
        Tries tries = new Tries(settings);
        while (true) {
            StoredKey stored = insertOrFind(id, fresh, access, new Tries(settings));
            if (fresh.isStoredAs(stored)) {
                return new Claim.Claimed(fresh.held());
            }
            Transitions.checkFingerprint(stored.key(), fingerprint);
            Claim claim = decide(plan, stored);
            StoreAccess.Write write = take(stored, claim);
            if (write == StoreAccess.Write.DONE) {
                return claim;
            }
            if (write == StoreAccess.Write.BUSY || !tries.another()) {
                return new Claim.InFlight(stored.key(), Transitions.SOON);
            }
        }
    }

    /** The key of a request that comes now, held from the start; made when it is first asked for. */
    private final class FreshKey implements Supplier<StoredKey> {
        private final Plan plan;
        private final KeyId id;
        private final Request request;
        private final Fingerprint fingerprint;
        private final Instant at = clock.now();
        private @Nullable HeldKey made;

        FreshKey(Plan plan, KeyId id, Request request, Fingerprint fingerprint) {
            this.plan = plan;
            this.id = id;
            this.request = request;
            this.fingerprint = fingerprint;
        }

        HeldKey held() {
            HeldKey held = made;
            if (held == null) {
                KeyCreation creation = creation(plan, id, request, fingerprint, at);
                held = HeldKey.createdBy(creation, plan.leaseAt(RecoveryPoint.STARTED), newRevision());
                made = held;
            }
            return held;
        }

        @Override
        public StoredKey get() {
            return held().stored();
        }

        boolean isStoredAs(StoredKey stored) {
            return made != null && stored.revision().equals(made.revision());
        }
    }

    /** What this service knows of the key of a staged request, without asking the store. */
    private Optional<? extends Claim> known(KeyId id, Fingerprint fingerprint) {
        Optional<Claim.Replay> replay = recalledReplay(id, fingerprint);
        if (replay.isPresent()) {
            return replay;
        }
        Optional<Claim.InFlight> inFlight = knownAnswers.inFlight(id, clock::now);
        inFlight.ifPresent(claim -> Transitions.checkFingerprint(claim.key(), fingerprint));
        return inFlight;
    }

    private Optional<Claim.Replay> recalledReplay(KeyId id, Fingerprint fingerprint) {
        Optional<Claim.Replay> replay = knownAnswers.replay(id, clock::now);
        replay.ifPresent(claim -> {
            recalled(Transitions.checkFingerprint(claim.key(), fingerprint));
            events().emit(new KeyEvent.Replayed(claim.key()));
        });
        return replay;
    }

    private void recalled(IdempotencyKey key) {
        events().emit(new KeyEvent.Recalled(key));
    }

    /**
     * Lets others have the processor: this answer costs so little that threads that ask for it again and again would
     * keep it from whoever works, the running stage among them.
     */
    // Nothing but speed depends on the scheduler.
    @SuppressWarnings("ThreadPriorityCheck")
    private void recalledInFlight(IdempotencyKey key) {
        recalled(key);
        Thread.yield();
    }

    /** Says whether another worker holds the key and its lease still runs. */
    private boolean isInFlight(KeyId id) {
        if (knownAnswers.replay(id, clock::now).isPresent()) {
            return false;
        }
        return knownAnswers.inFlight(id, clock::now).isPresent()
                || access.find(id)
                        .flatMap(stored -> Transitions.inFlight(stored.key(), clock.now()))
                        .isPresent();
    }

    /** Takes a key that stands at any recovery point for a lease of its own. */
    HeldKey lock(KeyId id, Duration lease) {
        Plan plan = new UndeclaredPlan(lease);
        return observed(id, () -> {
            Tries tries = new Tries(settings);
            while (true) {
                StoredKey stored = current(id);
                Claim claim = decide(plan, stored);
                HeldKey held = claim.accept(new Claim.Visitor<>() {
                    @Override
                    public HeldKey claimed(Claim.Claimed claimed) {
                        return claimed.key();
                    }

                    @Override
                    public HeldKey replay(Claim.Replay replay) {
                        throw new IdempotencyException.AlreadyFinished(id, replay.response());
                    }

                    @Override
                    public HeldKey inFlight(Claim.InFlight inFlight) {
                        throw new IdempotencyException.Locked(id, inFlight.retryAfter());
                    }
                });
                StoreAccess.Write write = take(stored, claim);
                if (write == StoreAccess.Write.DONE) {
                    return held;
                }
                if (write == StoreAccess.Write.BUSY || !tries.another()) {
                    throw busy(id);
                }
            }
        });
    }

    /** Takes a key as it was found; empty if it has changed since, or nobody may take it. */
    Optional<HeldKey> takeAbandoned(Plan plan, StoredKey found) {
        Claim claim = decide(plan, found);
        return claim instanceof Claim.Claimed claimed && take(found, claim) == StoreAccess.Write.DONE
                ? Optional.of(claimed.key())
                : Optional.empty();
    }

    /**
     * What a worker may do with a key that isn't expired. Rule 9: an unknown recovery point is refused before the lock.
     */
    private Claim decide(Plan plan, StoredKey stored) {
        Claim claim = Transitions.claim(stored, clock.now(), plan, this::newRevision);
        if (claim instanceof Claim.Claimed) {
            plan.checkKnown(stored.id(), stored.key().recoveryPoint());
        }
        return claim;
    }

    /** Writes what the claim says, if it says anything, and tells the listeners. */
    private StoreAccess.Write take(StoredKey stored, Claim claim) {
        return claim.accept(new Claim.Visitor<>() {
            @Override
            public StoreAccess.Write claimed(Claim.Claimed claimed) {
                StoreAccess.Write write =
                        access.take(stored.revision(), claimed.key().stored());
                if (write == StoreAccess.Write.DONE) {
                    IdempotencyKey key = claimed.key().key();
                    boolean takenOver = stored.key().state() instanceof KeyState.Locked;
                    events().emit(takenOver ? new KeyEvent.TakenOver(key) : new KeyEvent.Locked(key));
                }
                return write;
            }

            @Override
            public StoreAccess.Write replay(Claim.Replay replay) {
                replayed(replay.key());
                return StoreAccess.Write.DONE;
            }

            @Override
            public StoreAccess.Write inFlight(Claim.InFlight inFlight) {
                return StoreAccess.Write.DONE;
            }
        });
    }

    void replayed(IdempotencyKey key) {
        boolean isAskedAgain = isLikelyFinished(key.id());
        finishedKeys.add(key.id());
        knownAnswers.keep(key, isAskedAgain, clock::now);
        events().emit(new KeyEvent.Replayed(key));
    }

    // Write, as the holder

    /** Refuses another request than the one that the held key was made for. */
    void checkRequest(HeldKey held, Request request) {
        IdempotencyKey key = held.key();
        Fingerprint actual = Fingerprint.of(key.operation(), request);
        observed(key.id(), () -> Transitions.checkFingerprint(key, actual));
    }

    /** Runs a request of one stage in one transaction; empty if its key is to be resumed stage by stage. */
    Optional<Execution> runSingle(DeclaredPlan<T> plan, KeyId id, Request request, Waiting waiting) {
        return observed(id, () -> {
            Fingerprint fingerprint = Fingerprint.of(plan.operation(), request);
            while (true) {
                Optional<Claim.Replay> replay = recalledReplay(id, fingerprint);
                if (replay.isPresent()) {
                    return replay.map(known -> new Execution(known.key(), known.response(), true));
                }
                Optional<IdempotencyKey> running = knownAnswers.single(id, clock::now);
                if (running.isEmpty()) {
                    return new SingleRun<>(this, plan, id, request, fingerprint, waiting).run();
                }
                if (!waiting.another()) {
                    recalledInFlight(running.get());
                    throw busy(id);
                }
            }
        });
    }

    /** What this service knows of keys. */
    KnownAnswers knownAnswers() {
        return knownAnswers;
    }

    /** Runs a stage, and returns the key as it is then. */
    StageResult run(Plan plan, HeldKey held, IdempotencyKey seen, StageDefinition<T> stage) {
        return observed(held.id(), () -> finished(new StageRun<>(this, plan, held, seen, stage).run()));
    }

    /** Moves a held key on without a stage. */
    StageResult update(HeldKey held, StageOutcome outcome) {
        return observed(held.id(), () -> {
            Proposal next = propose(undeclared, held, outcome, clock.now());
            write(held, next.stored());
            return finished(next.result());
        });
    }

    HeldKey renew(HeldKey held, Duration lease) {
        return observed(held.id(), () -> {
            HeldKey next = held.renewed(clock.now(), lease, newRevision());
            write(held, next.stored());
            return next;
        });
    }

    IdempotencyKey unlock(HeldKey held) {
        return observed(
                held.id(),
                () -> write(held, held.released(clock.now(), newRevision())).key());
    }

    /** What the holder's outcome makes of the key; asks the store nothing, so a transaction may be open. */
    Proposal propose(Plan plan, HeldKey held, StageOutcome outcome, Instant now) {
        return outcome.accept(new StageOutcome.Visitor<>() {
            @Override
            public Proposal advance(RecoveryPoint to) {
                plan.checkTarget(held.id(), held.recoveryPoint(), to);
                return Proposal.of(held.advanced(to, now, plan.leaseAt(to), newRevision()));
            }

            @Override
            public Proposal respond(Response response) {
                Transitions.checkLength(held.id(), response, settings);
                return Proposal.of(held.responded(response, now, settings.timeToLive(), newRevision()), response);
            }
        });
    }

    /** A change by the holder, who is done with the key as it was, also if its thread is told to stop. */
    private StoredKey write(HeldKey held, StoredKey next) {
        return switch (settling.replace(held.revision(), next)) {
            case DONE -> next;
            case LOST -> throw new IdempotencyException.StaleKey(held.id(), null);
            case BUSY -> throw busy(held.id());
        };
    }

    StageResult finished(StageResult result) {
        if (result instanceof StageResult.Finished finished) {
            IdempotencyKey key = finished.key();
            finishedKeys.add(key.id());
            // The store isn't asked for its time: whatever fails now, the key is finished.
            knownAnswers.keep(key, true, key::updatedAt);
            events().emit(new KeyEvent.Finished(key, Duration.between(key.createdAt(), key.updatedAt())));
        }
        return result;
    }

    // Operate

    /** A key that was looked at before, which is as it was then. */
    IdempotencyKey retrieveUnchanged(KeyId id, UUID creationId, Instant updatedAt) {
        return observed(id, () -> {
            IdempotencyKey key = Transitions.checkCreation(current(id).key(), creationId);
            return Transitions.checkUnchanged(key, key.updatedAt().equals(updatedAt));
        });
    }

    /** A person's change of an unfinished key that nobody holds and that is as it was looked at. */
    IdempotencyKey operate(IdempotencyKey seen, String action, String by, OperatorChange change) {
        KeyId id = seen.id();
        return observed(id, () -> {
            Tries tries = new Tries(settings);
            while (true) {
                StoredKey stored = current(id);
                Instant now = clock.now();
                StoredKey next = change.next(Transitions.checkUnattended(stored, seen, now), now, newRevision());
                StoreAccess.Write write = access.replace(stored.revision(), next);
                if (write == StoreAccess.Write.DONE) {
                    events().emit(new KeyEvent.Operated(next.key(), action, by));
                    return next.key();
                }
                if (write == StoreAccess.Write.BUSY || !tries.another()) {
                    throw busy(id);
                }
            }
        });
    }

    /** What an operator makes of a key. */
    @FunctionalInterface
    interface OperatorChange {
        StoredKey next(StoredKey stored, Instant now, Revision revision);
    }

    /** Puts a key aside, if it is still as it was found. */
    void quarantine(StoredKey found, String reason) {
        StoredKey next = Transitions.quarantine(found, clock.now(), reason, newRevision());
        if (access.replace(found.revision(), next) == StoreAccess.Write.DONE) {
            events().quarantined(next);
        }
    }

    /** Leaves a key alone until the instant, if it is still as it was found. */
    void postpone(StoredKey found, Instant until) {
        access.replace(found.revision(), Transitions.postpone(found, clock.now(), until, newRevision()));
    }

    // List

    List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return access.repeatable(null, () -> store.findResumable(operations, afterScope, before, limit));
    }

    List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return access.repeatable(null, () -> store.findUnfinished(scope, after, since, limit));
    }

    List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return access.repeatable(null, () -> store.findQuarantined(scope, after, since, limit));
    }

    Instant time() {
        return clock.now();
    }

    Backlog backlog() {
        return access.repeatable(null, () -> store.backlog(clock.now()));
    }

    List<Backlog.OfOperation> countByOperation(int most) {
        return access.repeatable(null, () -> store.countByOperation(clock.now(), most));
    }

    int deleteExpired(int limit) {
        return access.repeatable(null, () -> store.deleteExpired(clock.now(), limit));
    }

    // Isolation and chance

    /** Returns the isolation, or refuses one that the store doesn't have. */
    Isolation checkIsolation(Isolation isolation) {
        return checkIsolation(store, isolation);
    }

    /** Refuses, before anything runs, an operation with an isolation that the store doesn't have. */
    void check(Operation<T> operation) {
        operation.stages().forEach(stage -> checkIsolation(isolationOf(stage)));
    }

    /** Refuses the same of an operation that another service declared; its own are checked when they are built. */
    Operation<T> checked(Operation<T> operation) {
        if (!Arguments.required(operation, "operation").isOf(this)) {
            check(operation);
        }
        return operation;
    }

    static Isolation checkIsolation(KeyStore<?> store, Isolation isolation) {
        Set<Isolation> isolations = store.isolations();
        if (!isolations.contains(Arguments.required(isolation, "isolation"))) {
            throw Arguments.refused("isolation", isolation, "what the store has: " + isolations);
        }
        return isolation;
    }

    Isolation isolationOf(StageDefinition<T> stage) {
        Isolation isolation = stage.isolation();
        return isolation == null ? settings.isolation() : isolation;
    }

    Revision newRevision() {
        return new Revision(newUuid());
    }

    UUID newUuid() {
        // All bytes at once, because a SecureRandom takes its lock for every call.
        byte[] bytes = new byte[16];
        settings.environment().random().nextBytes(bytes);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    // Observation

    /** Tells the listeners of what is refused, and throws it on; what a stage met of another key has been told. */
    private <R> R observed(KeyId id, Supplier<R> call) {
        try {
            return call.get();
        } catch (IdempotencyException e) {
            if (e.keyId().map(id::equals).orElse(true)) {
                events().refused(e);
            }
            throw e;
        }
    }

    static IdempotencyException busy(KeyId id) {
        return new IdempotencyException.Locked(id, Transitions.SOON);
    }
}
