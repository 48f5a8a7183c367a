package io.idempotencykey.benchmarks;

import com.mongodb.MongoException;
import com.mongodb.MongoWriteException;
import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.TransactionOptions;
import com.mongodb.WriteConcern;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.bson.BsonBinary;
import org.bson.BsonBoolean;
import org.bson.BsonDateTime;
import org.bson.BsonDocument;
import org.bson.BsonInt32;
import org.bson.BsonInt64;
import org.bson.BsonString;
import org.bson.Document;
import org.jspecify.annotations.Nullable;

/**
 * Hand-written code on MongoDB's driver, with as many commands as the library, the same concerns, the same fields and
 * the same indexes: the limit.
 *
 * <p>A claim inserts the key. A stage's transaction writes its document, updates the key if it has the known revision,
 * and commits. A request of one stage inserts the key first and updates it last. What the server labels as transient is
 * run again. Nobody looks up lost commits, ends transactions of dead holders, or takes a key over.
 */
final class HandWrittenDriver implements Requests {
    private static final int DUPLICATE = 11000;
    private static final TransactionOptions OPTIONS = TransactionOptions.builder()
            .readConcern(ReadConcern.SNAPSHOT)
            .writeConcern(WriteConcern.MAJORITY.withJournal(true))
            .readPreference(ReadPreference.primary())
            .maxCommitTime(10L, TimeUnit.SECONDS)
            .build();
    private static final Duration LEASE = Duration.ofSeconds(30);

    private final MongoClient client;
    private final MongoCollection<BsonDocument> keys;
    private final MongoCollection<Document> bookings;

    HandWrittenDriver(MongoClient client, MongoDatabase database) {
        this.client = client;
        this.keys = database.getCollection(MongoHouse.KEYS, BsonDocument.class)
                .withReadPreference(ReadPreference.primary())
                .withReadConcern(ReadConcern.MAJORITY)
                .withWriteConcern(WriteConcern.MAJORITY.withJournal(true));
        this.bookings = database.getCollection(MongoHouse.BOOKINGS);
    }

    @Override
    public void stages(String key) {
        UUID claimed = UUID.randomUUID();
        UUID paid = UUID.randomUUID();
        if (!insert(null, locked(key, "", Example.fingerprint(), claimed))) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
        transaction(session -> {
            MongoHouse.book(bookings, session, key + "-1", "reserved");
            update(session, key, claimed, advanced(paid));
        });
        transaction(session -> {
            MongoHouse.book(bookings, session, key + "-2", "placed");
            update(session, key, paid, finished());
        });
    }

    @Override
    public void single(String key) {
        UUID taken = UUID.randomUUID();
        String fingerprint = Example.fingerprint();
        transaction(session -> {
            if (!insert(session, locked(key, Example.OPERATION, fingerprint, taken))) {
                throw new IllegalStateException("the key is in another state: " + key);
            }
            MongoHouse.book(bookings, session, key, "placed");
            update(session, key, taken, finished());
        });
    }

    /** Claims a new key, and leaves it for a day. */
    void hold(String key) {
        BsonDocument held = locked(key, "", Example.fingerprint(), UUID.randomUUID())
                .append("resumableFrom", date(Instant.now().plus(Duration.ofDays(1))));
        if (!insert(null, held)) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
    }

    /** Runs a transaction, and runs it again if the server says that its failure passes. */
    private void transaction(Consumer<ClientSession> work) {
        // A session of the driver's own pool, which costs no command.
        try (ClientSession session = client.startSession()) {
            while (true) {
                session.startTransaction(OPTIONS);
                try {
                    work.accept(session);
                    session.commitTransaction();
                    return;
                } catch (MongoException e) {
                    if (session.hasActiveTransaction()) {
                        session.abortTransaction();
                    }
                    if (!e.hasErrorLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL)) {
                        throw e;
                    }
                }
            }
        }
    }

    private boolean insert(@Nullable ClientSession session, BsonDocument key) {
        try {
            if (session == null) {
                keys.insertOne(key);
            } else {
                keys.insertOne(session, key);
            }
            return true;
        } catch (MongoWriteException e) {
            if (e.getCode() == DUPLICATE) {
                return false;
            }
            throw e;
        }
    }

    private void update(ClientSession session, String key, UUID expected, BsonDocument update) {
        BsonDocument filter = new BsonDocument("_id", id(key)).append("revision", new BsonBinary(expected));
        if (keys.updateOne(session, filter, update).getMatchedCount() != 1) {
            throw new IllegalStateException("the key has another revision: " + key);
        }
    }

    private static BsonString id(String key) {
        return new BsonString(Example.SCOPE + " " + key);
    }

    private static BsonDateTime date(Instant instant) {
        return new BsonDateTime(instant.toEpochMilli());
    }

    private static BsonDocument locked(String key, String operation, String fingerprint, UUID revision) {
        Instant now = Instant.now();
        return new BsonDocument("_id", id(key))
                .append("format", new BsonInt32(1))
                .append("scope", new BsonString(Example.SCOPE))
                .append("creationId", new BsonBinary(UUID.randomUUID()))
                .append("operation", new BsonString(operation))
                .append(
                        "request",
                        new BsonDocument("method", new BsonString("POST"))
                                .append("path", new BsonString(Example.PATH))
                                .append("parameters", new BsonString(Example.PARAMETERS_JSON))
                                .append("complete", BsonBoolean.TRUE))
                .append("fingerprint", new BsonString(fingerprint))
                .append("createdAt", date(now))
                .append("updatedAt", date(now))
                .append("attempts", new BsonInt64(1))
                .append("failedAttempts", new BsonInt32(0))
                .append("lastError", new BsonString(""))
                .append("recoveryPoint", new BsonString("started"))
                .append("revision", new BsonBinary(revision))
                .append("state", new BsonString("locked"))
                .append("lockedAt", date(now))
                .append("resumableFrom", date(now.plus(LEASE)));
    }

    private static BsonDocument advanced(UUID revision) {
        Instant now = Instant.now();
        return new BsonDocument(
                "$set",
                new BsonDocument("updatedAt", date(now))
                        .append("recoveryPoint", new BsonString("paid"))
                        .append("revision", new BsonBinary(revision))
                        .append("lockedAt", date(now))
                        .append("resumableFrom", date(now.plus(LEASE))));
    }

    private static BsonDocument finished() {
        Instant now = Instant.now();
        return new BsonDocument(
                        "$set",
                        new BsonDocument("updatedAt", date(now))
                                .append("recoveryPoint", new BsonString("finished"))
                                .append("revision", new BsonBinary(UUID.randomUUID()))
                                .append("state", new BsonString("finished"))
                                .append("finishedAt", date(now))
                                .append("expiresAt", date(now.plus(Duration.ofDays(1))))
                                .append(
                                        "response",
                                        new BsonDocument("status", new BsonInt32(201))
                                                .append("headers", new BsonString(Example.HEADERS_JSON))
                                                .append(
                                                        "body",
                                                        new BsonBinary(Example.BODY.getBytes(StandardCharsets.UTF_8)))))
                .append(
                        "$unset",
                        new BsonDocument("lockedAt", BsonBoolean.TRUE).append("resumableFrom", BsonBoolean.TRUE));
    }

    @Override
    public void replay(String key) {
        check(again(key), key);
    }

    @Override
    public void retrieve(String key) {
        check(find(key), key);
    }

    private static void check(BsonDocument found, String key) {
        if (!found.getString("state").getValue().equals("finished")
                || found.getDateTime("expiresAt").getValue() < System.currentTimeMillis()
                || found.getDocument("response").getInt32("status").getValue() != 201) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
    }

    @Override
    public void refused(String key) {
        BsonDocument found = again(key);
        if (!found.getString("state").getValue().equals("locked")
                || found.getDateTime("resumableFrom").getValue() < System.currentTimeMillis()) {
            throw new IllegalStateException("nobody holds the key: " + key);
        }
    }

    /** Claims a key that exists. */
    private BsonDocument again(String key) {
        String fingerprint = Example.fingerprint();
        if (insert(null, locked(key, "", fingerprint, UUID.randomUUID()))) {
            throw new IllegalStateException("no such key: " + key);
        }
        BsonDocument found = find(key);
        if (!found.getString("fingerprint").getValue().equals(fingerprint)) {
            throw new IllegalStateException("another request: " + key);
        }
        return found;
    }

    private BsonDocument find(String key) {
        BsonDocument found = keys.find(new BsonDocument("_id", id(key))).first();
        if (found == null) {
            throw new IllegalStateException("no such key: " + key);
        }
        return found;
    }
}
