package io.idempotencykey.benchmarks;

import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.ServiceBuilder;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Requests as an application does them with the library, on any store.
 *
 * @param <T> the store's transaction handle
 */
final class Library<T> implements Requests {
    /** Where a request may stand, by the number of its stages that are done. */
    private static final List<RecoveryPoint> POINTS = IntStream.range(0, 50)
            .mapToObj(number -> RecoveryPoint.named("paid-" + number))
            .toList();

    /** How many of the longest answers a service keeps. */
    private static final int ANSWERS = 16;

    /** Such an answer, with what else is counted of its key. */
    private static final Shape LONG_ANSWER =
            new Shape("", 1, "x".repeat(ServiceBuilder.DEFAULT_REPLAY_CACHE_BYTES / ANSWERS - 4_096));

    private final KeyStore<T> store;
    private final Rows<T> rows;
    private final IdempotencyKeyService<T> service;

    /** How a stage writes a row of the application's. */
    @FunctionalInterface
    interface Rows<T> {
        void write(T transaction, String id, String content);
    }

    /** A service on the store, with all settings as they are by default. */
    Library(KeyStore<T> store, Rows<T> rows) {
        this.store = store;
        this.rows = rows;
        this.service = new IdempotencyKeyService<>(store);
    }

    /**
     * Fills the room that the service has for answers, if finished keys are to be asked for, lest it keep those.
     *
     * @return this
     */
    Library<T> readyFor(Workload workload) {
        if (workload == Workload.REPLAY) {
            for (int i = 0; i < ANSWERS; i++) {
                staged(Example.newKey(), LONG_ANSWER);
            }
        }
        return this;
    }

    IdempotencyKeyService<T> service() {
        return service;
    }

    @Override
    public void stages(String key) {
        staged(key, Shape.USUAL);
    }

    void staged(String key, Shape shape) {
        HeldKey held = claim(key);
        for (int stage = 1; stage < shape.stages(); stage++) {
            held = advance(held, stage);
        }
        respond(held, shape);
    }

    HeldKey claim(String key) {
        return claimed(service.claim(id(key), request()));
    }

    /** Holds a key for a day, as another instance of the application. */
    void hold(String key) {
        HeldKey unused = claimed(IdempotencyKeyService.builder(store)
                .lease(Duration.ofHours(24))
                .build()
                .claim(id(key), request()));
    }

    private static HeldKey claimed(Claim claim) {
        return claim instanceof Claim.Claimed claimed ? claimed.key() : unexpected(claim);
    }

    HeldKey advance(HeldKey held) {
        return advance(held, 1);
    }

    private HeldKey advance(HeldKey held, int number) {
        StageResult result = service.workStage(held, stage -> {
            rows.write(stage.transaction(), held.id().value() + "-" + number, "reserved");
            return StageOutcome.advanceTo(POINTS.get(number));
        });
        return result instanceof StageResult.Held next ? next.key() : unexpected(result);
    }

    private void respond(HeldKey held, Shape shape) {
        StageResult result = service.workStage(held, stage -> {
            rows.write(stage.transaction(), held.id().value() + "-" + shape.stages(), "placed");
            return StageOutcome.respond(Response.of(201, "application/json", shape.body()));
        });
        if (result instanceof StageResult.Held) {
            throw new IllegalStateException("the key isn't finished: " + result);
        }
    }

    @Override
    public void single(String key) {
        Execution execution = service.once(Example.OPERATION, id(key), request(), stage -> {
            rows.write(stage.transaction(), stage.key().id().value(), "placed");
            return Response.of(201, "application/json", Example.BODY);
        });
        if (execution.replayed()) {
            throw new IllegalStateException("the key isn't new: " + key);
        }
    }

    @Override
    public void replay(String key) {
        Claim claim = service.claim(id(key), request());
        check(claim instanceof Claim.Replay replay ? replay.response() : unexpected(claim));
    }

    @Override
    public void retrieve(String key) {
        KeyState state = service.retrieve(id(key)).state();
        check(state instanceof KeyState.Finished finished ? finished.response() : unexpected(state));
    }

    private static void check(Response response) {
        if (response.status() != 201) {
            throw new IllegalStateException("another response: " + response.status());
        }
    }

    @Override
    public void refused(String key) {
        Claim claim = service.claim(id(key), request());
        if (!(claim instanceof Claim.InFlight)) {
            throw new IllegalStateException("nobody holds the key: " + claim);
        }
    }

    private static KeyId id(String key) {
        return KeyId.of(Example.SCOPE, key);
    }

    static Request request() {
        return Request.of("POST", Example.PATH, Example.PARAMETERS);
    }

    @SuppressWarnings("TypeParameterUnusedInFormals")
    private static <V> V unexpected(Object found) {
        throw new IllegalStateException("the key is in another state: " + found);
    }
}
