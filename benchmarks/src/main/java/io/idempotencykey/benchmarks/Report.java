package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What came out, mark by mark. */
record Report(List<Line> lines) {
    /**
     * A mark of a cell, and what was reached.
     *
     * @param ratios of each round; none if nothing was measured
     */
    record Line(Measured measured, Mark mark, List<Double> ratios) {
        Mark.Verdict verdict() {
            return mark.verdict(ratios);
        }
    }

    static Report of(List<Measured> measured) {
        List<Line> lines = new ArrayList<>();
        for (Measured each : measured) {
            for (Mark mark : each.cell().marks()) {
                lines.add(new Line(each, mark, each.ratios(mark)));
            }
        }
        return new Report(lines);
    }

    /** Whether a mark is missed by far, or something failed. */
    boolean isBad() {
        return lines.stream().anyMatch(line -> line.measured().isBad());
    }

    void print(PrintStream out) {
        String format = "%-16s %-19s %7s  %-56s %-22s %-8s %s%n";
        out.printf(format, "place", "workload", "threads", "compared", "ratio (least–greatest)", "mark", "");
        for (Line line : lines) {
            Cell cell = line.measured.cell();
            String failure = line.measured.failure();
            out.printf(
                    format,
                    cell.place().shown(),
                    cell.workload().shown(),
                    cell.threads(),
                    line.mark.shownSides(),
                    Ratios.shown(line.ratios),
                    line.mark.shownLimit(),
                    line.verdict().shown() + (failure.isEmpty() ? "" : ": " + failure));
        }
    }

    /** A dash where nobody knows the number. */
    static String shown(String format, double number) {
        return Double.isNaN(number) ? "–" : String.format(Locale.ROOT, format, number);
    }

    /** A cell's sides with their figures, a line each. */
    static String figures(Measured measured) {
        StringBuilder text = new StringBuilder(measured.cell().toString());
        for (SideTurns side : measured.sides()) {
            text.append(String.format(
                    Locale.ROOT,
                    "%n    %-33s %,11.0f/s  p50 %,9.1f µs  p99 %,9.1f µs  %,9.0f bytes  client %,8.1f µs"
                            + "  server %8s µs  %s round trips%s",
                    side.name(),
                    side.median(Turn::rate),
                    side.median(Turn::p50Micros),
                    side.median(Turn::p99Micros),
                    side.median(Turn::bytes),
                    side.median(Turn::clientMicros),
                    shown("%,.1f", side.median(Turn::serverMicros)),
                    shown("%.0f", side.roundTrips()),
                    side.askers().isEmpty() ? "" : "  " + side.askers() + "/s to askers"));
        }
        return measured.failure().isEmpty() ? text.toString() : text + "\n    " + measured.failure();
    }
}
