package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every order of events of small worlds, with every fault at every call of the store. */
@Execution(ExecutionMode.CONCURRENT)
class SmallWorldTest {
    @ParameterizedTest
    @CsvSource({
        "TWO_STAGES, usual, 2, 1, 2, 1",
        "TWO_STAGES, usual, 2, 1, 1, 2",
        "TWO_STAGES, usual, 2, 2, 1, 1",
        "TWO_STAGES, refused, 2, 1, 2, 1",
        "ONE_STAGE, usual, 2, 1, 2, 1",
        "ONE_STAGE, refused, 2, 1, 2, 1"
    })
    void noOrderOfEventsLeadsToAnythingThatMustNotBe(
            Plot.Version version, String cart, int workers, int keys, int attempts, int faults)
            throws InterruptedException {
        Exploration exploration =
                new Exploration(Plot.small(version, cart, workers, keys, attempts, faults), SeededBug.NONE);
        long begin = System.nanoTime();

        assertThat(exploration.failure()).isNull();

        System.out.printf(
                "%s, cart %s, %d workers, %d keys, %d attempts, %d faults: %,d states, %,d runs, %.1f s%n",
                version,
                cart,
                workers,
                keys,
                attempts,
                faults,
                exploration.states(),
                exploration.runs(),
                (System.nanoTime() - begin) / 1e9);
        assertThat(exploration.lateLandings()).isPositive();
    }
}
