package io.idempotencykey.inmemory;

import static io.idempotencykey.RecoveryPoint.STARTED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.ServiceBuilder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The code of docs/TESTING_APPLICATIONS.md, which is checked to be the same, as it runs. */
class TestingApplicationsPageTest {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final List<String> rows = new ArrayList<>();
    private final InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(() -> rows);
    private final IdempotencyKeyService<List<String>> keys = new IdempotencyKeyService<>(store);
    private final KeyId id = new KeyId("shop-1", "a-key");
    private final Request request = Request.of("POST", "/carts/42/complete", Map.of("quantity", 2));

    private final Operation<List<String>> completeCart = keys.operation("complete-cart")
            .stage(STARTED, stage -> stage.transaction().add("payment"))
            .respond(PAID, stage -> {
                stage.transaction().add("order");
                return Response.of(201, "text/plain", "order-1");
            })
            .answering(CartNotFound.class, e -> Response.of(404, "text/plain", "there is no such cart"))
            .build();

    private static final class CartNotFound extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    @Test
    void aRetryIsReplayed() {
        Execution first = keys.run(completeCart, id, request);
        Execution retry = keys.run(completeCart, id, request);

        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(first.response());
        assertThat(rows).containsExactly("payment", "order");
    }

    @Test
    void aDuplicateIsRefusedWhileTheFirstIsInFlight() {
        Claim claim = keys.claim(completeCart, id, request);

        assertThat(claim).isInstanceOf(Claim.Claimed.class);
        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.run(completeCart, id, request))
                .satisfies(e -> assertThat(e.httpStatus()).isEqualTo(409));
    }

    @Test
    void aRequestThatCrashedBetweenItsStagesIsResumed() {
        HeldKey held = ((Claim.Claimed) keys.claim(completeCart, id, request)).key();
        keys.workStage(completeCart, held, request);
        store.moveTime(ServiceBuilder.DEFAULT_LEASE);

        Execution resumed = keys.run(completeCart, id, request);

        assertThat(resumed.response().status()).isEqualTo(201);
        assertThat(rows).containsExactly("payment", "order");
    }

    @Test
    void aWorkerThatWasOvertakenIsFencedOff() {
        HeldKey slow = ((Claim.Claimed) keys.claim(completeCart, id, request)).key();
        store.moveTime(ServiceBuilder.DEFAULT_LEASE);
        keys.run(completeCart, id, request);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> keys.workStage(completeCart, slow, request));
    }

    @Test
    void anExpiredKeyRunsAnew() {
        keys.run(completeCart, id, request);
        store.moveTime(ServiceBuilder.DEFAULT_TIME_TO_LIVE);

        assertThat(keys.run(completeCart, id, request).replayed()).isFalse();
        assertThat(rows).containsExactly("payment", "order", "payment", "order");
    }

    @Test
    void aCallerWaitsForTheAnswer() throws Exception {
        HeldKey held = ((Claim.Claimed) keys.claim(completeCart, id, request)).key();
        CompletableFuture<Execution> waiting =
                CompletableFuture.supplyAsync(() -> keys.run(completeCart, id, request, Duration.ofMinutes(1)));

        keys.unlock(held);

        assertThat(waiting.get(1, TimeUnit.MINUTES).response().status()).isEqualTo(201);
    }

    @Test
    void anExceptionThatIsAnAnswerIsReplayed() {
        Operation<List<String>> refusing = keys.operation("refuse")
                .respond(STARTED, stage -> {
                    throw new CartNotFound();
                })
                .answering(CartNotFound.class, e -> Response.of(404, "text/plain", "there is no such cart"))
                .build();

        assertThat(keys.run(refusing, id, request).response().status()).isEqualTo(404);
        assertThat(keys.run(refusing, id, request).replayed()).isTrue();
    }

    @Test
    void aRequestWhoseServerDiedIsCompleted() {
        Completer<List<String>> completer =
                Completer.builder(keys).operation(completeCart).build();
        keys.claim(completeCart, id, request);
        store.moveTime(ServiceBuilder.DEFAULT_LEASE.plus(Duration.ofMinutes(2)));

        assertThat(completer.runOnce()).isEqualTo(1);
        assertThat(keys.run(completeCart, id, request).replayed()).isTrue();
    }
}
