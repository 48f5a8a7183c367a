package io.idempotencykey.mongo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Updates;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import java.util.UUID;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.data.annotation.Id;
import org.springframework.data.mongodb.core.MongoTemplate;

/** The code of docs/MONGODB.md, and Spring Data's template in a stage. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoDocumentationTest {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final String shop = TestServer.newName();
    private MongoClient client;
    private MongoCollection<Document> carts;
    private MongoCollection<Document> orders;

    record Order(@Id String id, String cart) {}

    @BeforeAll
    void open() {
        client = TestServer.client();
        carts = client.getDatabase(shop).getCollection("carts");
        orders = client.getDatabase(shop).getCollection("orders");
        client.getDatabase(shop).createCollection("orders");
        client.getDatabase(shop).createCollection("order");
    }

    @AfterAll
    void close() {
        TestServer.drop(client.getDatabase(shop));
        client.close();
    }

    private IdempotencyKeyService<ClientSession> keys() {
        MongoKeyStore store = new MongoKeyStore(client, shop, "idempotency_keys");
        store.createIndexes();
        IdempotencyKeyService<ClientSession> keys = new IdempotencyKeyService<>(store);
        return keys;
    }

    @Test
    void aStagePassesItsSessionToItsOperations() {
        IdempotencyKeyService<ClientSession> keys = keys();
        String cartId = UUID.randomUUID().toString();
        carts.insertOne(new Document("_id", cartId).append("state", "open"));

        Operation<ClientSession> completeCart = keys.operation("complete-cart")
                .stage(RecoveryPoint.STARTED, stage -> {
                    ClientSession session = stage.transaction();
                    carts.updateOne(session, Filters.eq(cartId), Updates.set("state", "paid"));
                })
                .respond(PAID, stage -> {
                    orders.insertOne(stage.transaction(), new Document("cart", cartId));
                    return Response.of(201, "text/plain", "ordered");
                })
                .build();

        KeyId id = KeyId.of(cartId);
        Execution first = keys.run(completeCart, id, Keys.REQUEST);
        Execution retry = keys.run(completeCart, id, Keys.REQUEST);
        assertThat(first.replayed()).isFalse();
        assertThat(retry.replayed()).isTrue();
        assertThat(orders.countDocuments(Filters.eq("cart", cartId))).isEqualTo(1);
        assertThat(carts.find(Filters.eq(cartId)).first()).containsEntry("state", "paid");
    }

    @Test
    void springDatasTemplateWritesInTheStagesTransaction() {
        IdempotencyKeyService<ClientSession> keys = keys();
        String cartId = UUID.randomUUID().toString();

        MongoTemplate template = new MongoTemplate(client, shop);
        Operation<ClientSession> placeOrder = keys.operation("place-order")
                .respond(RecoveryPoint.STARTED, stage -> {
                    template.withSession(stage.transaction()).insert(new Order(cartId, cartId));
                    return Response.of(201, "text/plain", "ordered");
                })
                .build();

        assertThat(keys.run(placeOrder, KeyId.of(cartId), Keys.REQUEST).replayed())
                .isFalse();
        assertThat(keys.run(placeOrder, KeyId.of(cartId), Keys.REQUEST).replayed())
                .isTrue();
        assertThat(template.findById(cartId, Order.class)).isEqualTo(new Order(cartId, cartId));
    }

    @Test
    void whatSpringDatasTemplateWroteIsRolledBackWithTheStage() {
        IdempotencyKeyService<ClientSession> keys = keys();
        MongoTemplate template = new MongoTemplate(client, shop);
        String cartId = UUID.randomUUID().toString();
        IllegalStateException thrown = new IllegalStateException("no stock");
        Operation<ClientSession> failing = keys.operation("place-order")
                .branch(RecoveryPoint.STARTED, stage -> {
                    template.withSession(stage.transaction()).insert(new Order(cartId, cartId));
                    assertThat(template.findById(cartId, Order.class)).isNull();
                    throw thrown;
                })
                .build();

        assertThatThrownBy(() -> keys.run(failing, KeyId.of(cartId), Keys.REQUEST))
                .isSameAs(thrown);

        assertThat(template.findById(cartId, Order.class)).isNull();
        assertThatExceptionOfType(IdempotencyException.NotFound.class)
                .isThrownBy(() -> keys.retrieve(KeyId.of(cartId)));
    }

    /** Spring wraps the driver's conflict in an exception of its own: the stage is run again all the same. */
    @Test
    void aConflictThatSpringDataTranslatesRunsTheStageAgain() {
        IdempotencyKeyService<ClientSession> keys = keys();
        MongoTemplate template = new MongoTemplate(client, shop);
        String cartId = UUID.randomUUID().toString();
        template.insert(new Order(cartId, "old"));
        int[] runs = new int[1];
        Operation<ClientSession> changing = keys.operation("change-order")
                .branch(RecoveryPoint.STARTED, stage -> {
                    var inStage = template.withSession(stage.transaction());
                    assertThat(inStage.findById(cartId, Order.class)).isNotNull();
                    if (++runs[0] == 1) {
                        template.save(new Order(cartId, "meanwhile"));
                    }
                    inStage.save(new Order(cartId, "new"));
                    return StageOutcome.respond(Response.of(200, new byte[0]));
                })
                .build();

        keys.run(changing, KeyId.of(cartId), Keys.REQUEST);

        assertThat(runs[0]).isEqualTo(2);
        assertThat(template.findById(cartId, Order.class)).isEqualTo(new Order(cartId, "new"));
    }
}
