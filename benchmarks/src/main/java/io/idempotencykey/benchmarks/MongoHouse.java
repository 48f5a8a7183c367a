package io.idempotencykey.benchmarks;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.result.InsertManyResult;
import com.mongodb.client.result.InsertOneResult;
import io.idempotencykey.mongo.MongoKeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.bson.BsonBinary;
import org.bson.BsonDocument;
import org.bson.BsonString;
import org.bson.Document;

/**
 * The MongoDB adapter against hand-written code on the driver; each side has a client and a database of its own. The
 * server is that of {@code MONGODB_URI}, or else the stand-in of {@code tools/mongo-server}.
 */
final class MongoHouse implements House {
    static final String KEYS = "idempotency_keys";
    static final String BOOKINGS = "bookings";

    /** How many documents one command inserts. */
    private static final int BATCH = 1_000;

    private final Tool tool;
    private final AtomicInteger number = new AtomicInteger();
    private final Set<Open> open = ConcurrentHashMap.newKeySet();

    /** How many keys are asked for. The stand-in takes a while for each, and so it has few. */
    private final int stored;

    /** A database that is to be dropped, and the client that writes to it. */
    private record Open(MongoClient client, String database) {}

    MongoHouse() throws Exception {
        this.tool = Tool.start("MONGODB_URI", "mongo-server");
        this.stored = tool.isGiven() ? 32_768 : 1_000;
        if (tool.isGiven()) {
            Runtime.getRuntime().addShutdownHook(new Thread(this::dropAll));
        }
    }

    @Override
    public Contest contest(Cell cell) throws Exception {
        return Contest.prepared(contest -> {
            Workload workload = cell.workload();
            MongoClient client = contest.closing(client());
            MongoDatabase database = database(contest, client);
            // Another service than the one that is measured makes the keys.
            MongoKeyStore store = new MongoKeyStore(client, database.getName(), KEYS);
            Library<ClientSession> filling = library(store, database);
            fill(database, workload, filling::stages, filling::hold);
            contest.add(measured(cell, () -> library(store, database)));

            MongoClient clientByHand = contest.closing(client());
            MongoDatabase databaseByHand = database(contest, clientByHand);
            HandWrittenDriver driver = new HandWrittenDriver(clientByHand, databaseByHand);
            fill(databaseByHand, workload, driver::stages, driver::hold);
            contest.add(
                    new Contestant(Marks.DRIVER, roundTrips(workload), cell.threads(), workload.task(driver, stored)));
        });
    }

    /** The library's single commands aren't sent twice by the driver, so neither are those by hand. */
    private MongoClient client() {
        return MongoClients.create(MongoClientSettings.builder()
                .applyConnectionString(new ConnectionString(tool.url()))
                .retryWrites(false)
                .build());
    }

    private static Library<ClientSession> library(MongoKeyStore store, MongoDatabase database) {
        MongoCollection<Document> bookings = database.getCollection(BOOKINGS);
        return new Library<>(store, (session, id, content) -> book(bookings, session, id, content));
    }

    /** Writes a row of the application's, on either side. */
    static void book(MongoCollection<Document> bookings, ClientSession session, String id, String content) {
        InsertOneResult unused = bookings.insertOne(session, new Document("_id", id).append("content", content));
    }

    private Contestant measured(Cell cell, Supplier<Library<ClientSession>> making) {
        Workload workload = cell.workload();
        boolean isOwn = workload == Workload.OWN;
        Contestant.Task task = workload == Workload.REPLAY ? replaying(making) : workload.task(making.get(), stored);
        return new Contestant(Marks.LIBRARY, isOwn ? 0 : roundTrips(workload), cell.threads(), task);
    }

    /** A service is asked for half of the keys only, lest it know a key that it is asked for. */
    private Contestant.Task replaying(Supplier<Library<ClientSession>> making) {
        Renewed replay = new Renewed(() -> {
            Library<ClientSession> service = making.get();
            return number -> service.replay(Example.storedKey(number, stored));
        });
        return Contestant.Task.inTurn(number -> {
            replay.run(number);
            if ((number + 1) % (stored / 2) == 0) {
                replay.renew();
            }
        });
    }

    /** A database with the collections and the indexes. The stand-in's go when it ends: it takes seconds to drop one. */
    private MongoDatabase database(Contest contest, MongoClient client) {
        MongoDatabase database = client.getDatabase("benchmark"
                + ProcessHandle.current().pid() + "_" + System.currentTimeMillis() + "_" + number.incrementAndGet());
        if (tool.isGiven()) {
            Open opened = new Open(client, database.getName());
            open.add(opened);
            AutoCloseable unused = contest.closing(() -> {
                database.drop();
                open.remove(opened);
            });
        }
        new MongoKeyStore(client, database.getName(), KEYS).createIndexes();
        database.createCollection(BOOKINGS);
        return database;
    }

    /** Leaves nothing on somebody else's server if the process is ended early. */
    private void dropAll() {
        // A write after the drop would make the database anew.
        open.forEach(each -> each.client.close());
        if (!open.isEmpty()) {
            try (MongoClient client = client()) {
                open.forEach(each -> client.getDatabase(each.database).drop());
            }
        }
    }

    private void fill(MongoDatabase database, Workload workload, Consumer<String> finished, Consumer<String> held) {
        if (!workload.makesKeys()) {
            (workload == Workload.REFUSED ? held : finished).accept("sample");
            copySample(database.getCollection(KEYS, BsonDocument.class));
        }
    }

    private void copySample(MongoCollection<BsonDocument> keys) {
        BsonDocument sample = keys.find().first();
        if (sample == null) {
            throw new IllegalStateException("there is no sample");
        }
        for (int from = 0; from < stored; from += BATCH) {
            List<BsonDocument> copies = new ArrayList<>();
            for (int i = from; i < Math.min(from + BATCH, stored); i++) {
                BsonDocument copy = sample.clone();
                copy.put("_id", new BsonString(Example.SCOPE + " " + Example.storedKey(i, stored)));
                copy.put("revision", new BsonBinary(UUID.randomUUID()));
                copies.add(copy);
            }
            InsertManyResult unused = keys.insertMany(copies);
        }
    }

    /** As docs/PROTOCOL.md says, with the transactions' commits, and as many by hand. */
    private static double roundTrips(Workload workload) {
        return switch (workload) {
            case STAGES, SCALING -> 7;
            case SINGLE -> 4;
            case REPLAY, REFUSED, OWN -> 2;
            case RETRIEVE -> 1;
            case HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> Double.NaN;
        };
    }

    @Override
    public double serverNanos() {
        return tool.nanos();
    }

    @Override
    public void close() {
        tool.close();
    }
}
