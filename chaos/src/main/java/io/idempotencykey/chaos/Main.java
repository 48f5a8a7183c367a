package io.idempotencykey.chaos;

import java.io.IOException;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** The command; how it ends is in {@link Plan#USAGE}. */
final class Main {
    private Main() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (List.of(arguments).contains("--help")) {
            System.out.print(Plan.USAGE);
            return;
        }
        Plan plan;
        try {
            plan = Plan.of(List.of(arguments), new Random().nextInt(1_000_000));
        } catch (Plan.Refused e) {
            System.err.println("chaos: " + e.getMessage());
            System.err.print(Plan.USAGE);
            System.exit(2);
            return;
        }
        System.exit(run(plan));
    }

    private static int run(Plan plan) throws IOException, InterruptedException {
        Instant begun = Instant.now();
        System.out.println("chaos: --seed " + plan.seed());
        List<Outcome> outcomes = new ArrayList<>();
        List<String> failures = new ArrayList<>();
        Report report = Report.of(plan, begun, outcomes, failures);
        for (Scenario scenario : plan.scenarios()) {
            System.out.println("chaos: " + scenario.description());
            try {
                Outcome outcome = Run.of(
                        scenario,
                        plan.faults(),
                        plan.seed(),
                        plan.share(),
                        plan.report().map(folder -> folder.resolve(scenario.text())));
                outcomes.add(outcome);
                System.out.println("  " + outcome.requests().get("requests") + " requests, "
                        + outcome.anomalies().size() + " anomalies");
            } catch (IOException | SQLException | RuntimeException e) {
                e.printStackTrace();
                failures.add(scenario.text() + ": " + e);
            }
            report = Report.of(plan, begun, outcomes, failures);
            if (plan.report().isPresent()) {
                report.write(plan.report().get());
            }
        }
        System.out.println(report.text(false));
        return report.exitCode();
    }
}
