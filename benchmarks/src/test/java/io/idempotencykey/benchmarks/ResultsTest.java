package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultsTest {
    @Test
    void whatIsWrittenIsRead(@TempDir Path folder) throws IOException {
        Results results = new Results(
                "2026-11-28T01:00:00Z",
                "2 processors",
                "5 rounds",
                List.of(ReportTest.measured(90, Double.NaN), Measured.failed(ReportTest.CELL, "not run")));

        results.write(folder.resolve("results.json"));

        assertThat(Results.read(folder.resolve("results.json"))).isEqualTo(results);
    }
}
