package io.idempotencykey.micrometer;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperatorActions;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageOutcome;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/** What can happen to a key of a new store, told to a registry: one method for each. */
final class MeteredKeys {
    static final KeyId ID = new KeyId("shop-1", "key-1");
    private static final KeyId OTHER_ID = new KeyId("shop-1", "key-2");
    private static final Request REQUEST = Request.of("POST", "/orders", Map.of("item", "tea"));
    private static final Request OTHER_REQUEST = Request.of("POST", "/orders", Map.of("item", "coffee"));
    private static final RecoveryPoint CHARGED = RecoveryPoint.named("charged");
    private static final Response DONE = Response.of(201, "text/plain", "done");

    private final InMemoryKeyStore<List<String>> store = InMemoryKeyStore.withoutRollback(ArrayList::new);
    private final IdempotencyKeyService<List<String>> keys;

    MeteredKeys(MeterRegistry registry) {
        keys = IdempotencyKeyService.builder(store)
                .listener(new KeyMetrics(registry))
                .build();
    }

    /** Lets everything happen that is counted or shown, each with a key of its own store. */
    static void letEverythingHappen(MeterRegistry registry) {
        MeteredKeys served = new MeteredKeys(registry);
        new BacklogMetrics(new OperatorActions(served.keys)).bindTo(registry);
        served.request();
        served.request();
        served.mismatch();
        served.locked();
        new MeteredKeys(registry).failure();
        new MeteredKeys(registry).retriedStage();
        new MeteredKeys(registry).takeoverAndFence();
        new MeteredKeys(registry).twoKeysExpire();
        MeteredKeys abandoned = new MeteredKeys(registry);
        abandoned.failureAfterTheFirstStage();
        abandoned.failedCompletion();
        abandoned.operation();
        abandoned.completion();
    }

    /** A request that runs, and is replayed from the second time on. */
    void request() {
        keys.once("order", ID, REQUEST, stage -> DONE);
    }

    /** Another request under the key of {@link #request}. */
    void mismatch() {
        assertThatExceptionOfType(IdempotencyException.Mismatch.class)
                .isThrownBy(() -> keys.once("order", ID, OTHER_REQUEST, stage -> DONE));
    }

    /** A request whose key another one of the same operation holds. */
    void locked() {
        Operation<List<String>> staged = keys.operation("order")
                .respond(RecoveryPoint.STARTED, stage -> DONE)
                .staged()
                .build();
        keys.claim(staged, OTHER_ID, REQUEST);

        assertThatExceptionOfType(IdempotencyException.Locked.class)
                .isThrownBy(() -> keys.once("order", OTHER_ID, REQUEST, stage -> DONE));
    }

    void failure() {
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> keys.once("order", ID, REQUEST, stage -> {
                    throw new IOException("gone");
                }));
    }

    void retriedStage() {
        AtomicBoolean isFirst = new AtomicBoolean(true);
        keys.once("order", ID, REQUEST, stage -> {
            if (isFirst.getAndSet(false)) {
                throw new StoreFailure(StoreFailure.Kind.TRANSIENT, "a conflict", null);
            }
            return DONE;
        });
    }

    void takeoverAndFence() {
        HeldKey stale = keys.lock(keys.create(ID.scope(), ID.value(), REQUEST).id());
        store.moveTime(Duration.ofMinutes(1));
        keys.lock(ID);

        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> keys.workStage(stale, stage -> StageOutcome.respond(DONE)));
    }

    void failureAfterTheFirstStage() {
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> keys.run(failing(), ID, REQUEST));
    }

    /** The completer goes on with {@link #failureAfterTheFirstStage}, and puts the key aside. */
    void failedCompletion() {
        complete(failing());
    }

    void operation() {
        new OperatorActions(keys).retry(keys.retrieve(ID), "alice");
    }

    /** The completer goes on after {@link #operation}, and the stage is mended. */
    void completion() {
        complete(keys.operation("pay")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> DONE)
                .build());
    }

    void twoKeysExpire() {
        keys.once("order", ID, REQUEST, stage -> DONE);
        keys.once("order", OTHER_ID, REQUEST, stage -> DONE);
        store.moveTime(Duration.ofHours(25));
        new Reaper(keys).runOnce();
    }

    private void complete(Operation<List<String>> operation) {
        store.moveTime(Duration.ofMinutes(2));
        Completer.builder(keys).operation(operation).build().runOnce();
    }

    private Operation<List<String>> failing() {
        return keys.operation("pay")
                .stage(RecoveryPoint.STARTED, stage -> {})
                .respond(CHARGED, stage -> {
                    throw new IOException("gone");
                })
                .maxAttempts(2)
                .build();
    }
}
