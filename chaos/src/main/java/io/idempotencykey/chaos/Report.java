package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The report of all scenarios, as JSON and to be read. */
record Report(
        String begun,
        long minutes,
        long seed,
        int processors,
        List<Outcome> scenarios,
        List<String> failures,
        List<String> notShown) {
    /** Fewer requests with an answer show nothing; there are more clients than that. */
    private static final int LEAST_REQUESTS = 10;

    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    static Report of(Plan plan, Instant begun, List<Outcome> outcomes, List<String> failures) {
        return new Report(
                begun.toString(),
                plan.time().toMinutes(),
                plan.seed(),
                Runtime.getRuntime().availableProcessors(),
                List.copyOf(outcomes),
                List.copyOf(failures),
                notShown(plan, outcomes));
    }

    private static List<String> notShown(Plan plan, List<Outcome> outcomes) {
        List<String> notShown = new ArrayList<>();
        for (Outcome each : outcomes) {
            each.problems().forEach(problem -> notShown.add(each.scenario() + ": " + problem));
            long answered = each.requests().getOrDefault(Run.ANSWERED, 0L);
            if (answered < LEAST_REQUESTS) {
                notShown.add(each.scenario() + ": only " + answered + " requests have an answer");
            }
        }
        Map<String, Long> affected = new TreeMap<>();
        outcomes.stream()
                .flatMap(each -> each.faults().stream())
                .filter(Faults.Made::possible)
                .forEach(made -> affected.merge(made.fault(), made.affected(), Long::sum));
        if (plan.isLong()) {
            affected.forEach((fault, count) -> {
                if (count == 0) {
                    notShown.add(fault + " had no effect in any scenario");
                }
            });
        }
        return notShown;
    }

    /** How the command ends. */
    int exitCode() {
        if (anomalies() > 0) {
            return 1;
        }
        return !failures.isEmpty() ? 3 : notShown.isEmpty() ? 0 : 4;
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
        text.append("- faults for: from the first fault to the end of the last\n"
                + "- settled within: from then until all shops served, and no key was in progress\n"
                + "- orders, charges, reviews: what the store and the payment provider have in the end\n"
                + "- not promised and lost: requests that were answered while a standby lagged, and whose answer was"
                + " lost when that standby was promoted, with all that they had stored (GUARANTEES.md, N6). Excused are"
                + " only answers that may have been given between the moment when the standby was last known to have"
                + " everything and the primary's end, also where a shop that knows one goes on giving it; one more"
                + " charge of a cart per promotion; and what the shop's own"
                + " code throws within ten seconds of one, where it goes on from a lost stage\n"
                + "- anomalies: whatever must not be; their histories follow each scenario\n\n");
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
        for (String each : notShown) {
            text.append("\n**Not shown:** ").append(each).append('\n');
        }
        text.append("\nIn each scenario's table of faults:\n\n"
                + "- made: how often; \"without effect\" are those which met nothing, as where no shop served\n"
                + "- failed: how often it couldn't be made or undone; the last reason is below the table\n"
                + "- affected: on how many of what it had an effect\n"
                + "- refusals meanwhile: how often clients heard something other than an answer while it lasted,"
                + " whatever the reason: two faults overlap\n");
        for (Outcome each : scenarios) {
            describe(each, full, text);
        }
        return text.toString();
    }

    private static void describe(Outcome outcome, boolean full, StringBuilder text) {
        text.append("\n## ").append(outcome.scenario()).append("\n\n");
        text.append("""
                | fault | made | without effect | failed | affected | refusals meanwhile |
                |---|---|---|---|---|---|
                """);
        for (Faults.Made fault : outcome.faults()) {
            text.append("| ").append(fault.fault());
            text.append(" | ").append(fault.possible() ? fault.made() : "can't be made here");
            text.append(" | ").append(fault.withoutEffect());
            text.append(" | ").append(fault.failed());
            text.append(" | ").append(fault.affected()).append(' ').append(fault.affectedWhat());
            text.append(" | ").append(fault.refusalsMeanwhile()).append(" |\n");
        }
        for (Faults.Made fault : outcome.faults()) {
            if (!fault.problem().isEmpty()) {
                text.append("\n`")
                        .append(fault.fault())
                        .append("`: ")
                        .append(fault.problem())
                        .append('\n');
            }
        }
        table("what clients did and heard", outcome.requests(), text);
        table("exceptions in the shops' logs, by where they ended", outcome.exceptions(), text);
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

    private static void table(String what, Map<String, Long> counts, StringBuilder text) {
        text.append("\n| ").append(what).append(" | times |\n|---|---|\n");
        counts.forEach((each, count) ->
                text.append("| ").append(each).append(" | ").append(count).append(" |\n"));
    }
}
