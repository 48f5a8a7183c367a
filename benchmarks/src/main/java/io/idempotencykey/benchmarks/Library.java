package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageContext;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.util.Map;
import org.hibernate.jpa.HibernatePersistenceConfiguration;

/** Runs requests as an application does with the library: through the service, with rows as entities. */
final class Library implements Side {
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    static final String OPERATION = "place-order";
    static final Map<String, Object> PARAMETERS = Map.of("cart", 42, "email", "a@example.org", "express", true);
    static final String PATH = "/carts/42/complete";
    static final String BODY = "{\"order\":\"8e03978e-40d5-43dd-bc93-6894a57f9324\",\"total\":\"42.00\"}";

    private final HikariDataSource pool;
    private final EntityManagerFactory factory;
    private final JpaKeyStore store;
    private final IdempotencyKeyService<EntityManager> service;
    private final Operation<EntityManager> staged;

    Library(String url, int connections, Server.Given given) {
        this.pool = Server.pool(url, connections, given);
        this.factory = factory(pool);
        this.store = new JpaKeyStore(factory);
        this.service = new IdempotencyKeyService<>(store);
        this.staged = service.operation(OPERATION)
                .respond(RecoveryPoint.STARTED, Library::place)
                .staged()
                .build();
    }

    static EntityManagerFactory factory(HikariDataSource pool) {
        HibernatePersistenceConfiguration configuration = new HibernatePersistenceConfiguration("benchmark");
        configuration.managedClass(Booking.class);
        configuration.property("hibernate.connection.datasource", pool);
        return configuration.createEntityManagerFactory();
    }

    IdempotencyKeyService<EntityManager> service() {
        return service;
    }

    JpaKeyStore store() {
        return store;
    }

    /** Another service over the same database, as another instance of the application would have it. */
    IdempotencyKeyService<EntityManager> anotherService() {
        return new IdempotencyKeyService<>(store);
    }

    @Override
    public void request(String key) {
        HeldKey started = claim(key);
        respond(advance(started));
    }

    HeldKey claim(String key) {
        Claim claim = service.claim(KeyId.of("shop", key), request());
        return claim instanceof Claim.Claimed claimed ? claimed.key() : unexpected(key);
    }

    HeldKey advance(HeldKey held) {
        StageResult result = service.workStage(held, stage -> {
            stage.transaction().persist(new Booking(held.id().value() + "-1", "reserved"));
            return StageOutcome.advanceTo(PAID);
        });
        return result instanceof StageResult.Held next
                ? next.key()
                : unexpected(held.id().value());
    }

    void respond(HeldKey held) {
        service.workStage(held, stage -> {
            stage.transaction().persist(new Booking(held.id().value() + "-2", "placed"));
            return StageOutcome.respond(Response.of(201, "application/json", BODY));
        });
    }

    /** Runs a new request of one stage in one transaction. */
    void once(String key) {
        check(service.once(OPERATION, KeyId.of("shop", key), request(), Library::place), false);
    }

    /** Repeats a request of one stage as its client does, by the same call. */
    void onceMore(String key) {
        check(service.once(OPERATION, KeyId.of("shop", key), request(), Library::place), true);
    }

    /** Runs a new request of one stage in two transactions: a claim, and the stage. */
    void staged(String key) {
        check(service.run(staged, KeyId.of("shop", key), request()), false);
    }

    private static Response place(StageContext<EntityManager> stage) {
        stage.transaction().persist(new Booking(stage.key().id().value(), "placed"));
        return Response.of(201, "application/json", BODY);
    }

    private static Request request() {
        return Request.of("POST", PATH, PARAMETERS);
    }

    private static void check(Execution execution, boolean replayed) {
        if (execution.replayed() != replayed || execution.response().status() != 201) {
            throw new IllegalStateException("another execution: " + execution);
        }
    }

    /** Repeats a request, and returns when it has the stored response. */
    void replay(String key) {
        Claim claim = service.claim(KeyId.of("shop", key), request());
        Response response = claim instanceof Claim.Replay replay ? replay.response() : unexpected(key);
        if (response.status() != 201) {
            throw new IllegalStateException("another response: " + response.status());
        }
    }

    /** Replays a key that is known to exist, so that it need not be claimed first. */
    void retrieve(String key) {
        service.retrieve(KeyId.of("shop", key));
    }

    @SuppressWarnings("TypeParameterUnusedInFormals")
    private static <V> V unexpected(String key) {
        throw new IllegalStateException("the key is in another state: " + key);
    }

    @Override
    public void close() {
        factory.close();
        pool.close();
    }
}
