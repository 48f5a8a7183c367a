package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Idempotency takes few lines, of which none is left out: names, dependencies, imports, properties. */
class DifferencesTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"orders-jpa, 9", "orders-mongo, 8", "payments-jms, 10"})
    void idempotencyTakesAtMostTenLines(String sample, int lines) {
        Path folders = Path.of("..", sample);

        assertThat(Differences.between(folders.resolve("before"), folders.resolve("after")))
                .hasSize(lines)
                .hasSizeLessThanOrEqualTo(10);
    }

    private static void write(Path file, String... lines) throws IOException {
        Files.createDirectories(file.getParent());
        Files.write(file, List.of(lines));
    }

    @Test
    void everyLineThatIsAddedChangedOrGoneCounts() throws IOException {
        Path before = folder.resolve("before");
        Path after = folder.resolve("after");
        write(before.resolve("src/A"), "same", "old", "same too", "gone", "last");
        write(after.resolve("src/A"), "added", "same", "new", "newer", "same too", "last");
        write(before.resolve("old"), "a file that goes");
        write(after.resolve("new"), "a file that comes");
        write(after.resolve("target/built"), "not counted");
        write(after.resolve("target-quick/built"), "not counted");

        assertThat(Differences.between(before, after))
                .containsExactly("a file that comes", "a file that goes", "added", "new", "newer", "gone");
    }
}
