package io.idempotencykey.micrometer;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import java.util.Objects;

/**
 * Puts an observation named {@code idempotency.stage} around each stage, which a registry's handlers make spans and
 * timers of.
 *
 * <p>It lasts from before the stage's outside call to after its commit, with all tries, and is the current one of the
 * thread meanwhile: calls of the stage to other systems and to the database become its children. It has the key values
 * {@code operation} and {@code stage}, never a key, scope or parameter; an event {@code idempotency.stage.retry} for
 * each try that met a transient failure; and the exception that reaches the caller. A replay has none, because it runs
 * no stage.
 *
 * <p>Safe for many threads.
 */
public final class StageObservations implements KeyListener {
    private static final Observation.Event RETRY = Observation.Event.of("idempotency.stage.retry", "retry");

    private final ObservationRegistry registry;

    /**
     * Observations in a registry.
     *
     * @param registry whose handlers are told
     */
    public StageObservations(ObservationRegistry registry) {
        this.registry =
                Objects.requireNonNull(registry, "argument 'registry' is null; an observation registry is required");
    }

    @Override
    public void onEvent(KeyEvent event) {
        Observation current = registry.getCurrentObservation();
        if (event instanceof KeyEvent.StageRetried && current != null) {
            current.event(RETRY);
        }
    }

    @Override
    public StageObservation stageBegins(IdempotencyKey key) {
        String operation = KeyMetrics.named(key.operation());
        String stage = key.recoveryPoint().name();
        Observation observation = Observation.createNotStarted("idempotency.stage", registry)
                .contextualName(operation + " " + stage)
                .lowCardinalityKeyValue("operation", operation)
                .lowCardinalityKeyValue("stage", stage)
                .start();
        Observation.Scope scope = observation.openScope();
        return failure -> {
            scope.close();
            if (failure != null) {
                observation.error(failure);
            }
            observation.stop();
        };
    }
}
