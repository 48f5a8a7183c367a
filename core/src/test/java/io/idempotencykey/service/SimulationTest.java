package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every order of events of small worlds, and many orders of larger ones, leave one order, one payment and one answer. */
class SimulationTest {
    @ParameterizedTest
    @CsvSource({"1, 2, 2", "2, 1, 1"})
    void everyInterleavingLeavesOneExecution(int workers, int attempts, int faults) throws InterruptedException {
        int runs = 0;
        int lateLandings = 0;
        for (Choices choices = Choices.first(); choices != null; choices = choices.next()) {
            SimulatedWorld world = new SimulatedWorld(choices, workers, attempts, faults);

            assertThat(world.run()).as("choices %s", choices).isEmpty();

            runs++;
            lateLandings += world.lateLandings();
        }
        assertThat(runs).isGreaterThan(1_000);
        assertThat(lateLandings).isPositive();
    }

    @Test
    void randomInterleavingsOfMoreWorkersAndFaultsLeaveOneExecution() throws InterruptedException {
        for (long seed = 0; seed < 5_000; seed++) {
            Choices choices = Choices.seeded(new Random(seed));

            assertThat(new SimulatedWorld(choices, 3, 3, 4).run())
                    .as("seed %d, choices %s", seed, choices)
                    .isEmpty();
        }
    }
}
