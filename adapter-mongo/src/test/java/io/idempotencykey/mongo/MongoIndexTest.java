package io.idempotencykey.mongo;

import static io.idempotencykey.contract.Services.askingTheStore;
import static io.idempotencykey.mongo.Keys.REQUEST;
import static io.idempotencykey.mongo.Keys.RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoDatabase;
import io.idempotencykey.Backlog;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageOutcome;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.bson.BsonArray;
import org.bson.BsonDocument;
import org.bson.BsonInt32;
import org.bson.BsonString;
import org.bson.BsonValue;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** How the server runs the commands among 5,000 keys, and among 100,000 in the profile {@code databases}. */
@Tag("databases")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoIndexTest {
    private static final int KEYS = Integer.getInteger("test.keys", 5_000);
    private static final Instant NOW = Keys.AT.plusSeconds(30);

    private final RecordedCommands commands = new RecordedCommands();
    private final Deque<TestServer> closing = new ArrayDeque<>();
    private MongoClient client;
    private MongoDatabase database;
    private MongoKeyStore store;

    /** Fills the collection, mostly with finished keys, as in an application. */
    @BeforeAll
    void open() {
        // A server of its own, because transactions that other tests left open would keep all documents in its cache.
        String url = System.getenv("MONGODB_URI");
        if (url == null) {
            TestServer server = TestServer.start();
            closing.push(server);
            url = server.ownUrl();
        }
        client = TestServer.client(url, settings -> settings.addCommandListener(commands));
        database = client.getDatabase(TestServer.newName());
        store = new MongoKeyStore(client, database.getName(), "keys");
        List<BsonDocument> batch = new ArrayList<>();
        for (int i = 0; i < KEYS; i++) {
            KeyState state = switch (i % 1_000) {
                case 0, 10, 20, 30, 40, 50, 60 -> new KeyState.Open(RecoveryPoint.STARTED, NOW.minusMillis(i));
                case 1 -> new KeyState.Locked(RecoveryPoint.STARTED, NOW.minusSeconds(60), NOW.minusMillis(i));
                case 2, 9 -> new KeyState.Quarantined(RecoveryPoint.STARTED, NOW.minusMillis(i), "a reason");
                case 3 -> new KeyState.Finished(RESPONSE, Keys.AT, NOW.minusMillis(i));
                default -> new KeyState.Finished(RESPONSE, Keys.AT, NOW.plusMillis(i + 1));
            };
            BsonDocument document = KeyDocument.insert(Keys.key(state), null);
            document.append("scope", new BsonString("scope" + i % 7));
            document.append("_id", new BsonString("scope" + i % 7 + " " + i));
            batch.add(document);
            if (batch.size() == 5_000) {
                database.getCollection("keys", BsonDocument.class).insertMany(batch);
                batch.clear();
            }
        }
        store.createIndexes();
    }

    @AfterAll
    void close() {
        TestServer.drop(database);
        client.close();
        closing.forEach(TestServer::close);
    }

    @BeforeEach
    void forget() {
        commands.forget();
    }

    /** Every find that was sent used an index; every update singles out its document by the identity. */
    private void assertThatNothingIsScanned() {
        List<BsonDocument> sent = commands.texts();
        for (BsonDocument command : sent) {
            if (command.containsKey("find") || command.containsKey("aggregate")) {
                assertThat(plan(command)).containsPattern("IXSCAN|IDHACK").doesNotContain("COLLSCAN");
                if (command.containsKey("sort")) {
                    assertThat(command.get("sort")).isEqualTo(command.get("hint"));
                }
            } else if (command.containsKey("updates") || command.containsKey("deletes")) {
                String statements = command.containsKey("updates") ? "updates" : "deletes";
                BsonDocument filter =
                        command.getArray(statements).get(0).asDocument().getDocument("q");
                assertThat(filter.getFirstKey()).isEqualTo("_id");
            }
        }
        assertThat(sent).isNotEmpty();
    }

    private String plan(BsonDocument sent) {
        BsonDocument command = new BsonDocument();
        command.putAll(sent);
        for (String ofTheEnvelope : Set.of("$db", "lsid", "$clusterTime", "$readPreference", "txnNumber")) {
            command.remove(ofTheEnvelope);
        }
        Document explained = database.runCommand(
                new BsonDocument("explain", command).append("verbosity", new BsonString("queryPlanner")));
        return explained
                .getEmbedded(List.of("queryPlanner", "winningPlan"), Document.class)
                .toJson();
    }

    @Test
    void aClaimAStageAndAReplayUseTheIdentity() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = new KeyId("scope3", UUID.randomUUID().toString());

        HeldKey held = ((Claim.Claimed) service.claim(id, REQUEST)).key();
        service.workStage(service.renew(held), stage -> StageOutcome.respond(RESPONSE));
        service.claim(id, REQUEST);
        service.retrieve(id);

        assertThat(commands.names()).contains("insert", "find", "update");
        assertThatNothingIsScanned();
    }

    @Test
    void resumptionUsesItsIndex() {
        List<StoredKey> any = store.findResumable(Map.of(), null, NOW, 10);
        List<StoredKey> some = store.findResumable(
                Map.of(
                        "complete-cart", Set.of(RecoveryPoint.STARTED, RecoveryPoint.named("paid")),
                        "cancel-cart", Set.of(RecoveryPoint.STARTED)),
                "scope2",
                NOW,
                10);

        assertThat(any).isNotEmpty().allMatch(key -> key.id().scope().equals("scope0"));
        assertThat(some).isNotEmpty().allMatch(key -> key.id().scope().equals("scope3"));
        assertThatNothingIsScanned();
    }

    @Test
    void listingTheUnfinishedUsesItsIndexes() {
        List<StoredKey> first = store.findUnfinished(null, null, NOW, 3);
        List<StoredKey> ofScope = store.findUnfinished("scope3", null, NOW, 2);

        assertThat(first).hasSize(3);
        assertThat(store.findUnfinished(null, first.get(2).id(), due(first.get(2)), 3))
                .hasSize(3)
                .doesNotContainAnyElementsOf(first);
        assertThat(ofScope).hasSize(2).allMatch(key -> key.id().scope().equals("scope3"));
        assertThat(store.findUnfinished("scope3", ofScope.get(1).id(), due(ofScope.get(1)), 2))
                .hasSize(2)
                .doesNotContainAnyElementsOf(ofScope)
                .allMatch(key -> key.id().scope().equals("scope3"));
        assertThat(store.countByOperation(NOW, 10)).isNotEmpty();
        assertThatNothingIsScanned();
    }

    private static Instant due(StoredKey key) {
        return key.key().state() instanceof KeyState.Open open
                ? open.resumableFrom()
                : ((KeyState.Locked) key.key().state()).leaseEnds();
    }

    @Test
    void quarantineUsesItsIndexes() {
        List<StoredKey> first = store.findQuarantined(null, null, NOW, 2);
        KeyId last = first.get(1).id();
        Instant since = ((KeyState.Quarantined) first.get(1).key().state()).since();

        assertThat(first).hasSize(2);
        assertThat(store.findQuarantined(null, last, since, 1_000)).isNotEmpty().doesNotContainAnyElementsOf(first);
        assertThat(store.findQuarantined(last.scope(), null, NOW, 1_000))
                .contains(first.get(1))
                .allMatch(key -> key.id().scope().equals(last.scope()));
        List<StoredKey> ofScope = store.findQuarantined(last.scope(), null, NOW, 2);
        assertThat(ofScope).hasSize(2);
        assertThat(store.findQuarantined(
                        last.scope(),
                        ofScope.get(0).id(),
                        ((KeyState.Quarantined) ofScope.get(0).key().state()).since(),
                        1))
                .containsExactly(ofScope.get(1));
        assertThatNothingIsScanned();
    }

    @Test
    void countingUsesItsIndexes() {
        Backlog backlog = store.backlog(NOW);

        int thousands = KEYS / 1_000;
        Instant oldest = NOW.minusMillis(KEYS - 1_000 + 60);
        // Of a thousand, the key at the very instant is not among the seven open ones and the one whose lease is over.
        assertThat(backlog).isEqualTo(new Backlog(NOW, 8L * thousands - 1, Optional.of(oldest), 2L * thousands));
        assertThat(commands.names()).containsExactly("aggregate", "aggregate");
        assertThatNothingIsScanned();
    }

    /** The server that stands in for MongoDB reads the documents all the same; MongoDB does not. */
    @Test
    void countingAsksForNothingThatIsNotInItsIndexes() {
        Backlog unused = store.backlog(NOW);

        for (BsonDocument command : commands.texts()) {
            BsonArray pipeline = command.getArray("pipeline");
            BsonDocument filter = pipeline.get(0).asDocument().getDocument("$match");
            BsonDocument group = pipeline.get(1).asDocument().getDocument("$group");
            Set<String> wanted = new HashSet<>(filter.keySet());
            group.values().stream()
                    .filter(BsonValue::isDocument)
                    .flatMap(accumulator -> accumulator.asDocument().values().stream())
                    .filter(BsonValue::isString)
                    .forEach(field -> wanted.add(field.asString().getValue().replaceFirst("^\\$", "")));
            assertThat(pipeline).hasSize(2);
            assertThat(command.getDocument("hint").keySet()).containsAll(wanted);
        }
        assertThat(commands.texts()).hasSize(2);
    }

    @Test
    void reapingUsesItsIndex() {
        assertThat(store.deleteExpired(NOW, 2)).isEqualTo(2);

        assertThat(commands.names()).containsExactly("find", "delete");
        assertThat(commands.texts().get(0).get("limit")).isEqualTo(new BsonInt32(2));
        assertThatNothingIsScanned();
    }
}
