package io.idempotencykey.service;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Runs worlds by their seeds, some at once, and tells of the first one that fails. */
final class Seeds {
    /** Rule 11: one run in so many is made twice, and must be the same. */
    private static final int REPEATED = 64;

    private Seeds() {}

    /** A run with findings. */
    record Failure(long seed, Choices choices, List<Finding> findings) {}

    /** Runs one seed. */
    static Optional<Failure> only(long seed, SeededBug bug) {
        try (Crew crew = new Crew()) {
            return run(crew, seed, bug, new Sights());
        }
    }

    /** The first of so many seeds with a finding. */
    static Optional<Failure> first(long seeds, SeededBug bug, Sights sights) throws InterruptedException {
        AtomicLong next = new AtomicLong();
        AtomicReference<@Nullable Failure> failed = new AtomicReference<>();
        Lanes.run(() -> {
            try (Crew crew = new Crew()) {
                for (long seed = next.getAndIncrement();
                        seed < seeds && failed.get() == null;
                        seed = next.getAndIncrement()) {
                    run(crew, seed, bug, sights).ifPresent(failure -> failed.accumulateAndGet(failure, Seeds::earlier));
                }
            }
        });
        return Optional.ofNullable(failed.get());
    }

    private static @Nullable Failure earlier(@Nullable Failure one, @Nullable Failure other) {
        return one == null || (other != null && other.seed() < one.seed()) ? other : one;
    }

    private static Optional<Failure> run(Crew crew, long seed, SeededBug bug, Sights sights) {
        Choices choices = Choices.seeded(seed);
        SimulatedWorld world = new SimulatedWorld(crew, choices, bug.plot(choices), bug);
        List<Finding> findings = world.run();
        sights.add(world);
        if (findings.isEmpty() && seed % REPEATED == 0) {
            Choices same = Choices.of(choices.chosen());
            SimulatedWorld again = new SimulatedWorld(crew, same, bug.plot(same), bug);
            again.run();
            if (!again.history().lines().equals(world.history().lines())) {
                findings = List.of(new Finding(Finding.Kind.NOT_REPEATABLE, "another history of the same choices"));
            }
        }
        return bug.showsIn(findings) ? Optional.of(new Failure(seed, choices, findings)) : Optional.empty();
    }

    /** What a person needs to know of it. */
    static String text(Failure failure, SeededBug bug) {
        try (Crew crew = new Crew()) {
            return "seed " + failure.seed() + " leads to " + failure.findings()
                    + "\nReplay it: mvn -B -Pquick -pl core test -Dtest=SimulationTest -Dsimulation.seed="
                    + failure.seed() + "\n" + new Smaller(crew, bug).of(failure);
        }
    }
}
