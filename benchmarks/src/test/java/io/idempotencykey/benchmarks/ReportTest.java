package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReportTest {
    /** A cell with one mark. */
    static final Cell CELL = new Cell(Place.ADAPTER_MONGO, Workload.RETRIEVE, 8);

    /** The library at these rates, and the driver at 100 requests per second. */
    static Measured measured(double... rates) {
        return new Measured(
                CELL, 400, List.of(side(Marks.LIBRARY, rates), side(Marks.DRIVER, hundreds(rates.length))), "");
    }

    private static double[] hundreds(int count) {
        double[] rates = new double[count];
        Arrays.fill(rates, 100);
        return rates;
    }

    private static SideTurns side(String name, double... rates) {
        return new SideTurns(
                name,
                2,
                Arrays.stream(rates)
                        .mapToObj(rate -> new Turn(rate, 10, 20, 1_000, 5, Double.NaN, 0))
                        .toList());
    }

    @Test
    void aMissedMarkIsNotBad() {
        assertThat(Report.of(List.of(measured(60, 48, 70))).isBad()).isFalse();
    }

    @Test
    void aMedianBelowHalfTheMarkIsBad() {
        assertThat(Report.of(List.of(measured(60, 47, 40))).isBad()).isTrue();
    }

    @Test
    void aFailedCellIsBadThoughTheOthersAreMet() {
        Report report = Report.of(List.of(measured(100), Measured.failed(CELL, "failed: no server")));

        assertThat(report.isBad()).isTrue();
        assertThat(report.lines()).extracting(Report.Line::verdict).containsExactly(Mark.Verdict.MET, Mark.Verdict.FAR);
    }

    @Test
    void aPlacesProcessThatEndsEarlyKeepsWhatItHasMeasured() {
        Cell missing = new Cell(Place.ADAPTER_JPA, Workload.OWN, 8);

        List<Measured> complete = Main.complete(List.of(CELL, missing), List.of(measured(100)), "not run");

        assertThat(complete).extracting(Measured::cell).containsExactly(CELL, missing);
        assertThat(complete).extracting(Measured::failure).containsExactly("", "not run");
    }

    @Test
    void whatIsKeptOfOrdinaryTrafficIsComparedSideBySide() {
        Cell cell = new Cell(Place.ADAPTER_JPA, Workload.HOTKEY, 64);
        Measured measured = new Measured(
                cell,
                400,
                List.of(
                        side(Marks.LIBRARY, 100),
                        side(Marks.LIBRARY + Marks.ASKED, 60),
                        side(Marks.JDBC, 200),
                        side(Marks.JDBC + Marks.ASKED, 100)),
                "");

        Mark mark = new Mark(Marks.LIBRARY, Marks.JDBC, Measure.KEPT, Mark.Bound.AT_LEAST, 1);

        assertThat(cell.marks()).contains(mark);
        assertThat(measured.ratios(mark)).containsExactly(1.2);
    }

    @Test
    void theTableShowsRatioMarkAndVerdict() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Report.of(List.of(measured(90, 80, 100))).print(new PrintStream(bytes, true, StandardCharsets.UTF_8));

        assertThat(bytes.toString(StandardCharsets.UTF_8).lines().skip(1))
                .singleElement()
                .asString()
                .matches("adapter-mongo +retrieve +8 +library / driver +0.90 \\(0.80–1.00\\) +≥ 0.95 +missed");
    }
}
