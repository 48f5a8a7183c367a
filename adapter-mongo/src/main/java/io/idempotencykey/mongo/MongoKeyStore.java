package io.idempotencykey.mongo;

import static com.mongodb.client.model.Filters.and;
import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Filters.exists;
import static com.mongodb.client.model.Filters.gt;
import static com.mongodb.client.model.Filters.gte;
import static com.mongodb.client.model.Filters.in;
import static com.mongodb.client.model.Filters.lt;
import static com.mongodb.client.model.Filters.lte;
import static com.mongodb.client.model.Filters.or;
import static com.mongodb.client.model.Indexes.ascending;
import static com.mongodb.client.model.Projections.include;

import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.MongoWriteConcernException;
import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.ServerAddress;
import com.mongodb.WriteConcern;
import com.mongodb.WriteConcernResult;
import com.mongodb.bulk.WriteConcernError;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.Accumulators;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.BsonField;
import com.mongodb.client.model.IndexModel;
import com.mongodb.client.model.IndexOptions;
import com.mongodb.connection.ServerDescription;
import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.lang.System.Logger.Level;
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
import java.util.stream.Collectors;
import org.bson.BsonArray;
import org.bson.BsonDateTime;
import org.bson.BsonDocument;
import org.bson.BsonInt32;
import org.bson.BsonInt64;
import org.bson.BsonNull;
import org.bson.BsonString;
import org.bson.BsonValue;
import org.bson.Document;
import org.bson.conversions.Bson;
import org.jspecify.annotations.Nullable;

/**
 * Keeps keys in a collection of the application's own MongoDB, so that a stage's documents and its key commit together.
 *
 * <p>Needs a replica set (one member is enough) or a sharded cluster, and the indexes of {@link #createIndexes}. A
 * stage gets a {@link ClientSession} in a new transaction (read concern snapshot, write concern majority and journaled,
 * on the primary) and passes it to each of its operations. The key's compare-and-set is the transaction's last write.
 * The session refuses to begin, commit or abort a transaction, and a stage that tries is rolled back with that error.
 * After the stage, the session refuses every call.
 *
 * <p>Commands outside a stage have concerns of their own, independent of the client's: writes are majority and
 * journaled, reads are majority on the primary. A write that waits for a document or for the majority gives up after
 * 600 ms, or sooner if the client's operations time out sooner. Safe for many threads. Every command blocks for as long
 * as the client's settings let it look for a server and wait for a connection.
 *
 * <p>SNAPSHOT is the only isolation. Two stages that read what the other writes, and write different documents, can
 * both commit (write skew); so a stage that depends on a document has to write to it, too.
 *
 * <p><b>A request of one stage</b> runs in one transaction. It inserts the key first and updates it last, and nobody
 * sees the key before the commit. If another open transaction has written the key, the server says so at once
 * (WriteConflict), and the key is held. If the key is stored, it is read and given back, or, if it has expired,
 * replaced in a second transaction. A replay costs the insert that does nothing, the rollback, and the read. If a
 * process dies, its key stays held until the server ends the transaction, a minute by default ({@code
 * transactionLifetimeLimitSeconds}), and is then free: no other process knows the session to kill.
 *
 * <table>
 *   <caption>What an error means, by type, code or label, anywhere among causes and suppressed exceptions</caption>
 *   <tr><th>error</th><th>of a single command</th><th>in a stage</th><th>at its commit</th></tr>
 *   <tr><td>MaxTimeMSExpired (50), LockTimeout (24), ExceededTimeLimit (202, 262), the driver's operation time-out</td>
 *   <td>a read: unavailable; a write: busy, and looked up, since it may land later</td><td>run again</td><td>sent again
 *   if labelled, then looked up</td></tr>
 *   <tr><td>no server found in time, authentication failed</td><td>unavailable: nothing was sent</td><td>run again</td>
 *   <td>sent again if labelled, then looked up</td></tr>
 *   <tr><td>label TransientTransactionError, WriteConflict (112), NoSuchTransaction (251), TransactionTooOld (225),
 *   SnapshotTooOld (239), SnapshotUnavailable (246), PreparedTransactionInProgress (267)</td><td>unknown: looked
 *   up</td> <td>run again; WriteConflict of the write that takes the key: held</td><td>run again; looked up if an
 *   earlier answer was lost</td></tr>
 *   <tr><td>connection lost, NotWritablePrimary (10107) and other ends of a primary (91, 189, 11600, 11602, 13435,
 *   13436), label RetryableWriteError, write concern not fulfilled (64), network between servers (6, 7, 89, 9001),
 *   killed with its session (11601) or for its age (290)</td><td>unknown: looked up</td><td>run again</td><td>sent
 *   again if labelled, then looked up</td></tr>
 *   <tr><td>duplicate key (11000)</td><td>the key exists</td><td>the stage's own; of the insert that takes the key: it
 *   exists</td><td>looked up</td></tr>
 *   <tr><td>refused for good: 2, 9, 13, 14, 18, 20, 59, 66, 72, 73, 85, 86, 121, 166, 10334</td><td>unavailable</td>
 *   <td>the stage's own</td><td>looked up</td></tr>
 *   <tr><td>any other</td><td>unknown: looked up</td><td>the stage's own</td><td>looked up</td></tr>
 * </table>
 *
 * <p>An error of another client, which a stage may throw, says nothing of its transaction: one that names another
 * server, or a time-out that names none and that the stage's session wasn't told of, is the stage's own, if the server
 * still has the transaction.
 *
 * <p>What can't be run again, of the writes that take the key and that end the transaction, is the store's own failure:
 * unavailable. Only TransactionCommitted (256) is the stage's, which has committed by itself.
 *
 * <p>A commit is sent up to three times while its error carries the label UnknownTransactionCommitResult, then looked
 * up. Errors with that label are lost connections and primaries, "no server found in time", 50, 262, the driver's
 * time-out, and a majority that didn't confirm; 24, 202 and a failed authentication don't carry it. The next run of the
 * stage uses the same session, and so ends the transaction if it is still open: it can't commit any more.
 *
 * <p><b>Transactions of dead holders.</b> The id of the session that a holder runs its stages in is stored with its
 * lock. A server keeps the transaction of a dead holder for up to a minute, and meanwhile it blocks the next holder.
 * So a stage that meets a conflict after a takeover kills the former holders' sessions, once; and a write that waits in
 * vain for the key's own document kills them if the lease is over by the server's time. None of this costs a command on
 * the normal path. A former holder that is still alive fails with NoSuchTransaction, and learns that its key is stale.
 * If its process already uses the session for something else, that transaction is aborted with a label that says to run
 * it again.
 */
public final class MongoKeyStore implements KeyStore<ClientSession> {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    /**
     * Maximum wait of a write for a document that a transaction holds, in milliseconds; below one second, because
     * servers check deadlines only periodically.
     */
    private static final long LONGEST_WAIT = 600;

    /** How many keys one command deletes at most; few enough for a slow server to finish in time. */
    private static final int DELETES = 25;

    private static final WriteConcern CONCERN = WriteConcern.MAJORITY.withJournal(true);

    private static final int MOST_SESSIONS = 10_000;

    private static final BsonDateTime BEFORE_ALL = KeyDocument.date(Instant.parse("0001-01-01T00:00:00Z"));

    /** The states that expire. */
    private static final BsonArray EXPIRING =
            new BsonArray(List.of(new BsonString(KeyDocument.FAILED), new BsonString(KeyDocument.FINISHED)));

    private static final Bson BY_EXPIRY = ascending(KeyDocument.EXPIRES_AT);

    /** What a count answers: how many keys there are, and since when the first of them is resumable. */
    private static final String NUMBER = "number";

    private static final String SINCE = "since";

    private final MongoClient client;
    private final MongoDatabase database;

    /** Uses this store's own concerns and codecs, not the client's. */
    private final MongoCollection<BsonDocument> keys;

    private final HolderSessions sessions;

    /**
     * A store in a collection, which the first key creates if it doesn't exist.
     *
     * <p>Asks the server what it is, and what the collection and its indexes are.
     *
     * @param client the application's, which this store doesn't close
     * @param databaseName the name of a database, best the one that holds the stages' own documents
     * @param collectionName the name of an ordinary collection for keys only, without a default collation, without
     *     unique indexes other than that of {@code _id}, and without TTL indexes other than that of {@link
     *     #createIndexesWithTimeToLive}
     * @throws IllegalArgumentException if the server is a standalone one, or the collection isn't ordinary; the message
     *     says what to change, and which index to drop
     * @throws StoreFailure if the server can't be reached
     */
    public MongoKeyStore(MongoClient client, String databaseName, String collectionName) {
        this.client = Objects.requireNonNull(client, "argument 'client' is null; the application's is required");
        this.database = database(databaseName);
        this.keys = database.getCollection(collectionName, BsonDocument.class)
                .withReadPreference(ReadPreference.primary())
                .withReadConcern(ReadConcern.MAJORITY)
                .withWriteConcern(CONCERN);
        this.sessions = new HolderSessions(client, MOST_SESSIONS, System::nanoTime);
        checkTopology();
        checkCollection(collectionName);
    }

    /** Uses the driver's default codecs, not the client's. */
    private MongoDatabase database(String name) {
        return client.getDatabase(name).withCodecRegistry(MongoClientSettings.getDefaultCodecRegistry());
    }

    private void checkTopology() {
        Document hello = hello();
        if (!hello.containsKey("setName") && !"isdbgrid".equals(hello.get("msg"))) {
            throw new IllegalArgumentException(
                    "argument 'client' is connected to a standalone server, which has no transactions; allowed: a"
                            + " replica set or a sharded cluster. Start the server with --replSet, run rs.initiate()"
                            + " once (one member is enough), and connect with its replicaSet name");
        }
    }

    private void checkCollection(String name) {
        Document found = read(() ->
                database.listCollections().filter(new Document("name", name)).first());
        if (found == null) {
            return;
        }
        Document options = found.get("options", new Document());
        boolean ordinary = "collection".equals(found.get("type"))
                && !options.containsKey("collation")
                && !options.containsKey("capped");
        if (!ordinary) {
            throw refused(name, "is a view or capped, or has a default collation", "");
        }
        for (BsonDocument text : read(this::indexes)) {
            KeyIndex index = new KeyIndex(text);
            if (index.isUniqueItself()) {
                throw refused(
                        name,
                        "has a unique index of its own, on " + index.key().toJson(),
                        ". Drop it: " + index.drop(name));
            }
            if (index.deletesKeys()) {
                throw refused(
                        name,
                        "has a TTL index on " + index.key().toJson()
                                + ", by which the server would delete keys that are still needed",
                        ". Drop it: " + index.drop(name));
            }
        }
    }

    private List<BsonDocument> indexes() {
        return keys.listIndexes(BsonDocument.class).into(new ArrayList<>());
    }

    private static IllegalArgumentException refused(String collection, String why, String whatToDo) {
        return new IllegalArgumentException("argument 'collectionName' is '" + collection + "', which " + why
                + "; allowed: an ordinary collection for keys only, or none yet" + whatToDo);
    }

    /**
     * Creates the indexes that completing, listing and reaping need. Safe to repeat, also by many processes at once.
     *
     * <p>After {@link #createIndexesWithTimeToLive}, drop the index {@code expiresAt_1} first. Until it is made anew, a
     * reaper's runs fail, and nothing else does.
     *
     * @throws StoreFailure if they can't be created, for instance because the user lacks the right, or because other
     *     indexes exist on the same fields; then the message says which to drop. Those that exist stay as they are
     */
    public void createIndexes() {
        createIndexes(new IndexOptions());
    }

    /**
     * Creates the indexes of {@link #createIndexes}, with the one by expiry as a TTL index: the server then removes
     * expired keys by itself, within a minute or so of their expiry, and no reaper is needed. Keys that don't expire
     * don't have the field.
     *
     * <p>Safe to repeat, also by many processes at once. After {@link #createIndexes}, drop the index {@code
     * expiresAt_1} first. Let all processes call the same of the two methods.
     *
     * @throws StoreFailure as {@link #createIndexes}
     */
    public void createIndexesWithTimeToLive() {
        createIndexes(new IndexOptions().expireAfter(0L, TimeUnit.SECONDS));
    }

    private void createIndexes(IndexOptions expiry) {
        IndexOptions unfinished = new IndexOptions().partialFilterExpression(exists(KeyDocument.RESUMABLE_FROM));
        IndexOptions quarantined = new IndexOptions().partialFilterExpression(exists(KeyDocument.QUARANTINED_AT));
        List<IndexModel> indexes = List.of(
                new IndexModel(oldestFirst(KeyDocument.RESUMABLE_FROM), unfinished),
                new IndexModel(oldestFirstOfScope(KeyDocument.RESUMABLE_FROM), unfinished),
                new IndexModel(oldestFirst(KeyDocument.QUARANTINED_AT), quarantined),
                new IndexModel(oldestFirstOfScope(KeyDocument.QUARANTINED_AT), quarantined),
                new IndexModel(BY_EXPIRY, expiry.partialFilterExpression(exists(KeyDocument.EXPIRES_AT))));
        try {
            List<String> unused = keys.createIndexes(indexes);
        } catch (MongoException e) {
            throw Failure.isIndexConflict(e) ? inTheWay(indexes, e) : Failure.ofCommand(e);
        }
    }

    private StoreFailure inTheWay(List<IndexModel> wanted, MongoException failure) {
        String collection = keys.getNamespace().getCollectionName();
        String drops = KeyIndex.inTheWay(read(this::indexes), wanted).stream()
                .map(index -> index.drop(collection))
                .collect(Collectors.joining("; "));
        return drops.isEmpty()
                ? Failure.ofCommand(failure)
                : new StoreFailure(
                        StoreFailure.Kind.UNAVAILABLE,
                        "the collection '" + collection + "' has an index with other options in the place of one that"
                                + " is needed; drop it, and create the indexes again: " + drops,
                        failure);
    }

    @Override
    public Instant time() {
        return hello().getDate("localTime").toInstant();
    }

    private Document hello() {
        return read(() -> database.runCommand(new Document("hello", 1), ReadPreference.primary()));
    }

    @Override
    public Duration timeHolds() {
        return Duration.ofMinutes(1);
    }

    @Override
    public Set<Isolation> isolations() {
        return Set.of(Isolation.SNAPSHOT);
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return Optional.ofNullable(read(() -> keys.find(KeyDocument.withId(id)).first()))
                .map(KeyDocument::read);
    }

    @Override
    public boolean insert(StoredKey key) {
        HolderSession proposed = sessions.take(key.revision());
        HolderSession holder = proposed != null || !KeyDocument.isLocked(key.progress()) ? proposed : sessions.open();
        return write(key, holder, proposed != null, () -> {
            try {
                BsonDocument document = KeyDocument.insert(key, holder);
                return bounded("insert", "documents", List.of(document)) == 1;
            } catch (MongoWriteConcernException e) {
                // No transaction held the document, which is made: only the majority hasn't confirmed it in time.
                throw new StoreFailure(StoreFailure.Kind.UNKNOWN, "MongoDB's majority didn't confirm an insert", e);
            } catch (MongoException e) {
                // The collection has no other unique index than that of the identity.
                if (Failure.of(e) == Failure.DUPLICATE) {
                    return false;
                }
                throw e;
            }
        });
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        HolderSession proposed = sessions.take(next.revision());
        // If an earlier try of this write kept its session under the next revision, the old revision's stays.
        HolderSession former = proposed != null ? null : sessions.take(expected);
        HolderSession mine = proposed != null ? proposed : former;
        HolderSession holder = mine != null || !KeyDocument.isLocked(next.progress()) ? mine : sessions.open();
        BsonDocument filter = KeyDocument.withRevision(next.id(), expected);
        return write(next, holder, mine != null, () -> {
            try {
                BsonDocument update = KeyDocument.replace(next, holder, former);
                BsonDocument statement = new BsonDocument("q", filter).append("u", update);
                return bounded("update", "updates", List.of(statement)) == 1;
            } catch (MongoException e) {
                if (Failure.of(e) == Failure.TIMED_OUT) {
                    endBlocking(filter, former, e);
                }
                throw e;
            }
        });
    }

    /**
     * Sends writes that give up after {@link #LONGEST_WAIT}.
     *
     * <p>The driver's own methods have no such bound. They may also send a command twice, and rely on the server to
     * repeat a lost first answer, which not every server does.
     *
     * @return how many documents were inserted, matched or deleted
     */
    private int bounded(String command, String field, List<BsonDocument> statements) {
        BsonDocument text = new BsonDocument(
                        command, new BsonString(keys.getNamespace().getCollectionName()))
                .append(field, new BsonArray(statements))
                .append("writeConcern", CONCERN.asDocument());
        Long timeout = database.getTimeout(TimeUnit.MILLISECONDS);
        if (timeout == null || timeout == 0) {
            return send(database, text.append("maxTimeMS", new BsonInt64(LONGEST_WAIT)));
        }
        return sendWithin(timeout, text);
    }

    /**
     * Sends a write again and again until the client's time-out, in milliseconds, is over.
     *
     * <p>A client with a time-out accepts only a shorter one as a bound, and that bound also ends a wait for a server
     * or a connection. In that case the causes have no error of a socket or a server, and perhaps no document is held;
     * so the write is sent again. Nothing proves that an earlier one was not sent, though, so afterwards only success
     * is believed.
     */
    private int sendWithin(long timeout, BsonDocument text) {
        long begin = System.nanoTime();
        MongoException first = null;
        long left = timeout;
        while (left > 0) {
            long bound = Math.min(left, LONGEST_WAIT);
            long before = left;
            left = 0;
            try {
                int met = send(database.withTimeout(bound, TimeUnit.MILLISECONDS), text);
                if (met > 0 || first == null) {
                    return met;
                }
            } catch (MongoException e) {
                first = first == null ? e : first;
                long then = timeout - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin);
                // If not, another setting of the client ended it, such as how long to look for a server.
                boolean byBound = before - then >= bound;
                if (byBound && StoreFailure.chain(e).stream().allMatch(MongoTimeoutException.class::isInstance)) {
                    left = then;
                }
            }
        }
        throw Objects.requireNonNull(first);
    }

    private static int send(MongoDatabase database, BsonDocument text) {
        BsonDocument reply = database.runCommand(text, ReadPreference.primary(), BsonDocument.class);
        for (BsonValue error : reply.getArray("writeErrors", new BsonArray())) {
            throw new MongoCommandException(error.asDocument(), new ServerAddress());
        }
        int met = reply.getNumber("n").intValue();
        if (reply.containsKey("writeConcernError")) {
            BsonDocument error = reply.getDocument("writeConcernError");
            throw new MongoWriteConcernException(
                    new WriteConcernError(
                            error.getNumber("code").intValue(),
                            error.getString("codeName", new BsonString("")).getValue(),
                            error.getString("errmsg", new BsonString("")).getValue(),
                            error),
                    WriteConcernResult.acknowledged(met, met > 0, null),
                    new ServerAddress(),
                    Set.of());
        }
        return met;
    }

    /** Writes a key. If it is held afterwards, or may be, its holder's session is kept for the next stage. */
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
            if (holder != null && keep && KeyDocument.isLocked(next.progress())) {
                sessions.keep(next.revision(), holder, KeyDocument.lease(next.progress()));
            } else if (holder != null) {
                holder.close();
            }
        }
    }

    /**
     * Ends the transaction that a write waited for in vain, if it is an unresolved one of this holder, or one of a
     * holder whose lease is over by the server's time.
     */
    private void endBlocking(BsonDocument filter, @Nullable HolderSession former, MongoException failure) {
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

    /** Kills the former holders' sessions, once, because the transaction of one of them may block this holder's. */
    private void endFormer(StoredKey held, HolderSession holder, Throwable failure) {
        // A first attempt has no former holder.
        if (held.key().attempts() <= 1 || holder.hasKilledOthers()) {
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
            holder.othersAreKilled();
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    private void kill(List<? extends BsonValue> ids) {
        if (!ids.isEmpty()) {
            List<BsonDocument> named =
                    ids.stream().map(id -> new BsonDocument("id", id)).toList();
            Document unused = database("admin")
                    .runCommand(new BsonDocument("killSessions", new BsonArray(named)), ReadPreference.primary());
        }
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<ClientSession, StoredProgress> work) {
        check(isolation);
        HolderSession kept = sessions.take(held.revision());
        HolderSession holder = kept != null ? kept : sessions.open();
        AtomicReference<StoredProgress> last = new AtomicReference<>(held.progress());
        StageTransaction transaction = new StageTransaction(
                keys, holder.session(), this::servers, held, next -> KeyDocument.advance(next, holder, kept));
        StageCommit end = transaction.run(lease, StageTransaction.Take.NOTHING, session -> {
            StoredProgress next = work.apply(session);
            last.set(next);
            return next;
        });
        switch (end.kind()) {
            case COMMITTED -> {
                StoredProgress next = Objects.requireNonNull(last.get());
                if (KeyDocument.isLocked(next)) {
                    sessions.keep(next.revision(), holder, KeyDocument.lease(next));
                } else {
                    holder.close();
                }
            }
            case FENCED_OFF, HELD -> holder.close();
            case TRANSIENTLY_ROLLED_BACK -> {
                endFormer(held, holder, Objects.requireNonNull(end.cause()));
                sessions.keep(held.revision(), holder, lease);
            }
            // A transaction with an unknown outcome ends at the latest when the session begins its next one.
            case ROLLED_BACK, UNKNOWN -> sessions.keep(held.revision(), holder, lease);
        }
        return end;
    }

    /** The servers that an error of this client can come from. */
    private Set<ServerAddress> servers() {
        return client.getClusterDescription().getServerDescriptions().stream()
                .map(ServerDescription::getAddress)
                .collect(Collectors.toSet());
    }

    private static void check(Isolation isolation) {
        if (isolation != Isolation.SNAPSHOT) {
            throw new IllegalArgumentException("argument 'isolation' is '" + isolation + "'; allowed: SNAPSHOT");
        }
    }

    @Override
    public StageCommit commitSingle(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<ClientSession> stage) {
        check(isolation);
        HolderSession kept = sessions.take(taken.revision());
        HolderSession holder = kept != null ? kept : sessions.open();
        StageCommit end =
                new SingleTransaction(keys, holder.session(), this::servers, taken, stage, this::find).run(lease);
        switch (end.kind()) {
            // The transaction may still be open: an answer was lost, or its rollback's was. It would hold the key, and
            // what it wrote, for a minute. The next try takes the same revision, and so gets the same session, in which
            // its first write ends the former transaction.
            case TRANSIENTLY_ROLLED_BACK, UNKNOWN -> sessions.keep(taken.revision(), holder, lease);
            case COMMITTED, FENCED_OFF, HELD, ROLLED_BACK -> holder.close();
        }
        return end;
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
        List<StoredKey> found = list(and(filters), oldestFirstOfScope(KeyDocument.RESUMABLE_FROM), limit);
        return found.stream()
                .takeWhile(key -> key.id().scope().equals(found.get(0).id().scope()))
                .toList();
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(KeyDocument.RESUMABLE_FROM, scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest(KeyDocument.QUARANTINED_AT, scope, after, since, limit);
    }

    /** The keys that have a date, by that date. */
    private List<StoredKey> oldest(
            String date, @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        List<Bson> filters = new ArrayList<>(List.of(readable()));
        if (scope != null) {
            filters.add(eq(KeyDocument.SCOPE, scope));
        }
        if (after == null) {
            filters.add(has(date));
        } else {
            BsonValue at = KeyDocument.date(since);
            filters.add(gte(date, at));
            filters.add(or(gt(date, at), and(eq(date, at), gt(KeyDocument.ID, KeyDocument.id(after)))));
        }
        return list(and(filters), scope == null ? oldestFirst(date) : oldestFirstOfScope(date), limit);
    }

    /** Unlike a question for a field, this one for a date is answered by an index alone. */
    private static Bson has(String date) {
        return gte(date, BEFORE_ALL);
    }

    /** The index of the keys that have a date, and its order. */
    private static Bson oldestFirst(String date) {
        return ascending(date, KeyDocument.ID);
    }

    /** The same by scope. */
    private static Bson oldestFirstOfScope(String date) {
        return ascending(KeyDocument.SCOPE, date, KeyDocument.ID);
    }

    @Override
    public Backlog backlog(Instant before) {
        BsonDocument waiting = counted(
                lt(KeyDocument.RESUMABLE_FROM, KeyDocument.date(before)),
                oldestFirst(KeyDocument.RESUMABLE_FROM),
                Accumulators.min(SINCE, "$" + KeyDocument.RESUMABLE_FROM));
        BsonDocument quarantined = counted(has(KeyDocument.QUARANTINED_AT), oldestFirst(KeyDocument.QUARANTINED_AT));
        return new Backlog(before, number(waiting), since(waiting), number(quarantined));
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        List<Backlog.OfOperation> counted = new ArrayList<>();
        Bson due = lt(KeyDocument.RESUMABLE_FROM, KeyDocument.date(before));
        for (BsonDocument waiting : grouped(due, KeyDocument.RESUMABLE_FROM, most)) {
            counted.add(
                    new Backlog.OfOperation(operation(waiting), number(waiting), since(waiting), 0, Optional.empty()));
        }
        for (BsonDocument aside : grouped(has(KeyDocument.QUARANTINED_AT), KeyDocument.QUARANTINED_AT, most)) {
            counted.add(new Backlog.OfOperation(operation(aside), 0, Optional.empty(), number(aside), since(aside)));
        }
        return counted;
    }

    private List<BsonDocument> grouped(Bson filter, String date, int most) {
        Bson index = oldestFirst(date);
        List<Bson> pipeline = List.of(
                Aggregates.match(filter),
                Aggregates.sort(index),
                Aggregates.limit(most),
                Aggregates.group(
                        "$" + KeyDocument.OPERATION, Accumulators.sum(NUMBER, 1), Accumulators.min(SINCE, "$" + date)));
        return read(() -> keys.aggregate(pipeline).hint(index).into(new ArrayList<>()));
    }

    /** What somebody edited may have none. */
    private static String operation(BsonDocument group) {
        return group.get(KeyDocument.ID, BsonNull.VALUE) instanceof BsonString operation ? operation.getValue() : "";
    }

    private static long number(BsonDocument counted) {
        return counted.getNumber(NUMBER).longValue();
    }

    private static Optional<Instant> since(BsonDocument counted) {
        return Optional.ofNullable(counted.get(SINCE))
                .filter(BsonValue::isDateTime)
                .map(since -> Instant.ofEpochMilli(since.asDateTime().getValue()));
    }

    /**
     * Counts keys by a named index. The filter and what else is asked for must be fields of that index, so that no
     * document is read.
     */
    private BsonDocument counted(Bson filter, Bson index, BsonField... more) {
        List<BsonField> fields = new ArrayList<>(List.of(more));
        fields.add(Accumulators.sum(NUMBER, 1));
        BsonDocument found =
                read(() -> keys.aggregate(List.of(Aggregates.match(filter), Aggregates.group(null, fields)))
                        .hint(index)
                        .first());
        // No document at all makes no group.
        return found == null ? new BsonDocument(NUMBER, new BsonInt32(0)) : found;
    }

    /**
     * Lists keys by an index and in its order. The index is named, so that a missing one is an error and not a slow
     * scan. A document that isn't a key, for instance because it was edited by hand, is left out, so that the others
     * don't wait for it.
     */
    private List<StoredKey> list(Bson filter, Bson index, int limit) {
        List<StoredKey> found = new ArrayList<>();
        int seen = 0;
        int last = limit;
        // If no document of a page can be read, the next page follows; otherwise the keys behind it would never be
        // found.
        while (found.isEmpty() && last == limit) {
            int skipped = seen;
            List<BsonDocument> documents = read(() -> keys.find(filter)
                    .sort(index)
                    .hint(index)
                    .skip(skipped)
                    .limit(limit)
                    .into(new ArrayList<>()));
            for (BsonDocument document : documents) {
                try {
                    found.add(KeyDocument.read(document));
                } catch (StoreFailure e) {
                    LOGGER.log(
                            Level.WARNING,
                            "the key ''{0}'' can''t be read, and is left out: {1}",
                            KeyDocument.shownId(document),
                            String.valueOf(e.getCause()));
                }
            }
            last = documents.size();
            seen += last;
        }
        return found;
    }

    /** Excludes what a newer version of the library wrote. */
    private static Bson readable() {
        return lte(KeyDocument.FORMAT, KeyDocument.CURRENT_FORMAT);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        BsonDocument expired = new BsonDocument(KeyDocument.EXPIRES_AT, new BsonDocument("$lte", KeyDocument.date(at)))
                .append(KeyDocument.STATE, new BsonDocument("$in", EXPIRING))
                .append(KeyDocument.FORMAT, new BsonDocument("$lte", new BsonInt32(KeyDocument.CURRENT_FORMAT)));
        List<BsonValue> ids = read(() -> keys.find(expired)
                .projection(include(KeyDocument.ID))
                .sort(BY_EXPIRY)
                .hint(BY_EXPIRY)
                .limit(limit)
                .map(found -> found.get(KeyDocument.ID))
                .into(new ArrayList<>()));
        // A key that was created anew in between isn't expired, so it stays.
        List<BsonDocument> deletes = ids.stream()
                .map(id -> {
                    BsonDocument filter = new BsonDocument(KeyDocument.ID, id);
                    filter.putAll(expired);
                    return new BsonDocument("q", filter).append("limit", new BsonInt32(1));
                })
                .toList();
        int deleted = 0;
        for (int from = 0; from < deletes.size(); from += DELETES) {
            List<BsonDocument> some = deletes.subList(from, Math.min(from + DELETES, deletes.size()));
            deleted += command(() -> bounded("delete", "deletes", some));
        }
        return deleted;
    }

    private static <R> R read(Supplier<R> read) {
        try {
            return read.get();
        } catch (MongoException e) {
            throw Failure.ofRead(e);
        }
    }

    private static <R> R command(Supplier<R> command) {
        try {
            return command.get();
        } catch (MongoException e) {
            throw Failure.ofCommand(e);
        }
    }
}
