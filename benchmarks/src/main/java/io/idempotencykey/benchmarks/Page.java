package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The page with the plots, which are drawn here. */
final class Page {
    private Page() {}

    static String of(Results results) {
        Report report = Report.of(results.measured());
        List<Place> places = results.measured().stream()
                .map(measured -> measured.cell().place())
                .distinct()
                .toList();
        String plots = places.stream()
                .map(place -> "<h2>" + place.shown() + "</h2>\n"
                        + RatioPlot.of(report.lines().stream()
                                .filter(line -> line.measured().cell().place() == place)
                                .toList())
                        + SidesPlot.of(results.measured().stream()
                                .filter(measured -> measured.cell().place() == place)
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
                <p>%s; %s; %s.</p>
                <p>The first plot of each place has ratios: a bar is the median of the rounds' ratios, with the least and
                the greatest. The dashed line is the row's mark, or 1 where nothing is asked; each row has its own scale.
                A mark with ≥ is met by what ends at the line or beyond it, one with ≤ by what ends at it or before it.
                What is more than half as far again as the line is drawn there, and its number stands beside it. Colours:
                %s.</p>
                <p>The second plot has the sides' rates as bars, which are longest for the fastest side of each cell, and
                on the right the latencies, from the median to what one request of a hundred passes. All figures are
                below.</p>
                %s
                <h2>Figures</h2>
                %s
                </body></html>
                """.formatted(
                        Svg.escaped(results.begun()),
                        Svg.escaped(results.machine()),
                        Svg.escaped(results.rounds()),
                        legend(),
                        plots,
                        table(results.measured()));
    }

    private static String legend() {
        return Stream.of(Mark.Verdict.values())
                .map(verdict -> "<span style=\"border-left: 1em solid %s; padding-left: 4px\">%s</span>"
                        .formatted(RatioPlot.color(verdict), legend(verdict)))
                .collect(Collectors.joining(", "));
    }

    private static String legend(Mark.Verdict verdict) {
        return verdict == Mark.Verdict.UNMARKED ? "nothing is asked" : verdict.shown();
    }

    private static String table(List<Measured> measured) {
        StringBuilder html = new StringBuilder(
                "<table><tr><th>cell</th><th>side</th><th>round, ms</th><th>requests/s</th><th>p50, µs</th>"
                        + "<th>p99, µs</th><th>bytes</th><th>client, µs</th><th>server, µs</th><th>round trips</th>"
                        + "<th>askers, answers/s</th></tr>\n");
        for (Measured each : measured) {
            for (SideTurns side : each.sides()) {
                html.append(String.format(
                        Locale.ROOT,
                        "<tr><td>%s</td><td>%s</td><td>%d</td><td>%,.0f</td><td>%,.1f</td><td>%,.1f</td><td>%,.0f</td>"
                                + "<td>%,.1f</td><td>%s</td><td>%s</td><td>%s</td></tr>%n",
                        Svg.escaped(each.cell().toString()),
                        Svg.escaped(side.name()),
                        each.roundMillis(),
                        side.median(Turn::rate),
                        side.median(Turn::p50Micros),
                        side.median(Turn::p99Micros),
                        side.median(Turn::bytes),
                        side.median(Turn::clientMicros),
                        Report.shown("%,.1f", side.median(Turn::serverMicros)),
                        Report.shown("%.0f", side.roundTrips()),
                        side.askers()));
            }
        }
        return html.append("</table>").toString();
    }
}
