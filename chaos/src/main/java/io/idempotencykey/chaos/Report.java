package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The report of all scenarios, as JSON and to be read. */
record Report(String begun, long minutes, long seed, int processors, List<Outcome> scenarios, List<String> failures) {
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    static Report of(Plan plan, Instant begun, List<Outcome> outcomes, List<String> failures) {
        return new Report(
                begun.toString(),
                plan.time().toMinutes(),
                plan.seed(),
                Runtime.getRuntime().availableProcessors(),
                outcomes,
                failures);
    }

    long anomalies() {
        return scenarios.stream().mapToLong(each -> each.anomalies().size()).sum();
    }

    private static final int MOST_SHOWN = 10;

    /** Writes {@code report.json} and {@code report.md}. */
    void write(Path folder) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("report.json"), JSON.writeValueAsString(this) + "\n");
        Files.writeString(folder.resolve("report.md"), text(true));
    }

    /** The report to be read; in full, with the histories of the first anomalies of each scenario. */
    String text(boolean full) {
        StringBuilder text = new StringBuilder();
        text.append("Begun at ").append(begun).append(", ").append(minutes).append(" minutes on ");
        text.append(processors).append(" processors, seed ").append(seed).append(".\n\n");
        text.append("| scenario | server | faults for | settled within | requests | orders | charges | reviews |"
                + " not promised and lost | anomalies |\n|---|---|---|---|---|---|---|---|---|---|\n");
        for (Outcome each : scenarios) {
            text.append("| ").append(each.scenario());
            text.append(" | ").append(each.server());
            text.append(" | ").append(each.secondsOfFaults()).append(" s");
            text.append(" | ").append(each.secondsToSettle()).append(" s");
            for (String what : List.of("requests", "orders", "charges", "reviews")) {
                text.append(" | ").append(each.requests().get(what));
            }
            text.append(" | ").append(each.lost().size());
            text.append(" | **").append(each.anomalies().size()).append("** |\n");
        }
        for (String failure : failures) {
            text.append("\n**Couldn't be run:** ").append(failure).append('\n');
        }
        for (Outcome each : scenarios) {
            describe(each, full, text);
        }
        return text.toString();
    }

    private static void describe(Outcome outcome, boolean full, StringBuilder text) {
        text.append("\n## ").append(outcome.scenario()).append("\n\n");
        text.append("| fault | made | without effect | affected | refusals meanwhile |\n|---|---|---|---|---|\n");
        for (Map<String, Object> fault : outcome.faults()) {
            text.append("| ").append(fault.get("fault"));
            text.append(" | ").append(fault.get("made"));
            text.append(" | ").append(fault.get("withoutEffect"));
            text.append(" | ").append(fault.get("affected")).append(' ').append(fault.get("affectedWhat"));
            text.append(" | ").append(fault.get("refusalsMeanwhile")).append(" |\n");
        }
        for (Map<String, Object> fault : outcome.faults()) {
            if (fault.containsKey("problem")) {
                text.append("\n`")
                        .append(fault.get("fault"))
                        .append("`: ")
                        .append(fault.get("problem"))
                        .append('\n');
            }
        }
        text.append("\n| what clients did and heard | times |\n|---|---|\n");
        outcome.requests()
                .forEach((what, count) -> text.append("| ")
                        .append(what)
                        .append(" | ")
                        .append(count)
                        .append(" |\n"));
        for (Checker.Anomaly anomaly : outcome.anomalies()
                .subList(0, Math.min(MOST_SHOWN, outcome.anomalies().size()))) {
            text.append("\n**").append(anomaly.kind()).append("** ").append(anomaly.request());
            text.append(": ").append(anomaly.detail()).append('\n');
            if (full) {
                text.append("\n```\n");
                anomaly.history().forEach(line -> text.append(line).append('\n'));
                text.append("```\n");
            }
        }
    }
}
