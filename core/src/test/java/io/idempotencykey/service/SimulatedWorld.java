package io.idempotencykey.service;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Some workers that serve the same request against one store, of which only one moves at a time.
 *
 * <p>At every call of the store it is chosen who goes on, whether something goes wrong, and whether a write whose
 * answer was lost lands now. Time stands still but for waiting and for jumps past a lease. So a run is a function of
 * its choices.
 */
final class SimulatedWorld {
    static final Duration LEASE = Duration.ofSeconds(10);
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
    private static final KeyId ID = KeyId.of("key");
    private static final Request REQUEST = Request.of("POST", "/", Map.of());

    /** What the request is about. */
    enum Story {
        /** Payment and order. */
        ORDER,
        /** After the payment an exception says, as the answer, that there is no order. */
        REFUSAL,
        /** Payment and order, of which each takes longer than a lease. */
        SLOW_ORDER,
        /** An order in one transaction. */
        SINGLE,
        /** The same, but an exception says, as the answer, that there is no order. */
        SINGLE_REFUSAL,
        /** An order, by servers of which some know it as one transaction and others stage by stage. */
        BOTH_WAYS;

        /** What is committed in the end. */
        List<String> rows() {
            return switch (this) {
                case ORDER, SLOW_ORDER -> List.of("order", "payment");
                case REFUSAL -> List.of("payment");
                case SINGLE, BOTH_WAYS -> List.of("order");
                case SINGLE_REFUSAL -> List.of();
            };
        }
    }

    /** How long each stage of a slow order takes, in steps between which others go on. */
    private static final Duration SLOW_WORK = LEASE.multipliedBy(7).dividedBy(2);

    private static final int STEPS = 14;

    private final Choices choices;
    private final Story story;
    private final int attempts;
    private int faults;

    private final Map<KeyId, StoredKey> keys = new HashMap<>();
    /** What stages wrote: the worker's call and the stage, once per commit. */
    private final List<String> written = new ArrayList<>();

    /** What the last change of the key wrote. */
    private List<String> lastChange = List.of();

    /** The keys that are taken by a transaction. */
    private final Set<KeyId> taken = new HashSet<>();

    private final List<BooleanSupplier> late = new ArrayList<>();
    private final List<Worker> workers = new ArrayList<>();
    private final List<String> responses = new ArrayList<>();
    private final List<String> denied = new ArrayList<>();
    private final List<Throwable> unexpected = new ArrayList<>();
    private final Semaphore ended = new Semaphore(0);
    private final Random random = new Random(1);
    private final IdempotencyKeyService<List<String>> service;
    private @Nullable Worker running;
    private long nanos;
    private int calls;
    private int lateLandings;
    private int stagesBegun;

    /** Ends a worker where it stands, as a crash of its process does. */
    private static final class Crash extends Error {
        private static final long serialVersionUID = 1L;
    }

    /** What the application answers by an exception. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /** What the database says when a stage's row is there already. */
    private static final class Duplicate extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private static final class Worker {
        final Semaphore turn = new Semaphore(0);
        /** The revision that the stage at hand is run with, and what its tries wrote. */
        @Nullable
        Revision held;

        @Nullable
        String row;

        boolean answerLost;
    }

    private enum Fault {
        NONE,
        CRASH_BEFORE,
        TIME_PASSES,
        UNAVAILABLE,
        TRANSIENT,
        LOST_BEFORE,
        BUSY,
        CRASH_AFTER,
        LOST_AFTER,
        LATE;

        static final List<Fault> OF_WRITES = List.of(values());
        static final List<Fault> OF_READS = List.of(NONE, CRASH_BEFORE, TIME_PASSES, UNAVAILABLE);
    }

    SimulatedWorld(Choices choices, Story story, int workers, int attempts, int faults) {
        this.choices = choices;
        this.story = story;
        this.attempts = attempts;
        this.faults = faults;
        this.service = IdempotencyKeyService.builder(new Store())
                .lease(LEASE)
                .maxTries(3)
                .environment(new Environment() {
                    @Override
                    public RandomGenerator random() {
                        return random;
                    }

                    @Override
                    public long nanoTime() {
                        return nanos;
                    }

                    @Override
                    public void pause(Duration duration) {
                        nanos += duration.toNanos();
                    }
                })
                .build();
        for (int i = 0; i < workers; i++) {
            this.workers.add(new Worker());
        }
    }

    /** How many writes took effect after their answer was lost. */
    int lateLandings() {
        return lateLandings;
    }

    /** How often a stage's work was begun. */
    int stagesBegun() {
        return stagesBegun;
    }

    /** Runs all workers to their end, then one more without faults, and returns what is wrong; empty if nothing is. */
    List<String> run() throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        for (Worker worker : List.copyOf(workers)) {
            Thread thread = new Thread(() -> live(worker));
            thread.setDaemon(true);
            thread.start();
            threads.add(thread);
        }
        handOver();
        if (!ended.tryAcquire(30, TimeUnit.SECONDS)) {
            return List.of("the run did not end");
        }
        for (Thread thread : threads) {
            thread.join(TimeUnit.SECONDS.toMillis(30));
            if (thread.isAlive()) {
                return List.of("a worker did not end");
            }
        }
        boolean unanswered = story == Story.SLOW_ORDER && responses.isEmpty();
        if (unanswered) {
            return List.of("nobody came to an end");
        }
        faults = 0;
        late.forEach(this::land);
        late.clear();
        // A lease that was taken over has grown.
        nanos += LEASE.multipliedBy(Plan.LEASE_GROWTH).toNanos();
        running = new Worker();
        workers.add(running);
        attempt();
        return findings();
    }

    private List<String> findings() {
        List<String> findings = new ArrayList<>();
        unexpected.forEach(e -> findings.add("unexpected " + e));
        if (responses.isEmpty() || Set.copyOf(responses).size() != 1) {
            findings.add("answers " + responses);
        }
        List<String> stages = written.stream()
                .map(row -> row.substring(row.indexOf(' ') + 1))
                .sorted()
                .toList();
        if (!stages.equals(story.rows())) {
            findings.add("committed " + written);
        }
        for (String row : denied) {
            if (written.contains(row)) {
                findings.add("reported as not committed, and yet it is: " + row);
            }
        }
        return findings;
    }

    private void live(Worker worker) {
        try {
            worker.turn.acquire();
            running = worker;
            for (int i = 0; i < attempts && !attempt(); i++) {
                pass();
            }
        } catch (Crash | InterruptedException e) {
            // The worker is gone.
        } finally {
            workers.remove(worker);
            handOver();
        }
    }

    /** One call of the runner; says whether it brought the response. */
    private boolean attempt() {
        int number = calls++;
        String call = "call-" + number + " ";
        Worker me = worker();
        me.row = null;
        Operation<List<String>> operation = operation(number, call);
        try {
            Execution execution = service.run(operation, ID, REQUEST);
            String answer = new String(execution.response().body(), StandardCharsets.UTF_8);
            responses.add(answer);
            if (execution.replayed() && answer.equals(call)) {
                unexpected.add(new IllegalStateException("a call's own answer is told as a replay: " + call));
            }
            return true;
        } catch (IdempotencyException.RetriesExhausted | IdempotencyException.StoreUnavailable | Duplicate e) {
            deny(me);
        } catch (IdempotencyException.StaleKey e) {
            // Where an answer was lost on the way, the key may have moved on after a commit of this worker.
            if (!me.answerLost || (me.row != null && lastChange.contains(me.row))) {
                deny(me);
            }
        } catch (IdempotencyException.OutcomeUnknown | IdempotencyException.Locked e) {
            // Says nothing of what became of the stage, or came before any.
            if (story == Story.SLOW_ORDER) {
                // Its client asks again after a while.
                nanos += Duration.ofSeconds(1).toNanos();
            }
        } catch (Crash e) {
            throw e;
        } catch (Throwable e) {
            unexpected.add(e);
        }
        return false;
    }

    private Operation<List<String>> operation(int number, String call) {
        Operation.Builder<List<String>> operation =
                service.operation("op").answering(Refused.class, e -> response(call));
        WorkStage.Answer<List<String>, Response> order = stage -> {
            write(stage.transaction(), call + "order");
            if (story == Story.REFUSAL || story == Story.SINGLE_REFUSAL) {
                throw new Refused();
            }
            return response(call);
        };
        return switch (story) {
            case ORDER, REFUSAL, SLOW_ORDER ->
                operation
                        .stage(RecoveryPoint.STARTED, stage -> write(stage.transaction(), call + "payment"))
                        .respond(PAID, order)
                        .build();
            case SINGLE, SINGLE_REFUSAL ->
                operation.respond(RecoveryPoint.STARTED, order).build();
            case BOTH_WAYS ->
                (number % 2 == 0 ? operation : operation.staged())
                        .respond(RecoveryPoint.STARTED, order)
                        .build();
        };
    }

    private static Response response(String call) {
        return Response.of(201, call.getBytes(StandardCharsets.UTF_8));
    }

    private void deny(Worker me) {
        if (me.row != null) {
            denied.add(me.row);
        }
    }

    private void write(List<String> transaction, String row) {
        stagesBegun++;
        if (story == Story.SLOW_ORDER) {
            for (int i = 0; i < STEPS; i++) {
                nanos += SLOW_WORK.toNanos() / STEPS;
                pass();
            }
        }
        worker().row = row;
        String stage = row.substring(row.indexOf(' '));
        if (written.stream().anyMatch(other -> other.endsWith(stage))) {
            throw new Duplicate();
        }
        transaction.add(row);
    }

    private Worker worker() {
        if (running == null) {
            throw new IllegalStateException("nobody's turn");
        }
        return running;
    }

    private void handOver() {
        if (workers.isEmpty()) {
            ended.release();
        } else {
            workers.get(choices.choose(workers.size())).turn.release();
        }
    }

    /** Lets a write whose answer was lost land, and another worker go on, or neither. */
    private void pass() {
        if (!late.isEmpty() && choices.choose(2) == 1) {
            land(late.remove(0));
        }
        if (workers.size() > 1) {
            Worker me = worker();
            // The first possibility is to go on, so that the uneventful run is one worker after the other.
            int mine = workers.indexOf(me);
            int next = (mine + choices.choose(workers.size())) % workers.size();
            if (next != mine) {
                workers.get(next).turn.release();
                me.turn.acquireUninterruptibly();
                running = me;
            }
        }
    }

    private void land(BooleanSupplier write) {
        boolean landed = write.getAsBoolean();
        lateLandings += landed ? 1 : 0;
    }

    private Fault fault(List<Fault> kinds) {
        pass();
        Fault fault = faults == 0 ? Fault.NONE : kinds.get(choices.chooseRarely(kinds.size()));
        faults -= fault == Fault.NONE ? 0 : 1;
        switch (fault) {
            case CRASH_BEFORE -> throw new Crash();
            case TIME_PASSES -> nanos += LEASE.toNanos();
            case UNAVAILABLE -> throw new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "down", null);
            default -> {}
        }
        return fault;
    }

    private final class Store implements KeyStore<List<String>> {
        @Override
        public Instant time() {
            return START.plusNanos(nanos);
        }

        @Override
        public Duration timeHolds() {
            return Duration.ofMinutes(1);
        }

        @Override
        public Set<Isolation> isolations() {
            return Set.of(Isolation.SERIALIZABLE);
        }

        @Override
        public Optional<StoredKey> find(KeyId id) {
            fault(Fault.OF_READS);
            return Optional.ofNullable(keys.get(id));
        }

        @Override
        public boolean insert(StoredKey key) {
            return write(() -> keys.putIfAbsent(key.id(), key) == null);
        }

        @Override
        public boolean replace(Revision expected, StoredKey next) {
            return write(() -> compareAndSet(expected, next, List.of()));
        }

        private boolean write(BooleanSupplier write) {
            Fault fault = fault(Fault.OF_WRITES);
            switch (fault) {
                case TRANSIENT -> throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "conflict", null);
                case LOST_BEFORE -> throw new StoreFailure(StoreFailure.Kind.UNKNOWN, "lost", null);
                case BUSY -> {
                    late.add(write);
                    throw new StoreFailure(StoreFailure.Kind.BUSY, "held", null);
                }
                case LATE -> {
                    late.add(write);
                    throw new StoreFailure(StoreFailure.Kind.UNKNOWN, "lost", null);
                }
                default -> {}
            }
            boolean done = write.getAsBoolean();
            switch (fault) {
                case CRASH_AFTER -> throw new Crash();
                case LOST_AFTER -> throw new StoreFailure(StoreFailure.Kind.UNKNOWN, "lost", null);
                default -> {}
            }
            return done;
        }

        @Override
        public StageCommit commitStage(
                StoredKey held, Isolation isolation, Duration lease, Function<List<String>, StoredProgress> work) {
            Worker me = worker();
            if (!held.revision().equals(me.held)) {
                me.held = held.revision();
                me.row = null;
                me.answerLost = false;
            }
            List<String> rows = new ArrayList<>();
            StoredKey next;
            try {
                next = held.with(work.apply(rows));
            } catch (Exception e) {
                return StageCommit.rolledBack(e);
            }
            return commit(me, () -> compareAndSet(held.revision(), next, rows), new boolean[1]);
        }

        /** The key is read before it is taken, as in stores where that can't be helped, and others go on in between. */
        @Override
        public StageCommit commitSingle(
                StoredKey taking, Isolation isolation, Duration lease, SingleStage<List<String>> stage) {
            Worker me = worker();
            pass();
            StoredKey stored = keys.get(taking.id());
            pass();
            if (!taken.add(taking.id())) {
                return StageCommit.held();
            }
            boolean[] isOpen = new boolean[1];
            try {
                if (stored != null && !stage.replaces(stored)) {
                    return StageCommit.fencedOff();
                }
                List<String> rows = new ArrayList<>();
                StoredKey next;
                try {
                    next = taking.with(stage.work(rows));
                } catch (Exception e) {
                    return StageCommit.rolledBack(e);
                }
                BooleanSupplier commit = () -> stored == null
                        ? keys.putIfAbsent(next.id(), next) == null && wrote(rows)
                        : compareAndSet(stored.revision(), next, rows);
                return commit(
                        me,
                        new BooleanSupplier() {
                            @Override
                            public boolean getAsBoolean() {
                                taken.remove(next.id());
                                return commit.getAsBoolean();
                            }
                        },
                        isOpen);
            } finally {
                if (!isOpen[0]) {
                    taken.remove(taking.id());
                }
            }
        }

        private StageCommit commit(Worker me, BooleanSupplier commit, boolean[] isOpen) {
            Fault fault;
            try {
                fault = fault(Fault.OF_WRITES);
            } catch (StoreFailure e) {
                return StageCommit.transientlyRolledBack(e);
            }
            switch (fault) {
                case TRANSIENT, BUSY -> {
                    return StageCommit.transientlyRolledBack(new IllegalStateException("conflict"));
                }
                case LOST_BEFORE -> {
                    me.answerLost = true;
                    return StageCommit.unknown(new IllegalStateException("lost"));
                }
                case LATE -> {
                    me.answerLost = true;
                    isOpen[0] = true;
                    late.add(commit);
                    return StageCommit.unknown(new IllegalStateException("lost"));
                }
                default -> {}
            }
            boolean committed = commit.getAsBoolean();
            switch (fault) {
                case CRASH_AFTER -> throw new Crash();
                case LOST_AFTER -> {
                    me.answerLost = true;
                    return StageCommit.unknown(new IllegalStateException("lost"));
                }
                default -> {}
            }
            return committed ? StageCommit.committed() : StageCommit.fencedOff();
        }

        private boolean compareAndSet(Revision expected, StoredKey next, List<String> rows) {
            StoredKey stored = keys.get(next.id());
            if (stored == null || !stored.revision().equals(expected)) {
                return false;
            }
            keys.put(next.id(), next);
            return wrote(rows);
        }

        private boolean wrote(List<String> rows) {
            written.addAll(rows);
            lastChange = rows;
            return true;
        }

        @Override
        public List<StoredKey> findResumable(
                Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Backlog backlog(Instant before) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int deleteExpired(Instant at, int limit) {
            throw new UnsupportedOperationException();
        }
    }
}
