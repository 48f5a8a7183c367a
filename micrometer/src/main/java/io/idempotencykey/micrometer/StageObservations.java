package io.idempotencykey.micrometer;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.ObservationView;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Puts an observation named {@code idempotency.stage} around each stage, which a registry's handlers make spans and
 * timers of.
 *
 * <p>It lasts from before the stage's outside call to after its commit, with all tries, and is the current one of the
 * thread meanwhile: calls of the stage to other systems and to the database become its children. It has the key values
 * {@code operation} and {@code stage}, never a key, scope or parameter; an event {@code retry} for
 * each try that met a transient failure; and the exception that reaches the caller. A replay has none, because it runs
 * no stage.
 *
 * <p>Safe for many threads.
 */
public final class StageObservations implements KeyListener {
    private static final Observation.Event RETRY = Observation.Event.of("retry");

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

    /** What an observation is made of, which also knows whose it is; no handler is shown the key. */
    private static final class StageOfKey extends Observation.Context {
        private final KeyId id;

        StageOfKey(KeyId id) {
            this.id = id;
        }
    }

    @Override
    public void onEvent(KeyEvent event) {
        if (!(event instanceof KeyEvent.StageRetried retried)) {
            return;
        }
        // Another observation is the current one if the stage hasn't begun yet, or if something has put its own on top.
        ObservationView each = registry.getCurrentObservation();
        while (each != null) {
            if (each instanceof Observation observation
                    && observation.getContext() instanceof StageOfKey stage
                    && stage.id.equals(retried.key().id())) {
                observation.event(RETRY);
                return;
            }
            each = each.getContextView().getParentObservation();
        }
    }

    @Override
    public StageObservation stageBegins(IdempotencyKey key) {
        String operation = KeyMetrics.named(key.operation());
        String stage = key.recoveryPoint().name();
        Observation observation = Observation.createNotStarted(
                        "idempotency.stage", () -> new StageOfKey(key.id()), registry)
                .contextualName(operation + " " + stage)
                .lowCardinalityKeyValue("operation", operation)
                .lowCardinalityKeyValue("stage", stage)
                .start();
        Observation.Scope before = registry.getCurrentObservationScope();
        Observation.Scope scope;
        try {
            scope = observation.openScope();
        } catch (Throwable e) {
            registry.setCurrentObservationScope(before);
            observation.stop();
            throw e;
        }
        return failure -> end(observation, scope, before, failure);
    }

    /** Ends an observation also if a handler throws, which would else stay the thread's current one for ever. */
    private void end(
            Observation observation,
            Observation.Scope scope,
            Observation.@Nullable Scope before,
            @Nullable Throwable failure) {
        try {
            scope.close();
        } catch (Throwable e) {
            registry.setCurrentObservationScope(before);
            throw e;
        } finally {
            try {
                if (failure != null) {
                    observation.error(failure);
                }
            } finally {
                observation.stop();
            }
        }
    }
}
