package io.idempotencykey.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PlanTest {
    private static Plan plan(String line) {
        return Plan.of(List.of(line.split(" ", -1)), 7);
    }

    @Test
    void scenariosShareFiveMinutesUnlessTold() {
        Plan plan = plan("all");

        assertThat(plan.scenarios()).containsExactly(Scenario.values());
        assertThat(plan.share()).isEqualTo(Duration.ofMinutes(5).dividedBy(7));
        assertThat(plan.seed()).isEqualTo(7);
        assertThat(plan.faults()).containsExactly(Fault.values());
        assertThat(plan.report()).isEmpty();
    }

    @Test
    void everythingCanBeChosen() {
        assertThat(plan("mysql mongodb --minutes 60 --seed -1 --faults kill,half-open --report there"))
                .isEqualTo(new Plan(
                        Set.of(Scenario.MYSQL, Scenario.MONGODB),
                        Duration.ofHours(1),
                        -1,
                        Set.of(Fault.KILL, Fault.HALF_OPEN),
                        Optional.of(Path.of("there"))));
    }

    @Test
    void onlyFiveMinutesOfAllScenariosHaveTheTimeForEachFault() {
        assertThat(plan("all").isLong()).isTrue();
        assertThat(plan("all --minutes 4").isLong()).isFalse();
        assertThat(plan("mysql --minutes 60").isLong()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "oracle",
                "--minutes 5",
                "all --minutes",
                "all --minutes 0",
                "all --minutes soon",
                "all --faults flood"
            })
    void whatMakesNoSenseIsRefused(String line) {
        assertThatExceptionOfType(Plan.Refused.class).isThrownBy(() -> plan(line));
    }

    @Test
    void theUsageNamesEveryScenarioAndEveryFault() {
        for (Scenario scenario : Scenario.values()) {
            assertThat(Plan.USAGE).contains(scenario.text());
        }
        for (Fault fault : Fault.values()) {
            assertThat(Plan.USAGE).contains(fault.text());
        }
    }
}
