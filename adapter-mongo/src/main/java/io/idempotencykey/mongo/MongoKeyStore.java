package io.idempotencykey.mongo;

import static com.mongodb.client.model.Filters.and;
import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Filters.exists;
import static com.mongodb.client.model.Filters.gt;
import static com.mongodb.client.model.Filters.in;
import static com.mongodb.client.model.Filters.lt;
import static com.mongodb.client.model.Filters.lte;
import static com.mongodb.client.model.Filters.or;
import static com.mongodb.client.model.Indexes.ascending;
import static com.mongodb.client.model.Projections.include;

import com.mongodb.MongoClientSettings;
import com.mongodb.MongoException;
import com.mongodb.MongoWriteException;
import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.WriteConcern;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.IndexModel;
import com.mongodb.client.model.IndexOptions;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import org.bson.BsonArray;
import org.bson.BsonDocument;
import org.bson.BsonValue;
import org.bson.Document;
import org.bson.conversions.Bson;
import org.jspecify.annotations.Nullable;

/** Keeps keys in a collection of the application's own MongoDB. */
public final class MongoKeyStore implements KeyStore<ClientSession> {
    /** How long a write may wait for a document that a transaction holds. */
    private static final Duration LONGEST_WAIT = Duration.ofMillis(900);

    private static final int MOST_SESSIONS = 10_000;

    private static final Bson BY_RESUMPTION = ascending(KeyDocument.SCOPE, KeyDocument.RESUMABLE_FROM);
    private static final Bson BY_QUARANTINE = ascending(KeyDocument.STATE, KeyDocument.ID);
    private static final Bson BY_EXPIRY = ascending(KeyDocument.EXPIRES_AT);

    private final MongoClient client;
    private final MongoDatabase database;

    /** With our own concerns and codecs, whatever the client's are. */
    private final MongoCollection<BsonDocument> keys;

    /** For writes that may have to wait. */
    private final MongoCollection<BsonDocument> bounded;

    private final HolderSessions sessions;

    public MongoKeyStore(MongoClient client, String databaseName, String collectionName) {
        this.client = Objects.requireNonNull(client, "argument 'client' is null; the application's is required");
        this.database = client.getDatabase(databaseName);
        this.keys = database.getCollection(collectionName, BsonDocument.class)
                .withCodecRegistry(MongoClientSettings.getDefaultCodecRegistry())
                .withReadPreference(ReadPreference.primary())
                .withReadConcern(ReadConcern.MAJORITY)
                .withWriteConcern(WriteConcern.MAJORITY.withJournal(true));
        this.bounded = keys.withTimeout(longestWait(keys), TimeUnit.MILLISECONDS);
        this.sessions = new HolderSessions(client, MOST_SESSIONS, System::nanoTime);
        checkTopology();
        checkCollection(collectionName);
    }

    private static long longestWait(MongoCollection<BsonDocument> keys) {
        Long ofClient = keys.getTimeout(TimeUnit.MILLISECONDS);
        long ours = LONGEST_WAIT.toMillis();
        return ofClient == null || ofClient == 0 ? ours : Math.min(ours, ofClient);
    }

    private void checkTopology() {
        Document hello = hello();
        if (!hello.containsKey("setName") && !"isdbgrid".equals(hello.get("msg"))) {
            throw new IllegalArgumentException(
                    "argument 'client' is connected to a standalone server, which has no transactions; allowed: a replica set"
                            + " or a sharded cluster. Start the server with --replSet, run rs.initiate() once (one member is"
                            + " enough), and connect with its replicaSet name");
        }
    }

    private void checkCollection(String name) {
        Document found = command(() ->
                database.listCollections().filter(new Document("name", name)).first());
        if (found == null) {
            return;
        }
        Document options = found.get("options", new Document());
        if (!"collection".equals(found.get("type")) || options.containsKey("collation") || options.containsKey("capped")) {
            throw new IllegalArgumentException("argument 'collectionName' is '" + name
                    + "', which is a view, capped, or has a collation; allowed: an ordinary collection without a default"
                    + " collation, or none yet");
        }
    }

    public void createIndexes() {
        createIndexes(new IndexOptions());
    }

    public void createIndexesWithExpiry() {
        createIndexes(new IndexOptions().expireAfter(0L, TimeUnit.SECONDS));
    }

    private void createIndexes(IndexOptions expiry) {
        List<IndexModel> indexes = List.of(
                new IndexModel(
                        BY_RESUMPTION,
                        new IndexOptions().partialFilterExpression(exists(KeyDocument.RESUMABLE_FROM))),
                new IndexModel(
                        BY_QUARANTINE,
                        new IndexOptions().partialFilterExpression(eq(KeyDocument.STATE, KeyDocument.QUARANTINED))),
                new IndexModel(BY_EXPIRY, expiry.partialFilterExpression(exists(KeyDocument.EXPIRES_AT))));
        command(() -> keys.createIndexes(indexes));
    }

    @Override
    public Instant time() {
        return hello().getDate("localTime").toInstant();
    }

    private Document hello() {
        return command(() -> database.runCommand(new Document("hello", 1), ReadPreference.primary()));
    }

    @Override
    public Set<Isolation> isolations() {
        return Set.of(Isolation.SNAPSHOT);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return Optional.ofNullable(
                        command(() -> keys.find(KeyDocument.withId(id)).first()))
                .map(KeyDocument::read);
    }

    @Override
    public boolean insert(StoredKey key) {
        HolderSession proposed = sessions.take(key.revision());
        HolderSession holder = proposed != null || !KeyDocument.isLocked(key) ? proposed : sessions.open();
        return write(key, holder, proposed != null, () -> {
            try {
                return keys.insertOne(KeyDocument.insert(key, holder)).wasAcknowledged();
            } catch (MongoWriteException e) {
                if (isTaken(e)) {
                    return false;
                }
                throw e;
            }
        });
    }

    /** A duplicate under another unique index than that of the identity says nothing of the key. */
    private static boolean isTaken(MongoWriteException e) {
        BsonDocument pattern = e.getError().getDetails().getDocument("keyPattern", new BsonDocument());
        return Failure.of(e) == Failure.DUPLICATE
                && (pattern.isEmpty() || pattern.keySet().equals(Set.of(KeyDocument.ID)));
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        HolderSession proposed = sessions.take(next.revision());
        HolderSession former = sessions.take(expected);
        HolderSession mine = proposed != null ? proposed : former;
        HolderSession holder = mine != null || !KeyDocument.isLocked(next) ? mine : sessions.open();
        Bson filter = KeyDocument.withRevision(next.id(), expected);
        return write(next, holder, mine != null, () -> {
            try {
                return bounded.updateOne(filter, KeyDocument.replace(next, holder, former))
                                .getMatchedCount()
                        == 1;
            } catch (MongoException e) {
                if (Failure.of(e) == Failure.TIMED_OUT) {
                    endBlocking(filter, former, e);
                }
                throw e;
            }
        });
    }

    /** Makes a write. If the key is held then, or may be, its holder's session is kept for the next stage. */
    private boolean write(StoredKey next, @Nullable HolderSession holder, boolean known, Supplier<Boolean> write) {
        boolean keep = known;
        try {
            boolean done = command(write);
            keep |= done;
            return done;
        } catch (StoreFailure e) {
            keep = true;
            throw e;
        } finally {
            if (holder != null && keep && KeyDocument.isLocked(next)) {
                sessions.keep(next.revision(), holder, KeyDocument.lease(next));
            } else if (holder != null) {
                holder.close();
            }
        }
    }

    /**
     * Ends the transaction that a write waited for in vain, if that is an unresolved one of this holder, or of one whose
     * lease is over by the server's own time.
     */
    private void endBlocking(Bson filter, @Nullable HolderSession former, MongoException failure) {
        try {
            if (former != null) {
                kill(List.of(former.id()));
                return;
            }
            BsonDocument found = keys.find(filter)
                    .projection(include(KeyDocument.STATE, KeyDocument.RESUMABLE_FROM, KeyDocument.SESSIONS))
                    .first();
            if (found != null && KeyDocument.isAbandoned(found, time())) {
                kill(KeyDocument.sessions(found));
            }
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /** Kills the sessions of those who held the key before, once, if there are any: one of them may be in the way. */
    private void endFormer(StoredKey held, HolderSession holder, Throwable failure) {
        // The first attempt has nobody before it.
        if (held.key().attempts() <= 1 || !holder.mayKillOthers()) {
            return;
        }
        try {
            BsonDocument found = keys.find(KeyDocument.withRevision(held.id(), held.revision()))
                    .projection(include(KeyDocument.SESSIONS))
                    .first();
            if (found != null) {
                List<BsonValue> others = new ArrayList<>(KeyDocument.sessions(found));
                others.removeIf(holder.id()::equals);
                kill(others);
            }
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    private void kill(List<? extends BsonValue> ids) {
        if (!ids.isEmpty()) {
            List<BsonDocument> named =
                    ids.stream().map(id -> new BsonDocument("id", id)).toList();
            Document unused = client.getDatabase("admin")
                    .runCommand(new BsonDocument("killSessions", new BsonArray(named)), ReadPreference.primary());
        }
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<ClientSession, StoredKey> work) {
        if (isolation != Isolation.SNAPSHOT) {
            throw new IllegalArgumentException("argument 'isolation' is '" + isolation + "'; allowed: SNAPSHOT");
        }
        HolderSession kept = sessions.take(held.revision());
        HolderSession holder = kept != null ? kept : sessions.open();
        AtomicReference<StoredKey> last = new AtomicReference<>(held);
        StageCommit end = new StageTransaction(keys, holder, held).run(lease, session -> {
            StoredKey next = work.apply(session);
            last.set(next);
            return next;
        });
        StoredKey next = last.get();
        // A transaction whose fate is open ends at the latest when the session begins its next one.
        boolean unused = end.match(
                () -> keep(KeyDocument.isLocked(next), next, holder, KeyDocument.lease(next)),
                () -> keep(false, held, holder, lease),
                failure -> keep(true, held, holder, lease),
                failure -> {
                    endFormer(held, holder, failure);
                    return keep(true, held, holder, lease);
                },
                failure -> keep(true, held, holder, lease));
        return end;
    }

    private boolean keep(boolean keep, StoredKey key, HolderSession holder, Duration lease) {
        if (keep) {
            sessions.keep(key.revision(), holder, lease);
        } else {
            holder.close();
        }
        return keep;
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        List<Bson> filters = new ArrayList<>();
        filters.add(lt(KeyDocument.RESUMABLE_FROM, KeyDocument.date(before)));
        filters.add(readable());
        if (afterScope != null) {
            filters.add(gt(KeyDocument.SCOPE, afterScope));
        }
        if (!operations.isEmpty()) {
            filters.add(or(operations.entrySet().stream()
                    .map(operation -> and(
                            eq(KeyDocument.OPERATION, operation.getKey()),
                            in(
                                    KeyDocument.RECOVERY_POINT,
                                    operation.getValue().stream()
                                            .map(RecoveryPoint::name)
                                            .toList())))
                    .toList()));
        }
        List<StoredKey> found = list(and(filters), BY_RESUMPTION, BY_RESUMPTION, limit);
        return found.stream()
                .takeWhile(key -> key.id().scope().equals(found.get(0).id().scope()))
                .toList();
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
        Bson quarantined = and(eq(KeyDocument.STATE, KeyDocument.QUARANTINED), readable());
        return list(
                after == null ? quarantined : and(quarantined, gt(KeyDocument.ID, KeyDocument.id(after))),
                ascending(KeyDocument.ID),
                BY_QUARANTINE,
                limit);
    }

    /** The index is named, so that a missing one is an error and not a slow scan of all keys. */
    private List<StoredKey> list(Bson filter, Bson order, Bson index, int limit) {
        return command(() -> keys.find(filter)
                .sort(order)
                .hint(index)
                .limit(atLeastOne(limit))
                .map(KeyDocument::read)
                .into(new ArrayList<>()));
    }

    /** A process of an older version leaves alone what a newer one wrote. */
    private static Bson readable() {
        return lte(KeyDocument.FORMAT, KeyDocument.CURRENT_FORMAT);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        Bson expired = and(lte(KeyDocument.EXPIRES_AT, KeyDocument.date(at)), readable());
        List<BsonValue> ids = command(() -> keys.find(expired)
                .projection(include(KeyDocument.ID))
                .sort(BY_EXPIRY)
                .hint(BY_EXPIRY)
                .limit(atLeastOne(limit))
                .map(found -> found.get(KeyDocument.ID))
                .into(new ArrayList<>()));
        // One that was created anew since then has no expiry, and stays.
        return ids.isEmpty()
                ? 0
                : (int) command(() -> bounded.deleteMany(and(in(KeyDocument.ID, ids), expired)))
                        .getDeletedCount();
    }

    private static int atLeastOne(int limit) {
        if (limit < 1) {
            throw new IllegalArgumentException("argument 'limit' is '" + limit + "'; allowed: 1 or more");
        }
        return limit;
    }

    private static <R> R command(Supplier<R> command) {
        try {
            return command.get();
        } catch (MongoException e) {
            throw Failure.ofCommand(e);
        }
    }
}
