package io.idempotencykey.compatibility;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoDatabase;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.bson.BsonDocument;
import org.bson.Document;
import org.bson.json.JsonMode;
import org.bson.json.JsonWriterSettings;

class MongoCompatibilityTest extends CompatibilityContract<ClientSession> {
    private static final String KEYS = "idempotency_keys";

    @SuppressWarnings("NullAway.Init") // started before each test
    private ToolServer server;

    @SuppressWarnings("NullAway.Init")
    private MongoClient client;

    @SuppressWarnings("NullAway.Init")
    private MongoDatabase database;

    @Override
    void makeTheFirstVersionsStore(FirstVersion first) throws Exception {
        server = ToolServer.start("mongo-server");
        client = MongoClients.create(server.url());
        database = client.getDatabase("shop");
        database.createCollection("effect");
        // It makes its indexes.
        FirstVersion.Server unused = firstVersion(first);
    }

    @Override
    void close() throws Exception {
        client.close();
        server.close();
    }

    @Override
    void load() {
        FirstVersion.stored("keys-mongodb.json")
                .lines()
                .forEach(
                        line -> database.getCollection(KEYS, BsonDocument.class).insertOne(BsonDocument.parse(line)));
    }

    /** The store makes its indexes. */
    @Override
    void upgrade() {}

    @Override
    FirstVersion.Server firstVersion(FirstVersion first) {
        FirstVersion.Effect effect = (handle, text) -> write((ClientSession) handle, text);
        return first.server(
                "onMongo", new Class<?>[] {MongoClient.class, String.class, BiConsumer.class}, client, "shop", effect);
    }

    @Override
    KeyStore<ClientSession> store() {
        MongoKeyStore store = new MongoKeyStore(client, "shop", KEYS);
        store.createIndexes();
        return store;
    }

    @Override
    void write(ClientSession handle, String text) {
        database.getCollection("effect").insertOne(handle, new Document("text", text));
    }

    @Override
    List<String> written() {
        return database.getCollection("effect")
                .find()
                .map(document -> document.getString("text"))
                .into(new ArrayList<>());
    }

    /** The documents that version 0.1 stores now, a line each. */
    String dump() {
        fill(firstVersion(first()));
        JsonWriterSettings exact =
                JsonWriterSettings.builder().outputMode(JsonMode.EXTENDED).build();
        StringBuilder lines = new StringBuilder();
        database.getCollection(KEYS)
                .find()
                .forEach(each -> lines.append(each.toJson(exact)).append('\n'));
        return lines.toString();
    }
}
