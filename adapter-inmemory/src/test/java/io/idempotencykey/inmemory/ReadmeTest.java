package io.idempotencykey.inmemory;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperationRunner;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.Schedule;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The code of README.md and docs/OPERATING.md, which is checked to be the same, as it runs. */
class ReadmeTest {
    static final RecoveryPoint PAYMENT_DUE = RecoveryPoint.named("payment_due");
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final Payments payments = new Payments();
    private final Shop shop = new Shop();
    private final IdempotencyKeyService<List<String>> keys =
            new IdempotencyKeyService<>(new InMemoryKeyStore<>(() -> shop.rows));

    @Test
    void theOperationRunsOnceAndIsReplayed() {
        Operation<List<String>> completeCart = Operation.<List<String>>named("complete-cart")
                .stage(STARTED, stage -> {
                    shop.reserve(stage.transaction(), stage.request());
                    return StageOutcome.advanceTo(PAYMENT_DUE);
                })
                .stage(PAYMENT_DUE, key -> payments.charge(key.derivedKey("charge")), (stage, charge) -> {
                    shop.recordPayment(stage.transaction(), charge);
                    return StageOutcome.advanceTo(PAID);
                })
                .stage(PAID, stage -> {
                    String order = shop.placeOrder(stage.transaction());
                    return StageOutcome.respond(Response.of(201, "text/plain", order));
                })
                .build();

        OperationRunner<List<String>> runner = new OperationRunner<>(keys);
        KeyId id = KeyId.fromHeader("shop-1", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
        Request request = Request.of("POST", "/carts/42/complete", Map.of("email", "a@example.org"));

        Execution first = runner.run(completeCart, id, request);
        Execution retry = runner.run(completeCart, id, request);

        assertThat(first.replayed()).isFalse();
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(first.response());
        assertThat(shop.rows).containsExactly("reserved", "payment charge-1", "order");
    }

    @Test
    void theServiceGivesExplicitControl() {
        Map<String, Object> params = Map.of("email", "a@example.org");

        IdempotencyKey key = keys.initializeRequest("my-key", "POST", params, "/carts/42/complete");
        HeldKey held = keys.lock(key.id());
        StageResult result = keys.workStage(held, stage -> {
            shop.reserve(stage.transaction(), stage.request());
            return StageOutcome.advanceTo(PAYMENT_DUE);
        });
        HeldKey next = ((StageResult.Held) result).key();
        keys.update(next, StageOutcome.respond(Response.of(204, new byte[0])));

        assertThat(keys.retrieve(key.id()).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
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
        InMemoryKeyStore<List<String>> store = new InMemoryKeyStore<>(() -> rows);
        IdempotencyKeyService<List<String>> service = new IdempotencyKeyService<>(store);

        assertThat(service.create("", "my-key", Request.of("POST", "/", Map.of()))
                        .attempts())
                .isZero();
    }

    @Test
    void whatIsLeftBehindIsCompletedAndReaped() {
        Operation<List<String>> completeCart = Operation.<List<String>>named("complete-cart")
                .stage(STARTED, stage -> StageOutcome.respond(Response.of(204, new byte[0])))
                .build();

        Completer<List<String>> completer = Completer.builder(keys)
                .operation(completeCart)
                .abandonedAfter(Duration.ofMinutes(1))
                .build();
        Reaper reaper = new Reaper(keys);
        Schedule completing = new Schedule("completer", Duration.ofSeconds(10), completer::runOnce);
        Schedule reaping = new Schedule("reaper", Duration.ofMinutes(1), reaper::runOnce);

        completing.close();
        reaping.close();
        assertThat(completer.runOnce() + reaper.runOnce()).isZero();
    }

    @Test
    void anOperatorActs() {
        OperatorActions actions = new OperatorActions(keys);
        List<IdempotencyKey> quarantined = actions.listQuarantined(null, 100);
        for (IdempotencyKey key : quarantined) {
            actions.retry(key.id(), "alice");
        }

        assertThat(quarantined).isEmpty();
    }

    @Test
    void aListenerCounts() {
        InMemoryKeyStore<List<String>> store = new InMemoryKeyStore<>(() -> shop.rows);
        Map<String, Integer> counters = new ConcurrentHashMap<>();

        IdempotencyKeyService<List<String>> watched = IdempotencyKeyService.builder(store)
                .listener(event -> counters.merge(event.getClass().getSimpleName(), 1, Integer::sum))
                .build();

        watched.create("", "my-key", Request.of("POST", "/", Map.of()));
        assertThat(counters).containsExactly(Map.entry("Created", 1));
    }

    private static final class Payments {
        private int charges;

        String charge(String idempotencyKey) {
            assertThat(idempotencyKey).hasSize(36);
            return "charge-" + ++charges;
        }
    }

    private static final class Shop {
        final List<String> rows = new ArrayList<>();

        void reserve(List<String> transaction, Request request) {
            Map<String, @Nullable Object> parameters = request.parameters();
            assertThat(parameters).containsKey("email");
            transaction.add("reserved");
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
