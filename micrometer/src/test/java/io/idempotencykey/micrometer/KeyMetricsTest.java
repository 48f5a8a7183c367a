package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.service.KeyEvent;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The meters that stand in the class's table, each after what it counts has happened. */
class KeyMetricsTest {
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final MeteredKeys keys = new MeteredKeys(registry);

    /** What has been counted, by name and tags, since the last call. */
    private Map<String, Double> counted() {
        Map<String, Double> counted = new TreeMap<>();
        for (Meter meter : registry.getMeters()) {
            String name = meter.getId().getName()
                    + meter.getId().getTags().stream().map(Tag::getValue).toList();
            double value = meter instanceof Timer timer
                    ? timer.count()
                    : meter.measure().iterator().next().getValue();
            counted.put(name, value);
        }
        registry.clear();
        return counted;
    }

    @Test
    void aRequestThatRunsAndItsReplayAreTimed() {
        keys.request();

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.requests[order, executed]",
                        1.0,
                        "idempotency.stages[order, committed, started]",
                        1.0));

        keys.request();

        assertThat(counted())
                .isEqualTo(Map.of("idempotency.requests[order, replayed]", 1.0, "idempotency.recalled[order]", 1.0));
    }

    @Test
    void aRequestIsTimedAsLongAsItTook() {
        keys.request();

        assertThat(registry.get("idempotency.requests").timer().totalTime(TimeUnit.NANOSECONDS))
                .isPositive();
    }

    @Test
    void aRefusalIsCountedByItsKind() {
        keys.request();
        counted();

        keys.mismatch();
        assertThat(counted()).isEqualTo(Map.of("idempotency.requests[order, mismatch]", 1.0));

        keys.locked();
        assertThat(counted()).isEqualTo(Map.of("idempotency.requests[order, locked]", 1.0));
    }

    @Test
    void whatTheApplicationThrowsIsAFailure() {
        keys.failure();

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.requests[order, failed]",
                        1.0,
                        "idempotency.stages[order, rolled-back, started]",
                        1.0));
    }

    @Test
    void triesThatMetATransientFailureAreCounted() {
        keys.retriedStage();

        assertThat(counted())
                .containsEntry("idempotency.stage.retries[order, started]", 1.0)
                .containsEntry("idempotency.stages[order, committed, started]", 1.0);
    }

    @Test
    void takeoversAndFencesAreCounted() {
        keys.takeoverAndFence();

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.takeovers[none]", 1.0, "idempotency.stages[none, fenced-off, started]", 1.0));
    }

    @Test
    void whatTheCompleterDoesIsCountedAndWhatItPutsAside() {
        keys.failureAfterTheFirstStage();
        counted();

        keys.failedCompletion();

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.completions[pay, failed]",
                        1.0,
                        "idempotency.quarantined[pay]",
                        1.0,
                        "idempotency.stages[pay, rolled-back, charged]",
                        1.0));

        keys.operation();
        assertThat(counted()).isEqualTo(Map.of("idempotency.operated[retry, pay]", 1.0));

        keys.completion();
        assertThat(counted())
                .containsEntry("idempotency.completions[pay, completed]", 1.0)
                .doesNotContainKey("idempotency.requests[pay, executed]");
    }

    @Test
    void keysThatExpireAreCounted() {
        keys.twoKeysExpire();

        assertThat(counted()).containsEntry("idempotency.expired[]", 2.0);
    }

    @Test
    void everyMeterOfTheTableIsMade() throws IOException {
        MeteredKeys.letEverythingHappen(registry);

        assertThat(registry.getMeters())
                .extracting(meter -> meter.getId().getName())
                .containsAll(MeterNames.in(KeyMetrics.class, BacklogMetrics.class));
    }

    @Test
    void noTagSaysWhichKey() {
        keys.request();

        assertThat(registry.getMeters().toString())
                .doesNotContain(MeteredKeys.ID.scope())
                .doesNotContain(MeteredKeys.ID.value())
                .doesNotContain("tea");
    }

    /** A new kind of event has to be counted, or to be added here. */
    @Test
    void everyOtherEventIsPartOfWhatIsCounted() {
        Set<String> parts = Set.of("Created", "FoundInFlight", "Locked", "Finished", "Replayed", "Refused");
        Set<String> counted = Set.of(
                "Answered",
                "NotAnswered",
                "Recalled",
                "StageCommitted",
                "StageRolledBack",
                "StageRetried",
                "FencedOff",
                "TakenOver",
                "Completed",
                "CompletionFailed",
                "Quarantined",
                "Operated",
                "Expired");
        Set<String> all = new TreeSet<>(parts);
        all.addAll(counted);

        assertThat(Stream.of(KeyEvent.class.getPermittedSubclasses()).map(Class::getSimpleName))
                .containsExactlyInAnyOrderElementsOf(all);
    }
}
