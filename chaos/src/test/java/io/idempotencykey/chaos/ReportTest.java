package io.idempotencykey.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A report says what wasn't shown, and the command fails for it. */
class ReportTest {
    private static final Checker.Anomaly ANOMALY =
            new Checker.Anomaly(Checker.Kind.NOT_ENDED, "key-1", "its key is locked", List.of());

    private final Faults.Made kill = made(Fault.KILL, true, 3);

    private static Faults.Made made(Fault fault, boolean possible, long affected) {
        return new Faults.Made(
                fault.text(), fault.description(), possible, affected, 0, 0, affected, fault.unit(), 0, "");
    }

    private static Outcome outcome(long answered, List<Faults.Made> faults, List<Checker.Anomaly> anomalies) {
        return new Outcome(
                "mysql",
                "MySQL",
                7,
                20,
                1,
                Map.of(Run.ANSWERED, answered),
                Map.of(),
                faults,
                List.of(),
                anomalies,
                List.of());
    }

    private static Report report(String line, Outcome... outcomes) {
        return Report.of(Plan.of(List.of(line.split(" ", -1)), 7), Instant.EPOCH, List.of(outcomes), List.of());
    }

    @Test
    void whereEachFaultHasAnEffectInSomeScenarioAllIsShown() {
        Report report = report(
                "all",
                outcome(500, List.of(kill, made(Fault.STOP, true, 0)), List.of()),
                outcome(500, List.of(made(Fault.KILL, true, 0), made(Fault.STOP, true, 1)), List.of()));

        assertThat(report.notShown()).isEmpty();
        assertThat(report.exitCode()).isZero();
    }

    @Test
    void aFaultWithoutAnyEffectFailsALongRun() {
        Outcome outcome = outcome(500, List.of(kill, made(Fault.STOP, true, 0)), List.of());

        assertThat(report("all", outcome).notShown()).containsExactly("stop had no effect in any scenario");
        assertThat(report("all", outcome).exitCode()).isEqualTo(4);
        assertThat(report("all --minutes 4", outcome).exitCode()).isZero();
        assertThat(report("all", outcome).text(true)).contains("| stop | 0 |", "**Not shown:** stop");
    }

    @Test
    void aFaultThatCanNotBeMadeHereFailsNothing() {
        assertThat(report("all", outcome(500, List.of(kill, made(Fault.DISK, false, 0)), List.of()))
                        .exitCode())
                .isZero();
    }

    @Test
    void hardlyAnyAnswersFailAnyRun() {
        assertThat(report("mysql --minutes 1", outcome(9, List.of(kill), List.of()))
                        .exitCode())
                .isEqualTo(4);
    }

    @Test
    void anAnomalyComesFirst() {
        assertThat(report("mysql", outcome(0, List.of(kill), List.of(ANOMALY))).exitCode())
                .isEqualTo(1);
    }
}
