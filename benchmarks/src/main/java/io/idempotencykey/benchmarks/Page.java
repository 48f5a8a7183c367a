package io.idempotencykey.benchmarks;

import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** The page with the plots, which are drawn here. */
final class Page {
    private static final int ROW = 22;
    private static final int LABELS = 430;
    private static final int WIDTH = 1000;
    /** Where the mark is, whatever it is: each row has a scale of its own. */
    private static final int MARK = LABELS + 300;

    private Page() {}

    static String of(Results results) {
        Report report = Report.of(results.measured());
        List<Place> places = results.measured().stream()
                .map(measured -> measured.cell().place())
                .distinct()
                .toList();
        String plots = places.stream()
                .map(place -> "<h2>" + place.shown() + "</h2>\n"
                        + plot(report.lines().stream()
                                .filter(line -> line.measured().cell().place() == place)
                                .toList()))
                .collect(Collectors.joining("\n"));
        return """
                <!DOCTYPE html>
                <html lang="en"><head><meta charset="utf-8"><title>Benchmarks</title><style>
                body { font: 14px sans-serif; margin: 2em } table { border-collapse: collapse }
                td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd }
                td:first-child, td:nth-child(2), th:first-child, th:nth-child(2) { text-align: left }
                text { font: 12px sans-serif }
                </style></head><body>
                <h1>Benchmarks</h1>
                <p>%s; %s; %s. A bar is the median of the rounds' ratios, with the least and the greatest. The line
                is the row's mark, or 1 where nothing is asked; each row has its own scale.</p>
                %s
                <h2>Figures</h2>
                %s
                </body></html>
                """.formatted(
                        escaped(results.begun()),
                        escaped(results.machine()),
                        escaped(results.rounds()),
                        plots,
                        table(results.measured()));
    }

    static String plot(List<Report.Line> lines) {
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">%n",
                WIDTH,
                lines.size() * ROW + 4));
        for (int i = 0; i < lines.size(); i++) {
            row(svg, lines.get(i), i * ROW);
        }
        svg.append(String.format(
                Locale.ROOT,
                "<line x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\" stroke=\"black\" stroke-dasharray=\"4 2\"/>%n</svg>",
                MARK,
                MARK,
                lines.size() * ROW));
        return svg.toString();
    }

    private static void row(StringBuilder svg, Report.Line line, int top) {
        Cell cell = line.measured().cell();
        text(
                svg,
                0,
                top,
                cell.workload().shown() + ", " + cell.threads() + " threads: "
                        + line.mark().shownSides());
        double median = Ratios.median(line.ratios());
        if (Double.isNaN(median)) {
            String failure = line.measured().failure();
            text(svg, LABELS, top, "not measured" + (failure.isEmpty() ? "" : ": " + failure));
            return;
        }
        double limit = Double.isNaN(line.mark().limit()) ? 1 : line.mark().limit();
        double least = x(Collections.min(line.ratios()), limit);
        double greatest = x(Collections.max(line.ratios()), limit);
        double middle = top + ROW / 2.0;
        String color = switch (line.verdict()) {
            case MET -> "#4a9";
            case MISSED -> "#db5";
            case FAR -> "#c54";
            case UNMARKED -> "#aab";
        };
        svg.append(String.format(
                Locale.ROOT,
                "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>%n",
                LABELS,
                top + 3,
                x(median, limit) - LABELS,
                ROW - 6,
                color));
        svg.append(String.format(
                Locale.ROOT,
                "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8\" stroke=\"#333\" fill=\"none\"/>%n",
                least,
                middle,
                greatest,
                least,
                middle - 4,
                greatest,
                middle - 4));
        text(svg, MARK + 170, top, Ratios.shown(line.ratios()));
    }

    private static double x(double ratio, double limit) {
        return Math.min(LABELS + (MARK - LABELS) * ratio / limit, MARK + 160);
    }

    private static void text(StringBuilder svg, int left, int top, String text) {
        svg.append(
                String.format(Locale.ROOT, "<text x=\"%d\" y=\"%d\">%s</text>%n", left, top + ROW - 6, escaped(text)));
    }

    private static String table(List<Measured> measured) {
        StringBuilder html = new StringBuilder(
                "<table><tr><th>cell</th><th>side</th><th>requests/s</th><th>p50, µs</th>"
                        + "<th>p99, µs</th><th>bytes</th><th>client, µs</th><th>server, µs</th><th>round trips</th></tr>\n");
        for (Measured each : measured) {
            for (SideTurns side : each.sides()) {
                html.append(String.format(
                        Locale.ROOT,
                        "<tr><td>%s</td><td>%s</td><td>%,.0f</td><td>%,.1f</td><td>%,.1f</td><td>%,.0f</td>"
                                + "<td>%,.1f</td><td>%s</td><td>%s</td></tr>%n",
                        escaped(each.cell().toString()),
                        escaped(side.name()),
                        side.median(Turn::rate),
                        side.median(Turn::p50Micros),
                        side.median(Turn::p99Micros),
                        side.median(Turn::bytes),
                        side.median(Turn::clientMicros),
                        Report.shown("%,.1f", side.median(Turn::serverMicros)),
                        Report.shown("%.0f", side.roundTrips())));
            }
        }
        return html.append("</table>").toString();
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
