package io.idempotencykey.benchmarks;

import java.util.Collections;
import java.util.List;

/** Draws ratios beside their marks: a bar to the median of the rounds' ratios, with the least and the greatest. */
final class RatioPlot {
    private static final int LABELS = 550;
    /** Where the mark is, whatever it is: each row has a scale of its own. */
    private static final int MARK = LABELS + 220;

    private static final int LONGEST = MARK + 120;

    private RatioPlot() {}

    static String of(List<Report.Line> lines) {
        Svg svg = new Svg();
        for (int i = 0; i < lines.size(); i++) {
            row(svg, lines.get(i), i * Svg.ROW);
        }
        svg.line(MARK, 0, lines.size() * Svg.ROW, "stroke=\"black\" stroke-dasharray=\"4 2\"");
        return svg.drawn(lines.size() * Svg.ROW + 4);
    }

    private static void row(Svg svg, Report.Line line, int top) {
        Cell cell = line.measured().cell();
        svg.text(0, top, cell.shown() + ": " + line.mark().shownSides());
        double median = Ratios.median(line.ratios());
        String failure = line.measured().failure().isEmpty()
                ? ""
                : ": " + line.measured().failure();
        if (Double.isNaN(median)) {
            svg.text(LABELS, top, "not measured" + failure);
            return;
        }
        double limit = Double.isNaN(line.mark().limit()) ? 1 : line.mark().limit();
        svg.bar(LABELS, top, x(median, limit) - LABELS, color(line.verdict()));
        svg.span(x(Collections.min(line.ratios()), limit), x(Collections.max(line.ratios()), limit), top);
        String mark =
                Double.isNaN(line.mark().limit()) ? "" : ", mark " + line.mark().shownLimit();
        svg.text(LONGEST + 10, top, Ratios.shown(line.ratios()) + mark + failure);
    }

    static String color(Mark.Verdict verdict) {
        return switch (verdict) {
            case MET -> "#4a9";
            case MISSED -> "#db5";
            case FAR -> "#c54";
            case UNMARKED -> "#aab";
        };
    }

    private static double x(double ratio, double limit) {
        return Math.min(LABELS + (MARK - LABELS) * ratio / limit, LONGEST);
    }
}
