package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The simulation finds what it is made to find. */
@Execution(ExecutionMode.CONCURRENT)
class SeededBugTest {
    private static final long SEEDS = 100_000;

    static Stream<SeededBug> bugs() {
        return Arrays.stream(SeededBug.values()).filter(bug -> bug != SeededBug.NONE);
    }

    @ParameterizedTest
    @MethodSource("bugs")
    void isFoundWithinAHundredThousandSeeds(SeededBug bug) throws InterruptedException {
        Optional<Seeds.Failure> failure = Seeds.first(SEEDS, bug);

        assertThat(failure).isPresent();
    }
}
