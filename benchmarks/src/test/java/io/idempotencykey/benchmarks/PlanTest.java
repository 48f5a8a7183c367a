package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanTest {
    @Test
    void withoutNamesAllThatSomethingIsAskedOfIsMeasuredQuickly() {
        Plan plan = Plan.of(List.of());

        assertThat(plan.mode()).isEqualTo(Mode.QUICK);
        assertThat(plan.places()).containsExactly(Place.ADAPTER_INMEMORY, Place.ADAPTER_MONGO, Place.ADAPTER_JPA);
        assertThat(plan.in(Place.ADAPTER_MONGO))
                .contains(
                        new Cell(Place.ADAPTER_MONGO, Workload.STAGES, 1),
                        new Cell(Place.ADAPTER_MONGO, Workload.REFUSED, 8))
                .hasSize(10);
    }

    @ParameterizedTest
    @CsvSource({"rounds, 0", "threads, -1", "minutes, ''", "millis, 1.5", "warmup.millis, soon", "warmup.requests, 1e9"
    })
    void optionsThatAreNoNumbersAreRefused(String name, String value) {
        System.setProperty(name, value);
        try {
            assertThatIllegalArgumentException()
                    .isThrownBy(Mode::checkOptions)
                    .withMessage("-D" + name + " is '" + value + "'; allowed: a whole number from 1 to 2147483647");
        } finally {
            System.clearProperty(name);
        }
    }

    @Test
    void theLeastOptionIsOne() {
        System.setProperty("rounds", "1");
        try {
            Mode.checkOptions();
            assertThat(Mode.FULL.rounds().count()).isEqualTo(1);
        } finally {
            System.clearProperty("rounds");
        }
    }

    @Test
    void namesRestrictPlacesAndWorkloads() {
        assertThat(Plan.of(List.of("full", "adapter-jpa", "stages")).cells())
                .containsExactly(
                        new Cell(Place.ADAPTER_JPA, Workload.STAGES, 1),
                        new Cell(Place.ADAPTER_JPA, Workload.STAGES, 8),
                        new Cell(Place.ADAPTER_JPA, Workload.STAGES, 32));
    }

    @Test
    void throughputNamesTheWorkloadsFromStagesToScaling() {
        assertThat(Plan.of(List.of("full", "adapter-jpa", "throughput")).cells())
                .contains(
                        new Cell(Place.ADAPTER_JPA, Workload.STAGES, 32), new Cell(Place.ADAPTER_JPA, Workload.OWN, 32))
                .extracting(Cell::workload)
                .doesNotContain(Workload.SHAPE, Workload.RIVALS);
    }

    @Test
    void whatIsNamedIsMeasuredThoughNothingIsAskedOfIt() {
        assertThat(Plan.of(List.of("quick", "adapter-mongo", "own")).cells())
                .containsExactly(
                        new Cell(Place.ADAPTER_MONGO, Workload.OWN, 1), new Cell(Place.ADAPTER_MONGO, Workload.OWN, 8));
        assertThat(Plan.of(List.of("adapter-jpa-mysql")).cells()).isNotEmpty();
    }

    @Test
    void scalingIsOneCellInMemory() {
        assertThat(Plan.of(List.of("scaling")).cells())
                .containsExactly(new Cell(Place.ADAPTER_INMEMORY, Workload.SCALING, 2));
    }

    @Test
    void whatTakesLongIsMeasuredInFullOrByName() {
        Cell hotKey = new Cell(Place.ADAPTER_JPA, Workload.HOTKEY, 256);

        assertThat(Plan.of(List.of("quick")).cells()).doesNotContain(hotKey);
        assertThat(Plan.of(List.of("full")).cells()).contains(hotKey);
        assertThat(Plan.of(List.of("full")).places()).containsExactly(Place.values());
        assertThat(Plan.of(List.of("hotkey")).cells()).contains(hotKey).hasSize(2);
    }

    @Test
    void withoutTheirProfileRivalsAreNoCell() {
        assertThat(new Cell(Place.ADAPTER_JPA, Workload.RIVALS, 8).marks()).hasSameSizeAs(Rival.ALL);
    }

    @Test
    void anUnknownNameIsRefused() {
        assertThatThrownBy(() -> Plan.of(List.of("quick", "adapter-jdbc")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'adapter-jdbc'");
    }

    @Test
    void namesThatMeanNoCellAreRefused() {
        assertThatThrownBy(() -> Plan.of(List.of("adapter-jpa", "scaling")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("nothing is measured");
    }

    @Test
    void twoModesAreRefused() {
        assertThatThrownBy(() -> Plan.of(List.of("quick", "full")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("exclude each other");
    }

    @Test
    void theProgramKnowsTheSameNames() throws IOException {
        String program = Files.readString(Path.of("run"));
        String known = program.substring(program.indexOf("known=\"") + 7, program.indexOf("\"\nfor argument"));

        assertThat(known.replace("\\\n", "").trim().split(" +")).containsExactlyElementsOf(Main.names());
    }
}
