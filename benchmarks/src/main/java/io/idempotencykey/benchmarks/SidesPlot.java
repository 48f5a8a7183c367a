package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Locale;

/** Draws how fast each side was: a bar for its rate, and a line from the median latency to the slowest hundredth. */
final class SidesPlot {
    private static final int LABELS = 400;
    private static final int LONGEST_BAR = 180;
    private static final int LATENCIES = LABELS + LONGEST_BAR + 90;

    /** From a tenth of a microsecond to ten seconds. */
    private static final int DECADES = 8;

    private static final double DECADE = (Svg.WIDTH - LATENCIES - 30) / (double) DECADES;

    private SidesPlot() {}

    static String of(List<Measured> measured) {
        Svg svg = new Svg();
        svg.text(LABELS, 0, "requests/s");
        int height = Svg.ROW
                * (1 + measured.stream().mapToInt(each -> each.sides().size()).sum());
        axis(svg, "1 µs", 1, height);
        axis(svg, "1 ms", 1e3, height);
        axis(svg, "1 s", 1e6, height);
        int top = Svg.ROW;
        for (Measured each : measured) {
            double fastest = each.sides().stream()
                    .mapToDouble(side -> side.median(Turn::rate))
                    .filter(rate -> !Double.isNaN(rate))
                    .max()
                    .orElse(1);
            for (SideTurns side : each.sides()) {
                row(svg, each.cell(), side, fastest, top);
                top += Svg.ROW;
            }
        }
        return svg.drawn(height + 4);
    }

    private static void axis(Svg svg, String label, double micros, int height) {
        svg.text(x(micros) - 12, 0, label);
        svg.line(x(micros), Svg.ROW, height, "stroke=\"#ccc\"");
    }

    private static void row(Svg svg, Cell cell, SideTurns side, double fastest, int top) {
        double rate = side.median(Turn::rate);
        if (Double.isNaN(rate)) {
            return;
        }
        boolean isLibrary = side.name().startsWith(Marks.LIBRARY);
        svg.text(0, top, cell.shown() + ": " + side.name());
        double width = LONGEST_BAR * rate / fastest;
        svg.bar(LABELS, top, width, isLibrary ? "#48b" : "#bcd");
        svg.text(LABELS + width + 6, top, String.format(Locale.ROOT, "%,.0f", rate));
        svg.span(x(side.median(Turn::p50Micros)), x(side.median(Turn::p99Micros)), top);
    }

    private static double x(double micros) {
        return LATENCIES + DECADE * Math.max(0, Math.min(DECADES, 1 + Math.log10(micros)));
    }
}
