package io.idempotencykey.spring;

import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** The usual code of an application with Spring Data, in stages of either kind. */
class MongoStageTest {
    private static final RecoveryPoint WRITTEN = new RecoveryPoint("written");

    private static final String DATABASE = MongoServer.newDatabase();
    private static ConfigurableApplicationContext shop;
    private static MongoClient outside;
    private static MongoCollection<Document> committed;

    private final AtomicInteger runs = new AtomicInteger();
    private final KeyId id = KeyId.of("shop", UUID.randomUUID().toString());
    private final String row = UUID.randomUUID().toString();
    private MongoShop.Orders orders;
    private MongoShop.Rows rows;
    private MongoShop.Listeners listeners;
    private MongoTemplate template;
    private MongoKeyStore store;
    private MongoDatabaseFactory factory;
    private IdempotencyKeyService<ClientSession> keys;

    /** How a request is run. */
    enum Kind {
        SINGLE,
        STAGED
    }

    /** What joins the transaction that there is. */
    enum Joining {
        REQUIRED,
        SUPPORTS,
        MANDATORY,
        TEMPLATE,
        REPOSITORY
    }

    @BeforeAll
    static void start() {
        shop = MongoShop.start(MongoShop.Application.class, DATABASE);
        outside = MongoClients.create(MongoServer.url("outside"));
        committed = outside.getDatabase(DATABASE).getCollection("rows");
    }

    @AfterAll
    static void stop() {
        shop.close();
        outside.getDatabase(DATABASE).drop();
        outside.close();
    }

    @BeforeEach
    void beans() {
        orders = shop.getBean(MongoShop.Orders.class);
        rows = shop.getBean(MongoShop.Rows.class);
        listeners = shop.getBean(MongoShop.Listeners.class);
        listeners.seen.clear();
        template = shop.getBean(MongoTemplate.class);
        store = shop.getBean(MongoKeyStore.class);
        factory = shop.getBean(MongoDatabaseFactory.class);
        keys = new IdempotencyKeyService<>(shop.getBean(SpringMongoKeyStore.class));
    }

    @AfterEach
    void nothingIsBound() {
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
        assertThat(TransactionSynchronizationManager.isActualTransactionActive())
                .isFalse();
    }

    private Execution run(Kind kind, Consumer<ClientSession> work) {
        Execution execution = switch (kind) {
            case SINGLE ->
                keys.once("place", id, request(), stage -> {
                    runs.incrementAndGet();
                    work.accept(stage.transaction());
                    return Response.of(201, "text/plain", row);
                });
            case STAGED -> {
                Operation<ClientSession> operation = keys.operation("place")
                        .stage(RecoveryPoint.STARTED, stage -> {
                            runs.incrementAndGet();
                            work.accept(stage.transaction());
                        })
                        .respond(WRITTEN, stage -> Response.of(201, "text/plain", row))
                        .build();
                yield keys.run(operation, id, request());
            }
        };
        nothingIsBound();
        return execution;
    }

    private static Request request() {
        return Request.of("POST", "/orders", Map.of("quantity", 2));
    }

    private void join(Joining joining, String row) {
        switch (joining) {
            case REQUIRED -> orders.required(row);
            case SUPPORTS -> orders.supports(row);
            case MANDATORY -> orders.mandatory(row);
            case TEMPLATE -> template.insert(new MongoShop.Row(row, "template"));
            case REPOSITORY -> rows.insert(new MongoShop.Row(row, "repository"));
        }
    }

    /** Whether a row is committed, as another client sees it. */
    private static boolean isCommitted(String row) {
        return committed.countDocuments(Filters.eq(row)) == 1;
    }

    @ParameterizedTest
    @CsvSource({
        "SINGLE, REQUIRED",
        "SINGLE, SUPPORTS",
        "SINGLE, MANDATORY",
        "SINGLE, TEMPLATE",
        "SINGLE, REPOSITORY",
        "STAGED, REQUIRED",
        "STAGED, SUPPORTS",
        "STAGED, MANDATORY",
        "STAGED, TEMPLATE",
        "STAGED, REPOSITORY"
    })
    void whatJoinsATransactionIsCommittedWithTheStage(Kind kind, Joining joining) {
        Execution first = run(kind, session -> {
            join(joining, row);
            assertThat(isCommitted(row)).isFalse();
        });

        assertThat(isCommitted(row)).isTrue();
        Execution retry = run(kind, session -> join(joining, row + "-again"));
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(first.response());
        assertThat(isCommitted(row + "-again")).isFalse();
        assertThat(runs).hasValue(1);
    }
}
