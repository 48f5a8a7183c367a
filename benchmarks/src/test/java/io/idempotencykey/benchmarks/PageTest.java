package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class PageTest {
    @Test
    void aBarEndsAtTheMarkIfItIsMet() {
        String svg = plot(ReportTest.measured(95, 95, 95));

        assertThat(svg).contains("width=\"220.0\"").contains("mark ≥ 0.95").contains("0.95 (0.95–0.95)");
    }

    @Test
    void whatIsNoNumberHasNoBar() {
        String svg = plot(ReportTest.measured(90, Double.NaN));

        assertThat(svg).contains("not measured").doesNotContain("<rect").doesNotContain("NaN");
    }

    @Test
    void aFailureIsShownAndEscaped() {
        String svg = plot(Measured.failed(ReportTest.CELL, "failed: <none>"));

        assertThat(svg).contains("not measured: failed: &lt;none&gt;").doesNotContain("<rect");
    }

    @Test
    void whatFailsAfterItsRoundsIsShownWithThem() {
        Measured measured = ReportTest.measured(95);

        String svg = plot(new Measured(
                measured.cell(), measured.roundMillis(), measured.sides(), "failed: a side can't be closed"));

        assertThat(svg).contains("0.95 (0.95–0.95)", ": failed: a side can");
    }

    @Test
    void thePageHasTwoPlotsForEachPlaceAndAllFigures() {
        String page = Page.of(new Results("now", "here", "5 rounds", List.of(ReportTest.measured(90, 80))));

        assertThat(page)
                .contains(
                        "<h2>adapter-mongo</h2>",
                        "<td>library</td><td>400</td><td>85</td>",
                        "<td>driver</td><td>400</td><td>100</td>")
                .contains("<td>–</td><td>2</td><td></td></tr>")
                .contains(">1 ms</text>", ">retrieve, 8 threads: driver</text>", ">100</text>");
        assertThat(page.split("<svg", -1))
                .as("a plot of ratios, and one of sides")
                .hasSize(3);
    }

    private static String plot(Measured measured) {
        return RatioPlot.of(Report.of(List.of(measured)).lines());
    }
}
