package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Every order of events of small worlds, with every fault at every call of the store. */
@Execution(ExecutionMode.CONCURRENT)
class SmallWorldTest {
    @ParameterizedTest
    @CsvSource({
        "TWO_STAGES, usual, 2, 1, 2, 1",
        "TWO_STAGES, usual, 2, 2, 1, 1",
        "TWO_STAGES, refused, 2, 1, 2, 1",
        "ONE_STAGE, usual, 2, 1, 2, 1",
        "ONE_STAGE, refused, 2, 1, 2, 1",
        "ONE_STAGE, usual, 3, 1, 1, 1",
        "ONE_STAGE, usual, 1, 1, 3, 4",
        "TWO_STAGES, usual, 1, 1, 2, 3",
        "ONE_STAGE+ONE_STAGE_STAGED, usual, 2, 1, 2, 1",
        "TWO_STAGES+THREE_STAGES, usual, 2, 1, 1, 1"
    })
    void noOrderOfEventsLeadsToAnythingThatMustNotBe(
            String versions, String cart, int workers, int keys, int attempts, int faults) throws InterruptedException {
        explore(versions, cart, workers, keys, attempts, faults);
    }

    @ParameterizedTest
    @EnabledIfSystemProperty(named = "simulation.long", matches = "minute|minutes|hours")
    @CsvSource({"TWO_STAGES, usual, 2, 1, 1, 2", "TWO_STAGES, usual, 3, 2, 1, 1"})
    void norInWorldsThatTakeAMinute(String versions, String cart, int workers, int keys, int attempts, int faults)
            throws InterruptedException {
        explore(versions, cart, workers, keys, attempts, faults);
    }

    @ParameterizedTest
    @EnabledIfSystemProperty(named = "simulation.long", matches = "minutes|hours")
    @CsvSource({
        "TWO_STAGES, usual, 3, 1, 1, 1",
        "TWO_STAGES, usual, 2, 2, 1, 2",
        "TWO_STAGES, refused, 2, 1, 1, 2",
        "ONE_STAGE, usual, 2, 1, 1, 2",
        "ONE_STAGE, refused, 2, 1, 2, 2",
        "ONE_STAGE+ONE_STAGE_STAGED, usual, 2, 1, 1, 2"
    })
    void norInWorldsThatTakeMinutes(String versions, String cart, int workers, int keys, int attempts, int faults)
            throws InterruptedException {
        explore(versions, cart, workers, keys, attempts, faults);
    }

    @ParameterizedTest
    @EnabledIfSystemProperty(named = "simulation.long", matches = "hours")
    @CsvSource({"TWO_STAGES, usual, 3, 2, 1, 2", "TWO_STAGES, usual, 3, 1, 1, 2"})
    void norInWorldsThatTakeHours(String versions, String cart, int workers, int keys, int attempts, int faults)
            throws InterruptedException {
        explore(versions, cart, workers, keys, attempts, faults);
    }

    private static void explore(String versions, String cart, int workers, int keys, int attempts, int faults)
            throws InterruptedException {
        Exploration exploration = new Exploration(
                Plot.small(sideBySide(versions), cart, workers, keys, attempts, faults), SeededBug.NONE);
        long begin = System.nanoTime();

        assertThat(exploration.failure()).isNull();

        System.out.printf(
                "%s, cart %s: %d workers, %d keys, %d attempts each, %d faults: %,d states, %,d runs, %.1f s%n",
                versions,
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

    private static List<Plot.Version> sideBySide(String versions) {
        return Arrays.stream(versions.split("\\+")).map(Plot.Version::valueOf).toList();
    }

    /** No state is left out that matters: what a seed finds, the small world finds, too. */
    @ParameterizedTest
    @EnumSource(
            value = SeededBug.class,
            names = {
                "FENCE_LEFT_OUT",
                "EFFECTS_WITHOUT_THE_KEY",
                "KEY_WITHOUT_THE_EFFECTS",
                "CONFLICT_TOLD_AS_FAILURE_THOUGH_COMMITTED",
                "LOST_ANSWER_TOLD_AS_FAILURE",
                "LOST_ANSWER_TOLD_AS_COMMIT",
                "INSERT_OVERWRITES",
                "BLIND_WRITE"
            })
    void twoWorkersAndOneFaultShowAMistake(SeededBug bug) throws InterruptedException {
        assertThat(new Exploration(Plot.small(List.of(Plot.Version.TWO_STAGES), "usual", 2, 1, 2, 1), bug).failure())
                .isNotNull();
    }
}
