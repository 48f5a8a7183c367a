package io.idempotencykey.mongo;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Updates;
import io.idempotencykey.contract.KeyStoreContract;
import io.idempotencykey.port.KeyStore;
import java.util.Optional;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoContractTest extends KeyStoreContract<ClientSession> {
    private final String database = TestServer.newName();
    private MongoClient client;
    private MongoCollection<Document> rows;
    private MongoKeyStore store;

    @BeforeAll
    void open() {
        client = TestServer.client();
        rows = client.getDatabase(database).getCollection("rows");
        client.getDatabase(database).createCollection("rows");
        store = new MongoKeyStore(client, database, "keys");
        store.createIndexes();
    }

    @AfterAll
    void close() {
        TestServer.drop(client.getDatabase(database));
        client.close();
    }

    @Override
    public KeyStore<ClientSession> store() {
        return store;
    }

    @Override
    public KeyStore<ClientSession> emptyStore() {
        client.getDatabase(database).getCollection("keys").deleteMany(new Document());
        return store;
    }

    @Override
    public void insert(ClientSession transaction, String name, String value) {
        rows.insertOne(transaction, new Document("_id", name).append("value", value));
    }

    @Override
    public void update(ClientSession transaction, String name, String value) {
        rows.updateOne(transaction, Filters.eq(name), Updates.set("value", value));
    }

    @Override
    public Optional<String> read(ClientSession transaction, String name) {
        return Optional.ofNullable(rows.find(transaction, Filters.eq(name)).first())
                .map(row -> row.getString("value"));
    }

    @Override
    public Optional<String> read(String name) {
        return Optional.ofNullable(rows.find(Filters.eq(name)).first()).map(row -> row.getString("value"));
    }
}
