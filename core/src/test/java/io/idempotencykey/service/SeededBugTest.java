package io.idempotencykey.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The simulation finds what it is made to find. */
@Execution(ExecutionMode.CONCURRENT)
class SeededBugTest {
    private static final long SEEDS = 100_000;

    /** No call of the simulated store is within a transaction of somebody else's. */
    private static final String NOT_SIMULATED = "14";

    static Stream<SeededBug> bugs() {
        return Arrays.stream(SeededBug.values()).filter(bug -> bug != SeededBug.NONE);
    }

    @ParameterizedTest
    @MethodSource("bugs")
    void isFoundWithinAHundredThousandSeeds(SeededBug bug) throws InterruptedException {
        Optional<Seeds.Failure> failure = Seeds.first(SEEDS, bug, new Sights());

        assertThat(failure).isPresent();
    }

    @Test
    void everyRuleIsBrokenOnce() {
        assertThat(bugs().map(bug -> bug.rule).distinct())
                .containsExactlyInAnyOrderElementsOf(IntStream.rangeClosed(1, 18)
                        .mapToObj(Integer::toString)
                        .filter(rule -> !rule.equals(NOT_SIMULATED))
                        .toList());
    }

    @Test
    void theDocumentationListsEachWithItsRuleAndItsFinding() throws IOException {
        List<String> listed = Files.readAllLines(Path.of("../docs/TESTING.md")).stream()
                .filter(line -> line.matches("\\| `[A-Z_]+` \\|.*"))
                .toList();

        assertThat(listed.stream().map(SeededBugTest::withoutItsText).toList())
                .containsExactlyElementsOf(bugs().map(bug -> "`" + bug + "` " + bug.rule + " `" + bug.finding + "`")
                        .toList());
    }

    private static String withoutItsText(String line) {
        String[] columns = line.split("\\|", -1);
        return columns[1].strip() + " " + columns[3].strip() + " " + columns[4].strip();
    }

    @Test
    void theSmallestRunThatShowsOneIsShort() throws InterruptedException {
        Seeds.Failure failure = Seeds.first(SEEDS, SeededBug.LATE_COMMIT_WITHOUT_FENCE, new Sights())
                .orElseThrow();

        try (Crew crew = new Crew()) {
            int[] smallest = new Smaller(crew, SeededBug.LATE_COMMIT_WITHOUT_FENCE)
                    .smallest(
                            failure.choices().chosen(),
                            failure.findings().get(0).kind());

            assertThat(Arrays.stream(smallest).filter(choice -> choice != 0).count())
                    .isLessThanOrEqualTo(20);
        }
    }
}
