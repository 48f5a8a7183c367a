package io.idempotencykey.spring;

import static org.assertj.core.api.Assertions.assertThat;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import io.idempotencykey.contract.KeyStoreContract;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import java.util.Optional;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.data.mongodb.core.SimpleMongoClientDatabaseFactory;
import org.springframework.data.mongodb.core.query.Criteria;
import org.springframework.data.mongodb.core.query.Query;
import org.springframework.data.mongodb.core.query.Update;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** What every store has to do, where the stages' rows are written by a template that knows of no session. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoSpringContractTest extends KeyStoreContract<ClientSession> {
    private final String database = MongoServer.newDatabase();
    private MongoClient client;
    private MongoTemplate template;
    private SpringMongoKeyStore store;

    @BeforeAll
    void open() {
        client = MongoClients.create(MongoServer.url(database));
        SimpleMongoClientDatabaseFactory factory = new SimpleMongoClientDatabaseFactory(client, database);
        template = new MongoTemplate(factory);
        template.createCollection("rows");
        MongoKeyStore keys = new MongoKeyStore(client, database, "keys");
        keys.createIndexes();
        store = new SpringMongoKeyStore(keys, factory);
    }

    @AfterAll
    void close() {
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        client.getDatabase(database).drop();
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
        // Fails once the stage is over; the template would then write outside of it.
        assertThat(transaction.hasActiveTransaction()).isTrue();
        template.insert(new Document("_id", name).append("value", value), "rows");
    }

    @Override
    public void update(ClientSession transaction, String name, String value) {
        template.updateFirst(named(name), Update.update("value", value), "rows");
    }

    @Override
    public Optional<String> read(ClientSession transaction, String name) {
        return Optional.ofNullable(template.findOne(named(name), Document.class, "rows"))
                .map(row -> row.getString("value"));
    }

    @Override
    public Optional<String> read(String name) {
        // Not by the template, which a stage of this thread would take along.
        return Optional.ofNullable(client.getDatabase(database)
                        .getCollection("rows")
                        .find(new Document("_id", name))
                        .first())
                .map(row -> row.getString("value"));
    }

    private static Query named(String name) {
        return Query.query(Criteria.where("_id").is(name));
    }
}
