package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import io.micrometer.core.instrument.observation.DefaultMeterObservationHandler;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What handlers of observations, such as a tracer's, see of stages. */
class StageObservationsTest {
    private static final KeyId ID = new KeyId("shop-1", "key-1");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of("item", "tea"));
    private static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private final TestObservationRegistry registry = TestObservationRegistry.create();
    private final IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(
                    InMemoryKeyStore.<List<String>>withoutRollback(ArrayList::new))
            .listener(new StageObservations(registry))
            .build();

    private void noObservationIsOpen() {
        assertThat(registry.getCurrentObservation()).isNull();
    }

    @Test
    void eachStageIsObservedWithItsNameAndNeverAKey() {
        List<@Nullable Observation> current = new ArrayList<>();
        Operation<List<String>> operation = keys.operation("order")
                .stage(RecoveryPoint.STARTED, key -> current.add(registry.getCurrentObservation()), (stage, called) -> {
                    current.add(registry.getCurrentObservation());
                })
                .respond(CHARGED, stage -> {
                    current.add(registry.getCurrentObservation());
                    return DONE;
                })
                .build();

        keys.run(operation, ID, REQUEST);
        keys.run(operation, ID, REQUEST);

        noObservationIsOpen();
        TestObservationRegistryAssert.assertThat(registry)
                .hasNumberOfObservationsWithNameEqualTo("idempotency.stage", 2);
        TestObservationRegistryAssert.assertThat(registry)
                .hasAnObservationWithAKeyValue("stage", "charged")
                .hasAnObservationWithAKeyValue("operation", "order");
        assertThat(current).hasSize(3).doesNotContainNull();
        assertThat(current.get(0)).isSameAs(current.get(1)).isNotSameAs(current.get(2));
        assertThat(current.toString())
                .contains("order started", "order charged")
                .doesNotContain("key-1")
                .doesNotContain("shop-1");
    }

    @Test
    void aFailureIsTheObservationsError() {
        IOException failure = new IOException("gone");

        assertThat(catchThrowable(() -> keys.once("order", ID, REQUEST, stage -> {
                    throw failure;
                })))
                .isSameAs(failure);

        noObservationIsOpen();
        TestObservationRegistryAssert.assertThat(registry)
                .hasSingleObservationThat()
                .hasBeenStarted()
                .hasBeenStopped()
                .hasError(failure);
    }

    @Test
    void aTryThatMetATransientFailureIsAnEventOfTheObservation() {
        AtomicBoolean isFirst = new AtomicBoolean(true);

        keys.once("order", ID, REQUEST, stage -> {
            if (isFirst.getAndSet(false)) {
                throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
            }
            return DONE;
        });

        noObservationIsOpen();
        TestObservationRegistryAssert.assertThat(registry)
                .hasSingleObservationThat()
                .hasEvent("retry")
                .doesNotHaveError();
    }

    @Test
    void anObservationAroundTheRequestIsTheParent() {
        Observation outer = Observation.start("http", registry);
        try (Observation.Scope scope = outer.openScope()) {
            keys.once("order", ID, REQUEST, stage -> DONE);
            assertThat(registry.getCurrentObservation()).isSameAs(outer);
            assertThat(scope.isNoop()).isFalse();
        }
        outer.stop();

        TestObservationRegistryAssert.assertThat(registry)
                .hasObservationWithNameEqualTo("idempotency.stage")
                .that()
                .hasParentObservationEqualTo(outer);
    }

    @Test
    void aTryThatFailedBeforeItsStageBeganIsNoEventOfWhatIsAround() {
        List<String> events = new ArrayList<>();
        registry.observationConfig().observationHandler(new ObservationHandler<>() {
            @Override
            public void onEvent(Observation.Event event, Observation.Context context) {
                events.add(event.getName());
            }

            @Override
            public boolean supportsContext(Observation.Context context) {
                return true;
            }
        });
        StoreFailure conflict = new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
        KeyEvent retried =
                new KeyEvent.StageRetried(keys.create("shop-1", "key-2", REQUEST), 1, conflict, Duration.ofMillis(1));
        StageObservations listener = new StageObservations(registry);
        Observation outer = Observation.start("http", registry);
        try (Observation.Scope around = outer.openScope()) {
            listener.onEvent(retried);
            keys.once("order", ID, REQUEST, stage -> {
                listener.onEvent(retried);
                return DONE;
            });
            assertThat(around.isNoop()).isFalse();
        }
        outer.stop();

        assertThat(events).isEmpty();
    }

    @Test
    void anObservationThatTheStageLeftOpenDoesntGetTheStagesEvents() {
        AtomicBoolean isFirst = new AtomicBoolean(true);

        keys.once("order", ID, REQUEST, stage -> {
            if (isFirst.getAndSet(false)) {
                assertThat(Observation.start("left open", registry).openScope().isNoop())
                        .isFalse();
                throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
            }
            return DONE;
        });

        noObservationIsOpen();
        TestObservationRegistryAssert.assertThat(registry)
                .hasObservationWithNameEqualTo("idempotency.stage")
                .that()
                .hasEvent("retry")
                .hasBeenStopped();
    }

    /** A handler that throws when it is told of one thing. */
    private record Hostile(String when) implements ObservationHandler<Observation.Context> {
        private void told(String what) {
            if (what.equals(when)) {
                throw new IllegalStateException("a handler's");
            }
        }

        @Override
        public void onStart(Observation.Context context) {
            told("start");
        }

        @Override
        public void onScopeOpened(Observation.Context context) {
            told("open");
        }

        @Override
        public void onScopeClosed(Observation.Context context) {
            told("close");
        }

        @Override
        public void onError(Observation.Context context) {
            told("error");
        }

        @Override
        public void onStop(Observation.Context context) {
            told("stop");
        }

        @Override
        public boolean supportsContext(Observation.Context context) {
            return true;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"start", "open", "close", "error", "stop"})
    void whatAHandlerThrowsLeavesNoObservationOnTheThread(String when) {
        List<String> stopped = new ArrayList<>();
        ObservationRegistry its = ObservationRegistry.create();
        its.observationConfig()
                .observationHandler(context -> true)
                .observationHandler(new ObservationHandler<>() {
                    @Override
                    public void onStop(Observation.Context context) {
                        stopped.add(context.getName());
                    }

                    @Override
                    public boolean supportsContext(Observation.Context context) {
                        return true;
                    }
                })
                .observationHandler(new Hostile(when));
        IOException failure = new IOException("gone");
        IdempotencyKeyService<List<String>> observed = IdempotencyKeyService.builder(
                        InMemoryKeyStore.<List<String>>withoutRollback(ArrayList::new))
                .listener(new StageObservations(its))
                .build();

        assertThat(catchThrowable(() -> observed.once("order", ID, REQUEST, stage -> {
                    throw failure;
                })))
                .isSameAs(failure);

        assertThat(its.getCurrentObservation()).isNull();
        if (!when.equals("start") && !when.equals("stop")) {
            assertThat(stopped).containsExactly("idempotency.stage");
        }
    }

    @Test
    void theMetersThatMicrometerMakesOfObservationsAreNamedOnce() {
        SimpleMeterRegistry meters = new SimpleMeterRegistry();
        registry.observationConfig().observationHandler(new DefaultMeterObservationHandler(meters));

        aTryThatMetATransientFailureIsAnEventOfTheObservation();

        assertThat(meters.getMeters().stream().map(each -> each.getId().getName()))
                .containsExactlyInAnyOrder("idempotency.stage", "idempotency.stage.active", "idempotency.stage.retry");
    }
}
