package io.idempotencykey.service;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.History.Effect;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Servers with clients, completers, reapers and operators against one store, of which only one moves at a time.
 *
 * <p>At every call of the store it is chosen who goes on, whether something goes wrong, and whether a write whose answer
 * was lost lands now. Time stands still but for waiting and for jumps. So a run is a function of its choices.
 */
final class SimulatedWorld {
    private static final int STEPS_OF_SLOW_WORK = 14;

    private final Crew crew;
    private final Choices choices;
    private final Plot plot;
    private boolean hasRecalled;
    private final SeededBug bug;
    private final SimulatedStore store;
    private final History history = new History();
    private final List<SimulatedWorker> workers = new ArrayList<>();
    private @Nullable SimulatedWorker running;
    private @Nullable Set<Long> visited;
    private boolean seen;
    private boolean steady;
    private boolean landing;
    private int faults;
    private long nanos;
    private long skew;
    private long mostSkew;
    private long leastSkew;
    private int lateLandings;

    /** Ends a worker where it stands, as a crash of its process does. */
    static final class Gone extends Error {
        private static final long serialVersionUID = 1L;

        Gone() {
            super("gone", null, false, false);
        }
    }

    /** What the database says when a stage's effect is there already. */
    static final class Duplicate extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** What the application throws when something is wrong with it. */
    static final class Broken extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    SimulatedWorld(Crew crew, Choices choices, Plot plot) {
        this(crew, choices, plot, SeededBug.NONE);
    }

    SimulatedWorld(Crew crew, Choices choices, Plot plot, SeededBug bug) {
        this.crew = crew;
        this.choices = choices;
        this.plot = plot;
        this.bug = bug;
        this.faults = plot.faults();
        this.store = bug == SeededBug.NONE ? new SimulatedStore(this) : new FaultyStore(this, bug);
    }

    /** Ends where a state is reached that is among these, and adds each new one. */
    SimulatedWorld pruned(Set<Long> visited) {
        this.visited = visited;
        choices.beforeEachNewOne(this::visit);
        return this;
    }

    /** Runs all workers to their end, and then whatever brings requests to theirs; says what is wrong. */
    List<Finding> run() {
        Roles roles = new Roles(this, plot, choices);
        workers.addAll(roles.workers());
        List<SimulatedWorker> all = List.copyOf(workers);
        for (SimulatedWorker worker : all.subList(1, all.size())) {
            worker.thread = crew.play(worker.number - 1, () -> live(worker));
        }
        SimulatedWorker first = all.get(0);
        List<SimulatedWorker> beginners = nextOnes();
        giveTurn(beginners.get(choose(beginners.size())));
        crew.awaitTurn();
        live(first);
        crew.awaitTurn();
        if (!seen) {
            steady = true;
            faults = 0;
            roles.end();
        }
        return new HistoryCheck(history, plot).findings(!seen);
    }

    private int choose(int of) {
        try {
            return choices.choose(of);
        } catch (Gone e) {
            return 0;
        }
    }

    private void live(SimulatedWorker worker) {
        running = worker;
        worker.hasBegun = true;
        try {
            if (!seen) {
                worker.part.run();
            }
        } catch (Gone e) {
            // The worker is gone.
        } catch (Throwable e) {
            history.add(new History.Failed(worker.name, e));
        }
        worker.isGone = true;
        workers.remove(worker);
        running = null;
        if (workers.isEmpty()) {
            crew.give(crew.owner());
        } else {
            List<SimulatedWorker> next = seen ? workers : nextOnes();
            giveTurn(next.get(seen ? 0 : choose(next.size())));
        }
    }

    /**
     * Who may go on: in a small world only the first of those who are about to do the same, and have not begun, since
     * the others would do it under another name.
     */
    private List<SimulatedWorker> nextOnes() {
        if (!plot.small()) {
            return workers;
        }
        Set<History.Order> waiting = new HashSet<>();
        List<SimulatedWorker> next = new ArrayList<>();
        for (SimulatedWorker worker : workers) {
            if (worker.hasBegun || waiting.add(plot.clients().get(worker.number).order())) {
                next.add(worker);
            }
        }
        return next;
    }

    private void giveTurn(SimulatedWorker to) {
        crew.give(to.thread);
    }

    /** Lets a write whose answer was lost land, and another worker go on, or neither. */
    void pass() {
        SimulatedWorker me = me();
        if (me.isGone) {
            throw new Gone();
        }
        if (steady) {
            return;
        }
        me.saw(7);
        if (!store.late.isEmpty()) {
            int which = choices.chooseRarely(store.late.size() + 1, plot.restless());
            if (which > 0) {
                land(store.late.remove(which - 1));
            }
        }
        me.saw(8);
        if (workers.size() > 1) {
            // The first possibility is to go on, so that the uneventful run is one worker after the other.
            List<SimulatedWorker> possible = nextOnes();
            int mine = possible.indexOf(me);
            int next = (mine + choices.chooseRarely(possible.size(), plot.restless())) % possible.size();
            if (next != mine) {
                giveTurn(possible.get(next));
                crew.awaitTurn();
                running = me;
                if (seen) {
                    me.isGone = true;
                    throw new Gone();
                }
            }
        }
    }

    /** All that was on its way lands. */
    void landAll() {
        while (!store.late.isEmpty()) {
            land(store.late.remove(0));
        }
    }

    private void land(SimulatedStore.Late each) {
        SimulatedWorker me = running;
        running = each.by();
        landing = true;
        boolean landed = each.write().getAsBoolean();
        lateLandings += landed ? 1 : 0;
        tell(landed ? "an earlier write lands" : "an earlier transaction ends without a write");
        landing = false;
        running = me;
    }

    /** Chooses what goes wrong at a call of the store. */
    Trouble trouble(List<Trouble> kinds) {
        pass();
        if (faults == 0) {
            return Trouble.NONE;
        }
        me().saw(9);
        int which =
                choices.chooseRarely(kinds.size() + (plot.clocks() ? Trouble.OF_CLOCKS.size() - 1 : 0), plot.faulty());
        Trouble trouble = which < kinds.size() ? kinds.get(which) : Trouble.OF_CLOCKS.get(which - kinds.size() + 1);
        if (trouble == Trouble.NONE) {
            return trouble;
        }
        faults--;
        me().saw(trouble.text.hashCode());
        tell(trouble.text);
        switch (trouble) {
            case CRASH_BEFORE -> throw crash();
            case UNAVAILABLE -> throw failure(StoreFailure.Kind.UNAVAILABLE);
            case TIME_PASSES -> nanos += Plot.LEASE.toNanos();
            case TIME_TO_LIVE_PASSES -> nanos += Plot.TIME_TO_LIVE.toNanos();
            case CLOCK_FORWARD -> jump(Duration.ofHours(2));
            case CLOCK_FAR_FORWARD -> jump(Plot.TIME_TO_LIVE);
            case CLOCK_BACK -> jump(Duration.ofHours(-2));
            default -> {}
        }
        return trouble;
    }

    private void jump(Duration by) {
        skew += by.toNanos();
        mostSkew = Math.max(mostSkew, skew);
        leastSkew = Math.min(leastSkew, skew);
    }

    /** A call that changes nothing, or can be made twice. */
    <R> R reads(Supplier<R> read) {
        trouble(Trouble.OF_READS);
        R result = read.get();
        me().saw(result.hashCode());
        return result;
    }

    StoreFailure failure(StoreFailure.Kind kind) {
        me().saw(kind.name().hashCode());
        return new StoreFailure(kind, "simulated", null);
    }

    Gone crash() {
        me().isGone = true;
        return new Gone();
    }

    /** A stage's work: everything that an application does in it. */
    void works(Effect effect, List<Effect> transaction) {
        SimulatedWorker me = me();
        history.add(new History.Began(me.name, effect));
        if (plot.slow()) {
            for (int i = 0; i < STEPS_OF_SLOW_WORK; i++) {
                nanos += Plot.LEASE.toNanos() / 4;
                pass();
            }
        } else if (!plot.small() && faults > 0) {
            Trouble trouble = Trouble.OF_WORK.get(choices.chooseRarely(Trouble.OF_WORK.size(), 2 * plot.faulty()));
            faults -= trouble == Trouble.NONE ? 0 : 1;
            if (trouble == Trouble.WORK_TAKES_LONG) {
                tell(trouble.text);
                nanos += Plot.LEASE.toNanos() * 3 / 2;
                pass();
            } else if (trouble == Trouble.WORK_THROWS) {
                fails(effect);
            }
        }
        me.begun.add(effect);
        if (plot.unique() && store.effects.stream().anyMatch(other -> isSame(other, effect))) {
            tell("the database refuses a duplicate");
            throw new Duplicate();
        }
        transaction.add(effect);
    }

    /** The application throws. */
    void fails(Effect effect) {
        history.add(new History.Threw(me().name, effect));
        throw new Broken();
    }

    private static boolean isSame(Effect one, Effect other) {
        return one.step() == other.step() && one.creation().equals(other.creation());
    }

    // Time and chance

    Instant storeTime() {
        return History.START.plusNanos(nanos + skew);
    }

    /** What the foremost clock says that any server may go by. */
    private Instant latest() {
        return History.START.plusNanos(nanos + mostSkew);
    }

    /** What the last clock says that any server may go by. */
    Instant earliest() {
        return History.START.plusNanos(nanos + leastSkew);
    }

    Duration timeHolds() {
        return plot.small() ? Duration.ZERO : Duration.ofMinutes(1);
    }

    boolean isInProcess() {
        return plot.inProcess();
    }

    /** Whether servers answer what they know. In small worlds all that a server remembers would be a state, too. */
    boolean knowsAnswers() {
        return plot.knowing();
    }

    void recalled() {
        hasRecalled = true;
    }

    boolean hasRecalled() {
        return hasRecalled;
    }

    long nanoTime() {
        me().saw(nanos);
        return nanos;
    }

    void pause(Duration duration) {
        if (!plot.small()) {
            nanos += duration.toNanos();
        }
        pass();
    }

    void timePasses(Duration duration) {
        nanos += duration.toNanos();
    }

    RandomGenerator randomness(long seed) {
        return bug.randomness(seed);
    }

    // What the history says

    void wrote(@Nullable StoredKey before, StoredKey after) {
        SimulatedWorker me = me();
        history.add(new History.Wrote(me.name, me.role, before, after, latest()));
    }

    void committed(List<Effect> written) {
        history.add(new History.Committed(me().name, List.copyOf(written), latest()));
    }

    /** The completer has told of an error, as a client would have been told. */
    void completionFailed(IdempotencyKey key, Throwable failure) {
        if (failure instanceof Gone) {
            return;
        }
        List<Effect> begun = me().begun.stream()
                .filter(effect -> effect.creation().equals(key.creationId()))
                .toList();
        List<Effect> denied = saysThatNothingIsWritten(failure) ? begun : List.of();
        history.add(new History.NotCompleted(me().name, key.creationId(), failure, denied));
    }

    /** Whether, after this error, nothing may be found of what the worker's stage at hand has begun to write. */
    boolean saysThatNothingIsWritten(Throwable failure) {
        SimulatedWorker me = me();
        return !(failure instanceof IdempotencyException.OutcomeUnknown) && !(me.answerLost && hasExpiredMeanwhile(me));
    }

    /** Known fault: what this worker has committed has expired within its call, and is gone. */
    private boolean hasExpiredMeanwhile(SimulatedWorker me) {
        return me.begun.stream().anyMatch(effect -> store.hasGivenWay(effect.creation()));
    }

    void deleted(StoredKey key) {
        history.add(new History.Deleted(me().name, key, latest()));
    }

    void tell(String what) {
        history.add(new History.Told(running == null ? "the world" : running.name, what));
    }

    History history() {
        return history;
    }

    /** Whether nothing goes wrong any more, and nothing is left to choose. */
    boolean isSteady() {
        return steady;
    }

    /** Whether a write lands that nobody waits for any more. */
    boolean isLanding() {
        return landing;
    }

    SimulatedStore store() {
        return store;
    }

    /** How many writes took effect after their answer was lost. */
    int lateLandings() {
        return lateLandings;
    }

    SimulatedWorker me() {
        if (running == null) {
            throw new IllegalStateException("nobody's turn");
        }
        return running;
    }

    /** From here on this worker alone moves, and nothing goes wrong. */
    void alone(SimulatedWorker worker, Runnable part) {
        running = worker;
        part.run();
        running = null;
    }

    /** Whether the run has come to a state that an earlier one went on from. */
    boolean isSeen() {
        return seen;
    }

    // States

    private void visit() {
        if (visited != null && !steady && !seen && !visited.add(state())) {
            seen = true;
            if (running != null) {
                running.isGone = true;
            }
            throw new Gone();
        }
    }

    /** The same for all worlds that go on alike: what is stored, and what each worker has seen. */
    private long state() {
        long state = mixed(store.state(), nanos);
        state = mixed(state, faults);
        state = mixed(state, history.deniedState());
        for (SimulatedWorker worker : workers) {
            state = mixed(mixed(mixed(state, worker.number), worker.seen), worker.begun.hashCode());
        }
        return mixed(state, running == null ? -1 : running.number);
    }

    static long mixed(long state, long what) {
        long mixed = (state ^ what) * 0x9E3779B97F4A7C15L;
        return (mixed ^ (mixed >>> 29)) * 0xBF58476D1CE4E5B9L + what;
    }
}
