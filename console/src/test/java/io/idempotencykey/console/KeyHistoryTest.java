package io.idempotencykey.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.StageOutcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is remembered of keys. */
class KeyHistoryTest {
    private static final KeyId ID = new KeyId("shop", "key");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of("card", "secret-4711"));

    private final KeyHistory history = new KeyHistory(4);
    private final InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(ArrayList::new);
    private final IdempotencyKeyService<List<String>> keys =
            IdempotencyKeyService.builder(store).listener(history).build();

    private List<Object> whatHappenedTo(IdempotencyKey key) {
        return history.of(key.id(), key.creationId()).stream()
                .map(event -> event.get("what"))
                .toList();
    }

    @Test
    void aTakeoverAndWhatWasDoneAfterItAreToldTheLatestFirst() {
        IdempotencyKey key = keys.create(ID.scope(), ID.value(), REQUEST);
        keys.lock(ID);
        store.moveTime(Duration.ofMinutes(1));
        HeldKey held = keys.lock(ID);
        keys.workStage(held, stage -> StageOutcome.respond(Response.of(201, "text/plain", "done")));

        assertThat(whatHappenedTo(key))
                .containsExactly(
                        "finished",
                        "stage 'started' committed",
                        "taken over, since its holder's lease had run out",
                        "locked",
                        "created");
        assertThat(history.of(ID, key.creationId()).get(0).get("attempt")).isEqualTo(2L);
    }

    @Test
    void muchTrafficDrivesOutWhatIsUsualButNotWhatIsNot() {
        IdempotencyKey key = keys.create(ID.scope(), ID.value(), REQUEST);
        new OperatorActions(keys).retry(key, "alice");
        for (int i = 0; i < 10; i++) {
            keys.create(ID.scope(), "other-" + i, REQUEST);
        }

        assertThat(whatHappenedTo(key)).containsExactly("retry");
        assertThat(history.of(ID, key.creationId()).get(0).get("detail")).isEqualTo("by alice");
    }

    @Test
    void anotherCreationOfTheKeyHasAHistoryOfItsOwn() {
        IdempotencyKey first = keys.create(ID.scope(), ID.value(), REQUEST);
        new OperatorActions(keys).discard(first, "alice");
        IdempotencyKey second = keys.create(ID.scope(), ID.value(), REQUEST);

        assertThat(whatHappenedTo(first)).containsExactly("discard", "created");
        assertThat(whatHappenedTo(second)).containsExactly("created");
    }

    @Test
    void whatIsKeptOfAFailureIsItsClass() {
        IdempotencyKey key = keys.create(ID.scope(), ID.value(), REQUEST);
        HeldKey held = keys.lock(ID);
        try {
            keys.workStage(held, stage -> {
                throw new IllegalStateException("secret-4711");
            });
        } catch (IllegalStateException e) {
            assertThat(e).hasMessage("secret-4711");
        }

        assertThat(history.of(ID, key.creationId()).toString())
                .contains("stage rolled back", IllegalStateException.class.getName())
                .doesNotContain("4711");
    }

    @Test
    void aFailureThatIsTriedAgainIsNotDrivenOut() {
        AtomicBoolean isFirst = new AtomicBoolean(true);
        Operation<List<String>> retried = keys.operation("order")
                .respond(RecoveryPoint.STARTED, stage -> {
                    if (isFirst.getAndSet(false)) {
                        throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
                    }
                    return Response.of(201, "text/plain", "done");
                })
                .staged()
                .build();
        keys.run(retried, ID, REQUEST);
        for (int i = 0; i < 10; i++) {
            keys.create(ID.scope(), "other-" + i, REQUEST);
        }

        assertThat(whatHappenedTo(keys.retrieve(ID))).containsExactly("stage tried again");
    }

    @Test
    void manyThreadsLoseNothingWhileThereIsRoom() throws Exception {
        int threads = 4;
        KeyHistory large = new KeyHistory(threads * KeyHistory.SHOWN);
        IdempotencyKey key = keys.create(ID.scope(), ID.value(), REQUEST);
        CyclicBarrier start = new CyclicBarrier(threads);
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Future<?>> done = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                done.add(executor.submit(() -> {
                    start.await(1, TimeUnit.MINUTES);
                    for (int i = 0; i < KeyHistory.SHOWN / threads; i++) {
                        large.onEvent(new KeyEvent.Locked(key));
                    }
                    return null;
                }));
            }
            for (Future<?> each : done) {
                each.get(1, TimeUnit.MINUTES);
            }
        } finally {
            executor.shutdownNow();
        }

        assertThat(large.of(ID, key.creationId())).hasSize(KeyHistory.SHOWN);
        large.onEvent(new KeyEvent.Quarantined(key));
        assertThat(large.of(ID, key.creationId())).hasSize(KeyHistory.SHOWN);
        assertThat(large.of(ID, key.creationId()).get(0).get("what")).isEqualTo("quarantined");
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1_000_001})
    void anImpossibleNumberOfEventsIsRefused(int events) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new KeyHistory(events))
                .withMessageContaining("'events' is " + events);
    }
}
