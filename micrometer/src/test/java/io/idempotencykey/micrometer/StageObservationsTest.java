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
import io.idempotencykey.service.Operation;
import io.micrometer.observation.Observation;
import io.micrometer.observation.tck.TestObservationRegistry;
import io.micrometer.observation.tck.TestObservationRegistryAssert;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

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
                .hasEvent("idempotency.stage.retry")
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
}
