package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Many runs of worlds of all kinds, each by a seed, have nothing in their histories that must not be there. */
@Execution(ExecutionMode.CONCURRENT)
class SimulationTest {
    /** As many as asked for. */
    private static final int SEEDS = Integer.getInteger("simulation.seeds", 20_000);

    /** How often whatever can happen happens among so many seeds, at least. */
    private static final int ONCE_IN = 5_000;

    @Test
    void noSeedLeadsToAnythingThatMustNotBe() throws InterruptedException {
        Long only = Long.getLong("simulation.seed");
        Sights sights = new Sights();
        long begin = System.nanoTime();

        Optional<Seeds.Failure> failure =
                only == null ? Seeds.first(SEEDS, SeededBug.NONE, sights) : Seeds.only(only, SeededBug.NONE);

        assertThat(failure.map(each -> Seeds.text(each, SeededBug.NONE))).isEmpty();
        if (only == null) {
            System.out.printf("%,d seeds in %.1f s, with %s%n", SEEDS, (System.nanoTime() - begin) / 1e9, sights);
            assertThat(sights.fewest()).as(sights.toString()).isGreaterThanOrEqualTo(SEEDS / ONCE_IN);
        }
    }

    /** Rule 13: retries that take the key from each other end, since whoever takes it over gets twice the lease. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 5})
    void everyRequestEndsThoughItsWorkTakesLongerThanItsLease(int workers) {
        try (Crew crew = new Crew()) {
            assertThat(new SimulatedWorld(crew, Choices.inTurn(), Plot.slow(workers, 0)).run())
                    .as("in turn")
                    .isEmpty();
            for (long seed = 0; seed < 100; seed++) {
                assertThat(new SimulatedWorld(crew, Choices.seeded(seed), Plot.slow(workers, workers - 1)).run())
                        .as("seed %d", seed)
                        .isEmpty();
            }
        }
    }
}
