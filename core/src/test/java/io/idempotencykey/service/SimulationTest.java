package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every order of events of small worlds, and many orders of larger ones, leave one order, one payment and one answer.
 */
@Execution(ExecutionMode.CONCURRENT)
class SimulationTest {
    @ParameterizedTest
    @CsvSource({
        "ORDER, 1, 2, 2",
        "ORDER, 2, 1, 1",
        "REFUSAL, 1, 2, 2",
        "REFUSAL, 2, 1, 1",
        "SINGLE, 1, 3, 4",
        "SINGLE, 2, 1, 1",
        "SINGLE_REFUSAL, 1, 3, 3",
        "SINGLE_REFUSAL, 2, 1, 1",
        "BOTH_WAYS, 1, 3, 3",
        "BOTH_WAYS, 2, 1, 1"
    })
    void everyInterleavingLeavesOneExecution(SimulatedWorld.Story story, int workers, int attempts, int faults)
            throws InterruptedException {
        int runs = 0;
        int lateLandings = 0;
        for (Choices choices = Choices.first(); choices != null; choices = choices.next()) {
            SimulatedWorld world = new SimulatedWorld(choices, story, workers, attempts, faults);

            assertThat(world.run()).as("choices %s", choices).isEmpty();

            runs++;
            lateLandings += world.lateLandings();
        }
        assertThat(runs).isGreaterThan(1_000);
        assertThat(lateLandings).isPositive();
    }

    @ParameterizedTest
    @CsvSource({"ORDER, 5000", "REFUSAL, 2500", "SINGLE, 1500", "SINGLE_REFUSAL, 1000", "BOTH_WAYS, 1500"})
    void randomInterleavingsOfMoreWorkersAndFaultsLeaveOneExecution(SimulatedWorld.Story story, int seeds)
            throws InterruptedException {
        for (long seed = 0; seed < seeds; seed++) {
            Choices choices = Choices.seeded(new Random(seed));

            assertThat(new SimulatedWorld(choices, story, 3, 3, 4).run())
                    .as("seed %d, choices %s", seed, choices)
                    .isEmpty();
        }
    }

    /** Rule 13: retries that take the key from each other end, since whoever takes it over gets twice the lease. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 5})
    void everyRequestEndsThoughItsWorkTakesLongerThanItsLease(int workers) throws InterruptedException {
        assertEnds(
                new SimulatedWorld(Choices.inTurn(), SimulatedWorld.Story.SLOW_ORDER, workers, 300, 0),
                workers,
                "in turn");
        for (long seed = 0; seed < 100; seed++) {
            Choices choices = Choices.seeded(new Random(seed));

            assertEnds(
                    new SimulatedWorld(choices, SimulatedWorld.Story.SLOW_ORDER, workers, 300, workers - 1),
                    workers,
                    "seed " + seed);
        }
    }

    /** Not only because the others have given up in the end: each begins few stages. */
    private static void assertEnds(SimulatedWorld world, int workers, String run) throws InterruptedException {
        assertThat(world.run()).as(run).isEmpty();
        assertThat(world.stagesBegun()).as(run).isLessThanOrEqualTo(6 * workers);
    }
}
