package io.idempotencykey.micrometer;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.time.Duration;
import java.util.Objects;

/**
 * Counts and times what happens to keys, in a meter registry.
 *
 * <pre>{@code
 * IdempotencyKeyService.builder(store).listener(new KeyMetrics(registry)).build();
 * }</pre>
 *
 * <table>
 * <caption>Meters, each with the tag {@code operation}, which is {@code none} where no operation is declared</caption>
 * <tr><th>name</th><th>is a</th><th>further tags</th></tr>
 * <tr><td>{@code idempotency.requests}</td><td>timer of the calls of {@code run} and {@code once}</td>
 * <td>{@code outcome}: {@code executed}, {@code replayed}, {@code failed} (by the application), or the kind of the
 * library's exception, such as {@code locked} or {@code mismatch}</td></tr>
 * <tr><td>{@code idempotency.recalled}</td><td>counter of the answers that a service gave without asking the store</td>
 * <td></td></tr>
 * <tr><td>{@code idempotency.stages}</td><td>timer</td><td>{@code stage}; {@code outcome}: {@code committed}, {@code
 * rolled-back}, {@code fenced-off}</td></tr>
 * <tr><td>{@code idempotency.stage.retries}</td><td>counter of the tries that met a transient failure</td>
 * <td>{@code stage}</td></tr>
 * <tr><td>{@code idempotency.takeovers}</td><td>counter of the keys taken over from an expired lease</td><td></td></tr>
 * <tr><td>{@code idempotency.completions}</td><td>counter of the completer's requests</td><td>{@code outcome}: {@code
 * completed}, {@code failed}</td></tr>
 * <tr><td>{@code idempotency.quarantined}</td><td>counter of the keys that were put aside</td><td></td></tr>
 * <tr><td>{@code idempotency.operated}</td><td>counter of what operators did</td><td>{@code action}: {@code retry},
 * {@code finish}, {@code discard}</td></tr>
 * <tr><td>{@code idempotency.expired}</td><td>counter of the keys that the reaper removed, without the tag {@code
 * operation}</td><td></td></tr>
 * </table>
 *
 * <p>Keys, scopes and parameters are never tags. The number of series is bounded by the names that the application
 * gives to operations and recovery points. Safe for many threads.
 */
public final class KeyMetrics implements KeyListener {
    private static final String OUTCOME = "outcome";

    private final MeterRegistry registry;

    /**
     * Metrics in a registry.
     *
     * @param registry where the meters are made, each when it is needed first
     */
    public KeyMetrics(MeterRegistry registry) {
        this.registry = Objects.requireNonNull(registry, "argument 'registry' is null; a meter registry is required");
    }

    @Override
    public void onEvent(KeyEvent event) {
        if (event instanceof KeyEvent.Answered answered) {
            String outcome = answered.execution().replayed() ? "replayed" : "executed";
            time("requests", of(answered.execution().key()).and(OUTCOME, outcome), answered.duration());
        } else if (event instanceof KeyEvent.NotAnswered not) {
            time("requests", operation(not.operation()).and(OUTCOME, not.reason()), not.duration());
        } else if (event instanceof KeyEvent.Recalled recalled) {
            count("recalled", of(recalled.key()), 1);
        } else if (event instanceof KeyEvent.StageCommitted committed) {
            stage(committed.key(), committed.stage(), "committed", committed.duration());
        } else if (event instanceof KeyEvent.StageRolledBack failed) {
            stage(failed.key(), failed.key().recoveryPoint(), "rolled-back", failed.duration());
        } else if (event instanceof KeyEvent.FencedOff fenced) {
            stage(fenced.key(), fenced.key().recoveryPoint(), "fenced-off", fenced.duration());
        } else if (event instanceof KeyEvent.StageRetried retried) {
            count(
                    "stage.retries",
                    of(retried.key()).and("stage", retried.key().recoveryPoint().name()),
                    1);
        } else if (event instanceof KeyEvent.TakenOver taken) {
            count("takeovers", of(taken.key()), 1);
        } else if (event instanceof KeyEvent.Completed completed) {
            count("completions", of(completed.key()).and(OUTCOME, "completed"), 1);
        } else if (event instanceof KeyEvent.CompletionFailed failed) {
            count("completions", of(failed.key()).and(OUTCOME, "failed"), 1);
        } else if (event instanceof KeyEvent.Quarantined quarantined) {
            count("quarantined", of(quarantined.key()), 1);
        } else if (event instanceof KeyEvent.Operated operated) {
            count("operated", of(operated.key()).and("action", operated.action()), 1);
        } else if (event instanceof KeyEvent.Expired expired) {
            count("expired", Tags.empty(), expired.count());
        }
        // The others are parts of these.
    }

    private static Tags of(IdempotencyKey key) {
        return operation(key.operation());
    }

    private static Tags operation(String name) {
        return Tags.of("operation", named(name));
    }

    /** Many systems don't take a tag without a value. */
    static String named(String operation) {
        return operation.isEmpty() ? "none" : operation;
    }

    private void stage(IdempotencyKey key, RecoveryPoint stage, String outcome, Duration duration) {
        time("stages", of(key).and("stage", stage.name(), OUTCOME, outcome), duration);
    }

    private void time(String name, Tags tags, Duration duration) {
        registry.timer("idempotency." + name, tags).record(duration);
    }

    private void count(String name, Tags tags, int amount) {
        registry.counter("idempotency." + name, tags).increment(amount);
    }
}
