package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Many runs of worlds of all kinds, each by a seed, have nothing in their histories that must not be there. */
@Execution(ExecutionMode.CONCURRENT)
class SimulationTest {
    /** As many as asked for. */
    private static final int SEEDS = Integer.getInteger("simulation.seeds", 100_000);

    @Test
    void noSeedLeadsToAnythingThatMustNotBe() throws InterruptedException {
        Long seed = Long.getLong("simulation.seed");

        assertThat(seed == null ? Seeds.failureAmong(SEEDS, SeededBug.NONE) : Seeds.failureOf(seed, SeededBug.NONE))
                .isEmpty();
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
