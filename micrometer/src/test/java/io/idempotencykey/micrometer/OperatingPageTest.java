package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.KeyListener;
import io.idempotencykey.service.OperatorActions;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The code and the table of docs/OPERATING.md. */
class OperatingPageTest {
    private final MeterRegistry meters = new SimpleMeterRegistry();
    private final KeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(ArrayList::new);

    @Test
    void twoLinesRegisterEverything() {
        ObservationRegistry observations = ObservationRegistry.create();
        IdempotencyKeyService<List<String>> keys = IdempotencyKeyService.builder(store)
                .listener(new KeyMetrics(meters))
                .listener(new StageObservations(observations))
                .build();
        new BacklogMetrics(new OperatorActions(keys)).bindTo(meters);

        keys.once("order", KeyId.of("1"), Request.of("POST", "/", Map.of()), stage -> Response.of(200, new byte[0]));

        assertThat(meters.getMeters())
                .extracting(meter -> meter.getId().getName())
                .contains("idempotency.requests", "idempotency.stages", "idempotency.backlog");
    }

    /** A logging context as there are several; that of the thread is enough here. */
    private static final class ContextListener implements KeyListener {
        private final Map<String, String> context = new HashMap<>();

        @Override
        public void onEvent(KeyEvent event) {}

        @Override
        public StageObservation stageBegins(IdempotencyKey key) {
            context.put("operation", key.operation());
            return failure -> context.remove("operation");
        }
    }

    @Test
    void aStageHasALoggingContext() {
        ContextListener listener = new ContextListener();
        IdempotencyKeyService<List<String>> keys =
                IdempotencyKeyService.builder(store).listener(listener).build();
        List<Map<String, String>> seen = new ArrayList<>();

        keys.once("order", KeyId.of("1"), Request.of("POST", "/", Map.of()), stage -> {
            seen.add(Map.copyOf(listener.context));
            return Response.of(200, new byte[0]);
        });

        assertThat(seen).containsExactly(Map.of("operation", "order"));
        assertThat(listener.context).isEmpty();
    }

    @Test
    void thePageNamesEachMeter() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "OPERATING.md"));
        Set<String> names = MeterNames.in(KeyMetrics.class, BacklogMetrics.class, StageObservations.class);

        assertThat(names)
                .hasSizeGreaterThan(10)
                .allSatisfy(name -> assertThat(page).contains("`" + name + "`"));
    }
}
