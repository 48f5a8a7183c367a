package io.idempotencykey.service;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Goes through every run of a small world.
 *
 * <p>A run that comes to a state from which an earlier one went on ends there. States are told apart by 64 bits, which
 * two of a million states share once in many million explorations.
 */
final class Exploration {
    private final Plot plot;
    private final SeededBug bug;
    private final Set<Long> states = ConcurrentHashMap.newKeySet();
    private final Deque<int[]> open = new ArrayDeque<>();
    private int underWay;
    private long runs;
    private long lateLandings;
    private @Nullable String failure;

    Exploration(Plot plot, SeededBug bug) {
        this.plot = plot;
        this.bug = bug;
        open.push(new int[0]);
    }

    /** What the first run that fails finds; {@code null} if all are as they should be. */
    @Nullable
    String failure() throws InterruptedException {
        Lanes.run(() -> {
            try (Crew crew = new Crew()) {
                for (int[] prefix = next(); prefix != null; prefix = next()) {
                    run(crew, prefix);
                }
            }
        });
        return failure;
    }

    private synchronized int @Nullable [] next() {
        while (open.isEmpty() && underWay > 0 && failure == null) {
            try {
                wait();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
        if (open.isEmpty() || failure != null) {
            return null;
        }
        underWay++;
        return open.pop();
    }

    private void run(Crew crew, int[] prefix) {
        Choices choices = Choices.of(prefix);
        SimulatedWorld world = new SimulatedWorld(crew, choices, plot, bug).pruned(states);
        List<Finding> findings;
        try {
            findings = world.run();
        } catch (Throwable e) {
            findings = List.of(new Finding(Finding.Kind.UNEXPECTED_ERROR, e.toString()));
        }
        ended(world, choices, findings);
    }

    private synchronized void ended(SimulatedWorld world, Choices choices, List<Finding> findings) {
        runs++;
        lateLandings += world.lateLandings();
        if (!findings.isEmpty()) {
            failure = findings + " after the choices " + choices + "\n"
                    + world.history().lines();
        }
        choices.others().forEach(open::push);
        underWay--;
        notifyAll();
    }

    long states() {
        return states.size();
    }

    long runs() {
        return runs;
    }

    /** How many writes took effect after their answer was lost. */
    long lateLandings() {
        return lateLandings;
    }
}
