package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageOutcome;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The meters that stand in the class's table, each after what it counts has happened. */
class KeyMetricsTest {
    private static final KeyId ID = new KeyId("shop-1", "key-1");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of("item", "tea"));
    private static final Request OTHER_REQUEST = Request.of("POST", "/orders", Map.of("item", "coffee"));
    private static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(ArrayList::new);
    private final List<KeyEvent> events = new ArrayList<>();
    private final IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(store)
            .listener(new KeyMetrics(registry))
            .listener(events::add)
            .build();

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

    private Operation<List<String>> failing(Exception failure) {
        return keys.operation("pay")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> {
                    throw failure;
                })
                .maxAttempts(2)
                .build();
    }

    @Test
    void aRequestThatRunsAndItsReplayAreTimed() {
        keys.once("order", ID, REQUEST, stage -> DONE);

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.requests[order, executed]",
                        1.0,
                        "idempotency.stages[order, committed, started]",
                        1.0));

        keys.once("order", ID, REQUEST, stage -> DONE);

        assertThat(counted()).isEqualTo(Map.of("idempotency.requests[order, replayed]", 1.0));
    }

    @Test
    void aRequestIsTimedAsLongAsItTook() {
        keys.once("order", ID, REQUEST, stage -> DONE);

        assertThat(registry.get("idempotency.requests").timer().totalTime(TimeUnit.NANOSECONDS))
                .isPositive();
    }

    @Test
    void aRefusalIsCountedByItsKind() {
        HeldKey held = keys.lock(keys.create("shop-1", "key-1", REQUEST).id());
        assertThat(held.id()).isEqualTo(ID);
        Operation<List<String>> undeclared = keys.operation("order")
                .respond(RecoveryPoint.STARTED, stage -> DONE)
                .build();

        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> keys.run(undeclared, ID, OTHER_REQUEST));
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.once("order", lockedWhileRunning(), REQUEST, stage -> DONE));

        assertThat(counted())
                .containsEntry("idempotency.requests[order, mismatch]", 1.0)
                .containsEntry("idempotency.requests[order, locked]", 1.0);
    }

    /** A key that another request of the same operation holds. */
    private KeyId lockedWhileRunning() {
        KeyId other = new KeyId("shop-1", "key-2");
        Operation<List<String>> staged = keys.operation("order")
                .respond(RecoveryPoint.STARTED, stage -> DONE)
                .staged()
                .build();
        keys.claim(staged, other, REQUEST);
        return other;
    }

    @Test
    void whatTheApplicationThrowsIsAFailure() {
        assertThat(catchThrowable(() -> keys.once("order", ID, REQUEST, stage -> {
                    throw new IOException("gone");
                })))
                .isInstanceOf(IOException.class);

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.requests[order, failed]",
                        1.0,
                        "idempotency.stages[order, rolled-back, started]",
                        1.0));
    }

    @Test
    void triesThatMetATransientFailureAreCounted() {
        AtomicBoolean isFirst = new AtomicBoolean(true);

        keys.once("order", ID, REQUEST, stage -> {
            if (isFirst.getAndSet(false)) {
                throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
            }
            return DONE;
        });

        assertThat(counted())
                .containsEntry("idempotency.stage.retries[order, started]", 1.0)
                .containsEntry("idempotency.stages[order, committed, started]", 1.0);
    }

    @Test
    void takeoversAndFencesAreCounted() {
        HeldKey stale = keys.lock(keys.create("shop-1", "key-1", REQUEST).id());
        store.moveTime(Duration.ofMinutes(1));
        keys.lock(ID);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> keys.workStage(stale, stage -> StageOutcome.respond(DONE)));

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.takeovers[none]", 1.0, "idempotency.stages[none, fenced-off, started]", 1.0));
    }

    @Test
    void whatTheCompleterDoesIsCountedAndWhatItPutsAside() {
        Operation<List<String>> failing = failing(new IOException("gone"));
        assertThat(catchThrowable(() -> keys.run(failing, ID, REQUEST))).isInstanceOf(IOException.class);
        counted();

        store.moveTime(Duration.ofMinutes(2));
        Completer.builder(keys).operation(failing).build().runOnce();

        assertThat(counted())
                .isEqualTo(Map.of(
                        "idempotency.completions[pay, failed]",
                        1.0,
                        "idempotency.quarantined[pay]",
                        1.0,
                        "idempotency.stages[pay, rolled-back, charged]",
                        1.0));

        new OperatorActions(keys).retry(ID, "alice");
        assertThat(counted()).isEqualTo(Map.of("idempotency.operated[retry, pay]", 1.0));

        store.moveTime(Duration.ofMinutes(2));
        Operation<List<String>> mended = keys.operation("pay")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> DONE)
                .build();
        Completer.builder(keys).operation(mended).build().runOnce();

        assertThat(counted())
                .containsEntry("idempotency.completions[pay, completed]", 1.0)
                .doesNotContainKey("idempotency.requests[pay, executed]");
    }

    @Test
    void keysThatExpireAreCounted() {
        keys.once("order", ID, REQUEST, stage -> DONE);
        keys.once("order", new KeyId("shop-1", "key-2"), REQUEST, stage -> DONE);
        counted();
        store.moveTime(Duration.ofHours(25));

        new Reaper(keys).runOnce();

        assertThat(counted()).isEqualTo(Map.of("idempotency.expired[]", 2.0));
    }

    @Test
    void noTagSaysWhichKey() {
        keys.once("order", ID, REQUEST, stage -> DONE);

        assertThat(registry.getMeters().toString())
                .doesNotContain(ID.scope())
                .doesNotContain(ID.value())
                .doesNotContain("tea");
    }

    /** A new kind of event has to be counted, or to be added here. */
    @Test
    void everyOtherEventIsPartOfWhatIsCounted() {
        Set<String> parts = Set.of("Created", "FoundInFlight", "Locked", "Finished", "Replayed", "Refused");
        Set<String> counted = Set.of(
                "Answered",
                "NotAnswered",
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
