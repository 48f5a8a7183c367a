package v01;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperationRunner;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.time.Duration;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/** An application of version 0.1. It is compiled against that version, and reached by Java's own types alone. */
public final class Server<T> implements BiFunction<String, String, String>, Consumer<String> {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final IdempotencyKeyService<T> keys;
    private final OperationRunner<T> runner;
    private final BiConsumer<Object, String> effect;

    private Server(KeyStore<T> store, BiConsumer<Object, String> effect) {
        this.effect = effect;
        keys = IdempotencyKeyService.builder(store).timeToLive(Duration.ofDays(3650)).build();
        runner = new OperationRunner<>(keys);
    }

    public static Server<EntityManager> onJpa(EntityManagerFactory factory, BiConsumer<Object, String> effect) {
        return new Server<>(new JpaKeyStore(factory), effect);
    }

    public static Server<ClientSession> onMongo(
            MongoClient client, String database, BiConsumer<Object, String> effect) {
        MongoKeyStore store = new MongoKeyStore(client, database, "idempotency_keys");
        store.createIndexes();
        return new Server<>(store, effect);
    }

    private static Request request(String value) {
        return Request.of(
                "POST", "/carts/" + value, Map.of("email", "ädä@example.org", "total", 12.50, "note", "a\u0000b"));
    }

    private Operation<T> operation(String value, String failing) {
        return Operation.<T>named("two-stages")
                .maxAttempts(failing.equals("quarantined") ? 1 : 100)
                .stage(RecoveryPoint.STARTED, stage -> {
                    failIf(failing.equals("at once"));
                    effect.accept(stage.transaction(), value + " reserved");
                    return StageOutcome.advanceTo(PAID);
                })
                .stage(PAID, stage -> {
                    failIf(!failing.isEmpty());
                    effect.accept(stage.transaction(), value + " ordered");
                    return StageOutcome.respond(
                            Response.of(201, "text/plain; charset=utf-8", "ördered " + value).withHeader("X-By", "0.1"));
                })
                .build();
    }

    private Operation<T> oneStage(String value) {
        return Operation.<T>named("one-stage")
                .stage(RecoveryPoint.STARTED, stage -> {
                    effect.accept(stage.transaction(), value + " ordered");
                    return StageOutcome.respond(Response.of(201, "text/plain; charset=utf-8", "ördered " + value));
                })
                .build();
    }

    private static void failIf(boolean asked) {
        if (asked) {
            throw new IllegalStateException("it fails, as it was asked to");
        }
    }

    /** Runs a request, as the second text says; returns what its client gets, or its derived key. */
    @Override
    public String apply(String value, String failing) {
        if (failing.equals("derived key")) {
            return keys.retrieve(KeyId.of(value)).derivedKey("charge");
        }
        try {
            Operation<T> operation = failing.equals("one stage") ? oneStage(value) : operation(value, failing);
            Execution execution = runner.run(operation, KeyId.of(value), request(value));
            return execution.response().status() + " " + new String(execution.response().body(), "UTF-8");
        } catch (IdempotencyException e) {
            return e.getClass().getSimpleName() + " " + e.httpStatus();
        } catch (IllegalStateException | java.io.UnsupportedEncodingException e) {
            return String.valueOf(e.getMessage());
        }
    }

    /** Leaves a key in a state: {@code created}, {@code locked}; or completes whatever was left, with {@code complete}. */
    @Override
    public void accept(String state) {
        switch (state) {
            case "created" -> keys.create("", "created", request("created"));
            case "locked" -> keys.lock(keys.create("", "locked", request("locked")).id(), Duration.ofMillis(1));
            case "complete" ->
                Completer.builder(keys)
                        .abandonedAfter(Duration.ofMillis(1))
                        .operation(operation("left", ""))
                        .build()
                        .runOnce();
            default -> throw new IllegalArgumentException(state);
        }
    }
}
