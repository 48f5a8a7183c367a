package io.idempotencykey.service;

import java.util.Arrays;
import java.util.List;

/** Makes the choices of a run that fails fewer, as long as it still fails in the same way. */
final class Smaller {
    private static final int MOST_RUNS = 5_000;

    private final Crew crew;
    private final SeededBug bug;
    private int runs;

    Smaller(Crew crew, SeededBug bug) {
        this.crew = crew;
        this.bug = bug;
    }

    /** The smallest run that was found, as a history for a person to read. */
    String of(Seeds.Failure failure) {
        Finding.Kind kind = failure.findings().get(0).kind();
        int[] choices = smallest(failure.choices().chosen(), kind);
        SimulatedWorld world = world(choices);
        List<Finding> findings = world.run();
        long eventful = Arrays.stream(choices).filter(choice -> choice != 0).count();
        return "The same with " + eventful + " choices that aren't the usual one: " + findings + "\n"
                + world.history().lines();
    }

    int[] smallest(int[] choices, Finding.Kind kind) {
        int[] smallest = choices;
        for (int before = -1; before != weight(smallest) && runs < MOST_RUNS; ) {
            before = weight(smallest);
            smallest = usual(shortened(smallest, kind), kind);
            smallest = left(smallest, kind);
            smallest = lowered(smallest, kind);
        }
        return smallest;
    }

    private static int weight(int[] choices) {
        return choices.length + Arrays.stream(choices).sum();
    }

    /** After the last choice that matters all are the usual ones. */
    private int[] shortened(int[] choices, Finding.Kind kind) {
        int[] shortest = choices;
        for (int step = choices.length / 2; step > 0; step /= 2) {
            while (step <= shortest.length && fails(Arrays.copyOf(shortest, shortest.length - step), kind)) {
                shortest = Arrays.copyOf(shortest, shortest.length - step);
            }
        }
        return shortest;
    }

    /** Choices in a row become the usual ones. */
    private int[] usual(int[] choices, Finding.Kind kind) {
        int[] fewer = choices;
        for (int size = Math.max(1, fewer.length / 2); size > 0; size /= 2) {
            for (int from = 0; from < fewer.length; from += size) {
                int to = Math.min(fewer.length, from + size);
                int[] tried = fewer.clone();
                Arrays.fill(tried, from, to, 0);
                if (!Arrays.equals(tried, fewer) && fails(tried, kind)) {
                    fewer = tried;
                }
            }
        }
        return fewer;
    }

    /** Choices in a row are left out. */
    private int[] left(int[] choices, Finding.Kind kind) {
        int[] fewer = choices;
        for (int size = Math.min(16, fewer.length); size > 0; size /= 2) {
            for (int from = 0; from + size <= fewer.length; ) {
                int[] tried = new int[fewer.length - size];
                System.arraycopy(fewer, 0, tried, 0, from);
                System.arraycopy(fewer, from + size, tried, from, tried.length - from);
                if (fails(tried, kind)) {
                    fewer = tried;
                } else {
                    from++;
                }
            }
        }
        return fewer;
    }

    private int[] lowered(int[] choices, Finding.Kind kind) {
        int[] lower = choices.clone();
        for (int i = 0; i < lower.length; i++) {
            while (lower[i] > 0) {
                lower[i]--;
                if (!fails(lower, kind)) {
                    lower[i]++;
                    break;
                }
            }
        }
        return lower;
    }

    private boolean fails(int[] choices, Finding.Kind kind) {
        return runs++ < MOST_RUNS && world(choices).run().stream().anyMatch(finding -> finding.kind() == kind);
    }

    private SimulatedWorld world(int[] choices) {
        Choices replayed = Choices.of(choices);
        return new SimulatedWorld(crew, replayed, bug.plot(replayed), bug);
    }
}
