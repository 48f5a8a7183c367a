package io.idempotencykey.inmemory;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.Background;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;

/** The code of README.md and docs/OPERATING.md, which is checked to be the same, as it runs. */
class ReadmeTest {
    static final RecoveryPoint PAYMENT_DUE = RecoveryPoint.named("payment_due");
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final Payments payments = new Payments();
    private final Shop shop = new Shop();
    private final IdempotencyKeyService<List<String>> keys =
            new IdempotencyKeyService<>(InMemoryKeyStore.withoutRollback(() -> shop.rows));
    private final KeyId id = KeyId.fromHeader("shop-1", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    private final Request request =
            Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org", "quantity", 2));

    @Test
    void aRequestOfOneStageTakesOneStatement() {
        Execution one = keys.once("place-order", id, request, stage -> {
            String order = shop.placeOrder(stage.transaction());
            return Response.of(201, "text/plain", order);
        });

        assertThat(one.replayed()).isFalse();
        assertThat(shop.rows).containsExactly("order");
    }

    @Test
    void theOperationRunsOnceAndIsReplayed() {
        Operation<List<String>> completeCart = keys.operation("complete-cart")
                .stage(STARTED, stage -> shop.reserve(stage.transaction(), stage.request()))
                .stage(
                        PAYMENT_DUE,
                        key -> payments.charge(key.derivedKey("charge")),
                        (stage, charge) -> shop.recordPayment(stage.transaction(), charge))
                .respond(PAID, stage -> Response.of(201, "text/plain", shop.placeOrder(stage.transaction())))
                .answering(CartNotFound.class, e -> Response.of(404, "text/plain", "there is no such cart"))
                .build();

        Execution first = keys.run(completeCart, id, request);
        Execution retry = keys.run(completeCart, id, request);

        assertThat(first.replayed()).isFalse();
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(first.response());
        assertThat(shop.rows).containsExactly("reserved 2", "payment charge-1", "order");
    }

    @Test
    void theServiceGivesExplicitControl() {
        Map<String, Object> params = Map.of("email", "a@example.org", "quantity", 2);
        for (int attempt = 0; attempt < 2; attempt++) {
            Response response = explicitly("my-key", params);
            assertThat(response.status()).isEqualTo(204);
        }
        assertThat(shop.rows).containsExactly("reserved 2");
    }

    private Response explicitly(String header, Map<String, Object> params) {
        IdempotencyKey key = keys.initializeRequest(header, "POST", params, "/carts/42/complete");
        if (key.state() instanceof KeyState.Finished finished) {
            return finished.response();
        }
        HeldKey held = keys.lock(key.id());
        StageResult result = keys.workStage(held, stage -> {
            shop.reserve(stage.transaction(), stage.request());
            return StageOutcome.respond(Response.of(204, new byte[0]));
        });
        return ((StageResult.Finished) result).response();
    }

    @Test
    void errorsSayWhatToAnswer() {
        keys.initializeRequest("my-key", "POST", Map.of("quantity", 1), "/carts/42/complete");

        assertThatExceptionOfType(IdempotencyException.class)
                .isThrownBy(() -> keys.initializeRequest("my-key", "POST", Map.of("quantity", 2), "/carts/42/complete"))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(422));
    }

    @Test
    void aTestOfAnApplicationNeedsThreeLines() {
        List<String> rows = new ArrayList<>();
        InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(() -> rows);
        IdempotencyKeyService<List<String>> service = new IdempotencyKeyService<>(store);

        assertThat(service.create("", "my-key", Request.of("POST", "/", Map.of()))
                        .attempts())
                .isZero();
    }

    @Test
    void whatIsLeftBehindIsCompletedAndReaped() {
        Operation<List<String>> completeCart = keys.operation("complete-cart")
                .respond(STARTED, stage -> Response.of(204, new byte[0]))
                .build();

        try (Background background = keys.background(completeCart)
                .abandonedAfter(Duration.ofMinutes(1))
                .start()) {
            assertThat(background.isRunning()).isTrue();
        }
    }

    @Test
    void aSchedulerOfTheApplicationsOwnCallsTheSame() {
        Operation<List<String>> completeCart = keys.operation("complete-cart")
                .respond(STARTED, stage -> Response.of(204, new byte[0]))
                .build();

        Completer<List<String>> completer =
                Completer.builder(keys).operation(completeCart).build();
        Reaper reaper = new Reaper(keys);

        assertThat(completer.runOnce() + reaper.runOnce()).isZero();
    }

    @Test
    void anOperatorActs() {
        OperatorActions actions = new OperatorActions(keys);
        List<IdempotencyKey> quarantined = actions.listQuarantined(null, null, 100);
        for (IdempotencyKey key : quarantined) {
            actions.retry(key, "alice");
        }

        assertThat(quarantined).isEmpty();
        IdempotencyKey key = keys.create("", "looked-at", Request.of("POST", "/carts", Map.of()));
        IdempotencyKey unchanged = actions.retrieveUnchanged(key.id(), key.creationId(), key.updatedAt());
        actions.discard(unchanged, "alice");
    }

    @Test
    void anOperatorCounts() {
        OperatorActions actions = new OperatorActions(keys);

        Backlog backlog = actions.backlog();
        boolean somebodyMustLook =
                backlog.quarantined() > 0 || backlog.longestWait().compareTo(Duration.ofMinutes(10)) > 0;

        assertThat(somebodyMustLook).isFalse();
    }

    @Test
    void aListenerCounts() {
        InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(() -> shop.rows);
        Map<String, Integer> counters = new ConcurrentHashMap<>();

        IdempotencyKeyService<List<String>> watched = IdempotencyKeyService.builder(store)
                .listener(event -> counters.merge(event.getClass().getSimpleName(), 1, Integer::sum))
                .build();

        watched.create("", "my-key", Request.of("POST", "/", Map.of()));
        assertThat(counters).containsExactly(Map.entry("Created", 1));
    }

    private static final class CartNotFound extends Exception {
        private static final long serialVersionUID = 1L;
    }

    private static final class Payments {
        private int charges;

        String charge(String idempotencyKey) throws IOException {
            assertThat(idempotencyKey).hasSize(36);
            return "charge-" + ++charges;
        }
    }

    private static final class Shop {
        final List<String> rows = new ArrayList<>();

        void reserve(List<String> transaction, Request request) throws CartNotFound {
            long quantity = request.typed().integer("quantity");
            if (quantity == 0) {
                throw new CartNotFound();
            }
            transaction.add("reserved " + quantity);
        }

        void recordPayment(List<String> transaction, String charge) {
            transaction.add("payment " + charge);
        }

        String placeOrder(List<String> transaction) {
            transaction.add("order");
            return "order-1";
        }
    }
}
