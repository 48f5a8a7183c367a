package io.idempotencykey.mongo;

import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Filters.in;
import static io.idempotencykey.contract.Services.askingTheStore;
import static io.idempotencykey.mongo.FailPoint.code;
import static io.idempotencykey.mongo.FailPoint.cut;
import static io.idempotencykey.mongo.Keys.FINISHED;
import static io.idempotencykey.mongo.Keys.LEASE;
import static io.idempotencykey.mongo.Keys.LOCKED;
import static io.idempotencykey.mongo.Keys.OPEN;
import static io.idempotencykey.mongo.Keys.REQUEST;
import static io.idempotencykey.mongo.Keys.RESPONSE;
import static io.idempotencykey.mongo.Keys.await;
import static io.idempotencykey.mongo.Keys.causeOf;
import static io.idempotencykey.mongo.Keys.elsewhere;
import static io.idempotencykey.mongo.Keys.get;
import static io.idempotencykey.mongo.Keys.key;
import static io.idempotencykey.mongo.Keys.kindOf;
import static io.idempotencykey.mongo.Keys.nameOf;
import static io.idempotencykey.mongo.Keys.next;
import static io.idempotencykey.mongo.Keys.untilAnsweredInTime;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.mongodb.MongoCredential;
import com.mongodb.MongoException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.CreateCollectionOptions;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Updates;
import com.mongodb.client.model.ValidationOptions;
import com.mongodb.event.ClusterDescriptionChangedEvent;
import com.mongodb.event.ClusterListener;
import com.mongodb.event.ConnectionCheckOutFailedEvent;
import com.mongodb.event.ConnectionPoolListener;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Environment;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.bson.BsonDocument;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The table of failures in {@link MongoKeyStore}, row by row, by the server's fail points and by cut connections. */
// On a thread of its own, because a read that nobody answers can't be interrupted.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoFailureTest {
    private static final String APPLICATION = "failing";

    /** Enough for each time that a commit is sent, and for the driver's own repetition of each. */
    private static final int EVERY_COMMIT = 6;

    /** High, because the client's monitor sends the same command as the store, and may be faster. */
    private static final int EVERY_HELLO = 10_000;

    private static final Duration HURRY = Duration.ofSeconds(3);

    private static final int LIFE_OF_A_CONNECTION_MILLIS = 1;

    private static final String RETRYABLE = "RetryableWriteError";

    private static final List<Integer> REFUSED = List.of(2, 9, 13, 14, 18, 20, 59, 66, 72, 73, 85, 86, 166, 10334);

    private final RecordedCommands commands = new RecordedCommands();
    private MongoClient steady;
    private MongoClient client;
    private MongoDatabase database;
    private MongoCollection<Document> rows;
    private MongoKeyStore store;

    @BeforeAll
    void open() {
        steady = TestServer.client();
        client = TestServer.client(settings -> settings.applicationName(APPLICATION)
                .retryWrites(false)
                .retryReads(false)
                .addCommandListener(commands));
        database = client.getDatabase(TestServer.newName());
        database.createCollection("rows");
        rows = database.getCollection("rows");
        store = new MongoKeyStore(client, database.getName(), "keys");
        store.createIndexes();
    }

    @AfterAll
    void close() {
        TestServer.drop(steady.getDatabase(database.getName()));
        client.close();
        steady.close();
    }

    @AfterEach
    void disarm() {
        commands.before(name -> {});
        commands.after(name -> {});
        new FailPoint(steady, APPLICATION).off();
    }

    /** Lets the next commands of this name fail. */
    private void fail(String command, int times, Document how) {
        new FailPoint(steady, APPLICATION).set(command, times, how);
        commands.forget();
    }

    /** Delays a command for longer than a client of {@link #HURRY} waits; the server does it all the same. */
    private static Document blocked() {
        return new Document("blockConnection", true)
                .append("blockTimeMS", HURRY.plusSeconds(1).toMillis());
    }

    private static Document concern(int code) {
        return new Document("writeConcernError", new Document("code", code).append("errmsg", "not replicated in time"));
    }

    private StoredKey held() {
        StoredKey key = key(LOCKED);
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    private StageCommit commit(StoredKey held, Function<ClientSession, StoredKey> work) {
        return store.commitStage(held, Isolation.SNAPSHOT, LEASE, work.andThen(StoredKey::progress));
    }

    /** The server still has the transaction: it would take the fence, without the write that was cut off. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void aLostConnectionThatAStageSwallowsNeverMovesTheKey(int writesBefore) {
        StoredKey held = held();
        List<String> names =
                List.of(UUID.randomUUID().toString(), UUID.randomUUID().toString());

        StageCommit end = commit(held, session -> {
            for (String name : names.subList(0, writesBefore)) {
                rows.insertOne(session, new Document("_id", name));
            }
            fail("insert", 1, cut());
            try {
                rows.insertOne(session, new Document("_id", names.get(1)));
            } catch (MongoException swallowed) {
                assertThat(swallowed).isNotNull();
            }
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(store.find(held.id())).contains(held);
        assertThat(rows.countDocuments(in("_id", names))).isZero();
    }

    static Stream<Arguments> single() {
        Stream<Arguments> busy = Stream.of(50, 24, 202, 262).map(code -> expected(code, StoreFailure.Kind.BUSY));
        Stream<Arguments> unknown = Stream.of(
                        112, 225, 239, 246, 251, 267, // conflicts
                        10107, 91, 189, 11600, 11602, 13435, 13436, 6, 7, 89, 9001, 64, 290, 11601, // lost
                        1, 8) // not known here
                .map(code -> expected(code, StoreFailure.Kind.UNKNOWN));
        Stream<Arguments> refused = REFUSED.stream().map(code -> expected(code, StoreFailure.Kind.UNAVAILABLE));
        Stream<Arguments> others = Stream.of(
                Arguments.of(code(100, MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL), StoreFailure.Kind.UNKNOWN),
                Arguments.of(code(100, RETRYABLE), StoreFailure.Kind.UNKNOWN),
                Arguments.of(cut(), StoreFailure.Kind.UNKNOWN));
        return Stream.of(busy, unknown, refused, others).flatMap(all -> all);
    }

    private static Arguments expected(int code, StoreFailure.Kind kind) {
        return Arguments.of(code(code), kind);
    }

    @ParameterizedTest
    @MethodSource("single")
    void aSingleCommandsFailureIsTranslated(Document how, StoreFailure.Kind kind) {
        StoredKey held = held();
        StoredKey fresh = key(OPEN);

        fail("insert", 1, how);
        assertThat(kindOf(() -> store.insert(fresh))).isEqualTo(kind);
        fail("update", 1, how);
        assertThat(kindOf(() -> store.replace(held.revision(), next(held, OPEN))))
                .isEqualTo(kind);
        StoreFailure.Kind ofARead = kind == StoreFailure.Kind.BUSY ? StoreFailure.Kind.UNAVAILABLE : kind;
        fail("find", 1, how);
        assertThat(kindOf(() -> store.find(held.id()))).isEqualTo(ofARead);
        fail("find", 1, how);
        assertThat(kindOf(() -> store.deleteExpired(Keys.AT, 1))).isEqualTo(ofARead);

        assertThat(store.find(fresh.id())).isEmpty();
        assertThat(store.find(held.id())).contains(held);
    }

    @Test
    void aDocumentThatAValidatorRefusesIsRefused() {
        database.createCollection(
                "validated",
                new CreateCollectionOptions()
                        .validationOptions(new ValidationOptions().validator(Filters.exists("approvedBy"))));
        MongoKeyStore validated = new MongoKeyStore(client, database.getName(), "validated");

        assertThat(kindOf(() -> validated.insert(key(OPEN)))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        StoredKey held = held();
        StageCommit end = commit(held, session -> {
            database.getCollection("validated").insertOne(session, new Document());
            return next(held, FINISHED);
        });
        assertThat(nameOf(end)).isEqualTo("rolled back");
    }

    /** The driver's own monitor, which would meet the failure as well, is at rest. */
    @Test
    void theTimeThatCanNotBeReadIsAFailure() {
        String application = "reading the time";
        try (MongoClient calm = TestServer.client(settings -> settings.applicationName(application)
                .applyToServerSettings(server -> server.heartbeatFrequency(1, TimeUnit.HOURS)))) {
            MongoKeyStore itsStore = new MongoKeyStore(calm, database.getName(), "keys");
            assertThat(itsStore.time()).isAfter(Instant.EPOCH);

            new FailPoint(steady, application).set("hello", EVERY_HELLO, code(13));

            assertThat(kindOf(itsStore::time)).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
    }

    /** The write is made, and may be rolled back with its primary. */
    @ParameterizedTest
    @CsvSource({"64, UNKNOWN", "50, BUSY"})
    void aWriteThatTheMajorityDidNotConfirmIsLookedUp(int code, StoreFailure.Kind kind) {
        StoredKey held = held();
        StoredKey next = next(held, OPEN);
        StoredKey fresh = key(OPEN);

        fail("insert", 1, concern(code));
        assertThat(kindOf(() -> store.insert(fresh))).isEqualTo(StoreFailure.Kind.UNKNOWN);
        fail("update", 1, concern(code));
        assertThat(kindOf(() -> store.replace(held.revision(), next))).isEqualTo(kind);

        assertThat(store.find(fresh.id())).contains(fresh);
        assertThat(store.find(held.id())).contains(next);
    }

    @ParameterizedTest
    @ValueSource(ints = {64, 50})
    void aClaimThatTheMajorityDidNotConfirmIsMine(int code) {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        fail("insert", 1, concern(code));

        assertThat(isMine(service.claim(id, REQUEST))).isTrue();

        assertThat(String.join(" ", commands.names())).isEqualTo("insert insert find");
    }

    @Test
    void aClaimWhoseInsertTimesOutGivesUp() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        fail("insert", 1, code(50));

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> service.claim(id, REQUEST));

        assertThat(commands.names()).containsExactly("insert", "find", "find");
    }

    /** The server still does what timed out, or has done it. */
    @Test
    void theDriversOwnTimeOutMeansWhatTheServersDoes() {
        try (MongoClient hurried = TestServer.client(
                settings -> settings.applicationName(APPLICATION).timeout(HURRY.toMillis(), TimeUnit.MILLISECONDS))) {
            MongoKeyStore itsStore = new MongoKeyStore(hurried, database.getName(), "keys");
            MongoCollection<Document> itsRows =
                    hurried.getDatabase(database.getName()).getCollection("rows");
            StoredKey held = held();
            StoredKey finished = next(held, FINISHED);
            String name = UUID.randomUUID().toString();

            fail("insert", 1, blocked());
            assertThat(kindOf(() -> itsStore.insert(key(OPEN)))).isEqualTo(StoreFailure.Kind.BUSY);
            StoredKey waiting = held();
            fail("update", 1, blocked());
            assertThat(kindOf(() -> itsStore.replace(waiting.revision(), next(waiting, OPEN))))
                    .isEqualTo(StoreFailure.Kind.BUSY);
            fail("insert", 1, blocked());
            StageCommit late = itsStore.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> {
                itsRows.insertOne(session, new Document("_id", name));
                return finished.progress();
            });
            fail("commitTransaction", 1, blocked());
            StageCommit sentAgain =
                    itsStore.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> finished.progress());

            assertThat(nameOf(late)).isEqualTo("transiently rolled back");
            assertThat(nameOf(sentAgain)).isEqualTo("committed");
            assertThat(store.find(held.id())).contains(finished);
            assertThat(rows.find(eq(name)).first()).isNull();
        }
    }

    /**
     * The pool's one connection is taken for longer than a write waits for a held document. A write that then matches
     * nothing may have been sent before.
     */
    @ParameterizedTest
    @CsvSource({"true, made", "false, BUSY"})
    void aWaitForAConnectionIsNoWaitForADocument(boolean current, String expected) {
        untilAnsweredInTime(() -> waitsForAConnection(current, expected));
    }

    /** Whether the machine wasn't so busy that the write itself was answered late, which means that it's not known. */
    private boolean waitsForAConnection(boolean current, String expected) {
        CountDownLatch taken = new CountDownLatch(1);
        CountDownLatch waitedTwice = new CountDownLatch(2);
        RecordedCommands sent = new RecordedCommands();
        try (MongoClient crowded = TestServer.client(settings -> settings.timeout(30, TimeUnit.SECONDS)
                .addCommandListener(sent)
                .applyToConnectionPoolSettings(
                        pool -> pool.maxSize(1).addConnectionPoolListener(new ConnectionPoolListener() {
                            @Override
                            public void connectionCheckOutFailed(ConnectionCheckOutFailedEvent event) {
                                waitedTwice.countDown();
                            }
                        })))) {
            MongoKeyStore itsStore = new MongoKeyStore(crowded, database.getName(), "keys");
            StoredKey held = held();
            StoredKey next = next(held, OPEN);
            sent.before(command -> {
                if (command.equals("find")) {
                    taken.countDown();
                    await(waitedTwice);
                }
            });
            Future<?> other = elsewhere(() -> itsStore.find(held.id()));
            await(taken);

            String end;
            try {
                end = itsStore.replace(current ? held.revision() : next.revision(), next) ? "made" : "not made";
            } catch (StoreFailure e) {
                end = e.kind().name();
            }

            assertThat(get(other)).isNotNull();
            if (expected.equals("made") && end.equals("BUSY") && sent.names().contains("update")) {
                return false;
            }
            assertThat(end).isEqualTo(expected);
            assertThat(waitedTwice.getCount()).isZero();
            assertThat(store.find(held.id())).contains(current ? next : held);
            return true;
        }
    }

    // Reaping

    /** A count below the limit would tell the reaper that nothing is left. */
    @ParameterizedTest
    @CsvSource({"50, BUSY", "13, UNAVAILABLE"})
    void aBatchOfDeletionsThatFailsHalfwayFailsAndIsGoneOnWith(int code, StoreFailure.Kind kind) {
        MongoCollection<BsonDocument> documents = database.getCollection("expired" + code, BsonDocument.class);
        MongoKeyStore expiring = new MongoKeyStore(client, database.getName(), "expired" + code);
        expiring.createIndexes();
        AtomicInteger deletes = new AtomicInteger();
        commands.before(command -> {
            if (command.equals("delete") && deletes.incrementAndGet() == 2) {
                fail(command, 1, code(code));
            }
        });
        Instant later = Keys.AT.plusSeconds(60);

        StoreFailure.Kind met;
        int tries = 0;
        do {
            deletes.set(0);
            documents.deleteMany(new BsonDocument());
            documents.insertMany(Stream.generate(() -> KeyDocument.insert(key(FINISHED), null))
                    .limit(30)
                    .toList());
            deletes.set(0);
            met = kindOf(() -> expiring.deleteExpired(later, 500));
            // On a busy machine the first command may take longer than the store lets the server work.
        } while (deletes.get() < 2 && ++tries < 20);

        assertThat(met).isEqualTo(kind);
        assertThat(documents.countDocuments()).isEqualTo(5);
        for (tries = 1; documents.countDocuments() > 0; tries++) {
            assertThat(tries).isLessThan(20);
            long left = documents.countDocuments();
            try {
                assertThat(expiring.deleteExpired(later, 500)).isEqualTo((int) left);
            } catch (StoreFailure onABusyMachine) {
                // It may have deleted some.
            }
        }
    }

    // A holder's sessions

    /** A holder's transaction that can't be ended now may still block the next try. */
    @ParameterizedTest
    @ValueSource(strings = {"find", "killSessions"})
    void theSessionsOfFormerHoldersAreKilledOnceAndAgainOnlyIfThatFailed(String command) {
        StoredKey first = held();
        StoredKey held = next(first, LOCKED);
        MongoKeyStore heir = new MongoKeyStore(client, database.getName(), "keys");
        assertThat(heir.replace(first.revision(), held)).isTrue();
        MongoException conflict = new MongoException(112, "conflict");
        Runnable conflicting = () -> {
            StageCommit end = heir.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> {
                throw conflict;
            });
            assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        };

        fail(command, 1, code(13));
        conflicting.run();
        assertThat(conflict.getSuppressed()).hasSize(1);
        commands.forget();
        conflicting.run();
        conflicting.run();

        assertThat(commands.names()).containsExactly("find", "killSessions");
    }

    /** One session belongs to the new revision, because the first try may yet land, and one to the old. */
    @Test
    void aWriteThatIsRepeatedLosesNoSession() {
        StoredKey held = held();
        StoredKey renewed = next(held, LOCKED);
        List<Object> used = new ArrayList<>();
        Runnable stage = () -> commit(held, session -> {
            used.add(session.getServerSession().getIdentifier());
            throw new IllegalStateException("thrown by the stage");
        });
        for (int i = 0; i < 2; i++) {
            fail("update", 1, cut());
            assertThat(kindOf(() -> store.replace(held.revision(), renewed))).isEqualTo(StoreFailure.Kind.UNKNOWN);
            stage.run();
        }

        assertThat(used).hasSize(2);
        assertThat(used.get(1)).isEqualTo(used.get(0));
    }

    private static boolean isMine(Claim claim) {
        return claim instanceof Claim.Claimed;
    }

    @Test
    void withoutAServerNothingIsSent() {
        try (MongoClient lonely = TestServer.client(
                "mongodb://127.0.0.1:1/?replicaSet=none",
                settings -> settings.applyToClusterSettings(
                        cluster -> cluster.serverSelectionTimeout(100, TimeUnit.MILLISECONDS)))) {
            assertThat(kindOf(() -> new MongoKeyStore(lonely, "shop", "keys")))
                    .isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
    }

    /** The read times out with the operation then, and not as a search for a server. */
    @Test
    void aClientWithATimeOutTriesNotAgainAndAgainToReadFromAServerThatIsGone() {
        AtomicInteger repetitions = new AtomicInteger();
        Environment system = Environment.system();
        Environment counting = new Environment() {
            @Override
            public RandomGenerator random() {
                return system.random();
            }

            @Override
            public long nanoTime() {
                return system.nanoTime();
            }

            @Override
            public void pause(Duration duration) {
                repetitions.incrementAndGet();
            }
        };
        TestServer server = TestServer.start();
        try (server;
                MongoClient left = TestServer.client(
                        server.ownUrl(), settings -> settings.timeout(HURRY.toMillis(), TimeUnit.MILLISECONDS))) {
            MongoKeyStore itsStore = new MongoKeyStore(left, "shop", "keys");
            IdempotencyKeyService<ClientSession> service = IdempotencyKeyService.builder(itsStore)
                    .replayCacheBytes(0)
                    .environment(counting)
                    .build();
            server.close();
            server.awaitEnd();

            assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                    .isThrownBy(() -> service.retrieve(KeyId.of("a-key")));

            // The first read that finds out loses its connection.
            assertThat(repetitions).hasValueLessThan(3);
            assertThat(kindOf(itsStore::time)).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
            assertThat(kindOf(() -> itsStore.findQuarantined(null, null, Keys.AT, 1)))
                    .isEqualTo(StoreFailure.Kind.UNAVAILABLE);
            assertThat(kindOf(() -> itsStore.backlog(Keys.AT))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
    }

    /** A client that has found the server, and doesn't look for one for long. */
    private static MongoClient impatient(TestServer server, RecordedCommands sent) {
        CountDownLatch found = new CountDownLatch(1);
        MongoClient client = TestServer.client(
                server.ownUrl(),
                settings -> settings.addCommandListener(sent)
                        // A heartbeat that was answered before the end, and is told of after it, would make it seem up.
                        .applyToServerSettings(monitored -> monitored.heartbeatFrequency(1, TimeUnit.HOURS))
                        .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(200, TimeUnit.MILLISECONDS)
                                .addClusterListener(new ClusterListener() {
                                    @Override
                                    public void clusterDescriptionChanged(ClusterDescriptionChangedEvent event) {
                                        if (event.getNewDescription().hasWritableServer()) {
                                            found.countDown();
                                        }
                                    }
                                })));
        await(found);
        return client;
    }

    @Test
    void aStageWhoseServerIsGoneIsRolledBackToBeRunAgain() {
        TestServer server = TestServer.start();
        try (server;
                MongoClient left = impatient(server, new RecordedCommands())) {
            MongoKeyStore itsStore = new MongoKeyStore(left, "shop", "keys");
            StoredKey held = key(LOCKED);
            itsStore.insert(held);

            StageCommit end = itsStore.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> {
                server.close();
                server.awaitEnd();
                // The first read that finds out loses its connection, and isn't what is tested.
                assertThatExceptionOfType(StoreFailure.class).isThrownBy(() -> itsStore.find(held.id()));
                return next(held, FINISHED).progress();
            });

            assertThat(nameOf(end)).isEqualTo("transiently rolled back");
            assertThat(causeOf(end)).isExactlyInstanceOf(MongoTimeoutException.class);
            assertThat(kindOf(() -> itsStore.insert(key(OPEN)))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
    }

    @Test
    void aCommitWhoseServerIsGoneIsSentAgainAndThenUnknown() {
        RecordedCommands sent = new RecordedCommands();
        TestServer server = TestServer.start();
        try (server;
                MongoClient left = impatient(server, sent)) {
            MongoKeyStore itsStore = new MongoKeyStore(left, "shop", "keys");
            StoredKey held = key(LOCKED);
            itsStore.insert(held);
            sent.before(command -> {
                if (command.equals("commitTransaction")) {
                    server.close();
                    server.awaitEnd();
                }
            });

            StageCommit end = itsStore.commitStage(
                    held,
                    Isolation.SNAPSHOT,
                    LEASE,
                    session -> next(held, FINISHED).progress());

            assertThat(nameOf(end)).isEqualTo("unknown");
            assertThat(causeOf(end).getSuppressed()).hasSize(2).hasOnlyElementsOfType(MongoTimeoutException.class);
        }
    }

    /** A command that follows the last one needs a connection of its own, and a deleted user gets none. */
    @ParameterizedTest
    @CsvSource({"insert, transiently rolled back", "update, unknown"})
    void aUserWhoIsGoneAfterACommandSendsNoOther(String last, String expected) {
        MongoDatabase admin = steady.getDatabase("admin");
        String user = TestServer.newName();
        Document created = admin.runCommand(new Document("createUser", user)
                .append("pwd", "a password")
                .append("roles", List.of(new Document("role", "readWrite").append("db", database.getName()))));
        assertThat(created).containsEntry("ok", 1.0);
        RecordedCommands sent = new RecordedCommands();
        try (MongoClient itsClient = TestServer.client(settings -> settings.addCommandListener(sent)
                .credential(MongoCredential.createCredential(user, "admin", "a password".toCharArray()))
                .applyToConnectionPoolSettings(
                        pool -> pool.maxConnectionLifeTime(LIFE_OF_A_CONNECTION_MILLIS, TimeUnit.MILLISECONDS)))) {
            MongoKeyStore itsStore = new MongoKeyStore(itsClient, database.getName(), "keys");
            MongoCollection<Document> itsRows =
                    itsClient.getDatabase(database.getName()).getCollection("rows");
            StoredKey held = key(LOCKED);
            itsStore.insert(held);
            sent.before(command -> {
                if (command.equals(last)) {
                    assertThat(admin.runCommand(new Document("dropUser", user))).containsEntry("ok", 1.0);
                    awaitEndOfConnections();
                }
            });

            StageCommit end = itsStore.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> {
                itsRows.insertOne(session, new Document("_id", UUID.randomUUID().toString()));
                return next(held, FINISHED).progress();
            });

            assertThat(nameOf(end)).isEqualTo(expected);
            assertThat(causeOf(end)).isInstanceOf(MongoSecurityException.class).hasNoSuppressedExceptions();
            assertThat(sent.names()).doesNotContain("commitTransaction");
            assertThat(kindOf(() -> itsStore.find(held.id()))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
            assertThat(store.find(held.id())).contains(held);
        }
    }

    /** The pool compares the wall clock's milliseconds, and a quick server answers several commands in one. */
    private static void awaitEndOfConnections() {
        long now = System.currentTimeMillis();
        while (System.currentTimeMillis() <= now + LIFE_OF_A_CONNECTION_MILLIS) {
            Thread.onSpinWait();
        }
    }

    // In a stage

    static Stream<Arguments> inAStage() {
        Stream<Arguments> again = Stream.of(
                        50, 24, 202, 262, 112, 225, 239, 246, 251, 267, 10107, 91, 189, 11600, 11602, 13435, 13436, 6,
                        7, 89, 9001, 64, 290, 11601)
                .map(code -> Arguments.of(code(code), "transiently rolled back"));
        Stream<Arguments> own = Stream.concat(REFUSED.stream(), Stream.of(11000, 1, 8))
                .map(code -> Arguments.of(code(code), "rolled back"));
        Stream<Arguments> others = Stream.of(
                Arguments.of(code(100, RETRYABLE), "transiently rolled back"),
                Arguments.of(code(8, MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL), "transiently rolled back"),
                Arguments.of(cut(), "transiently rolled back"));
        return Stream.of(again, own, others).flatMap(all -> all);
    }

    @ParameterizedTest
    @MethodSource("inAStage")
    void aStagesFailureRollsItBackAndItsExceptionIsKept(Document how, String expected) {
        StoredKey held = held();
        String name = UUID.randomUUID().toString();
        AtomicReference<MongoException> thrown = new AtomicReference<>();
        fail("insert", 1, how);

        StageCommit end = commit(held, session -> {
            try {
                rows.insertOne(session, new Document("_id", name));
            } catch (MongoException e) {
                thrown.set(e);
                throw new IllegalStateException("as a framework wraps it", e);
            }
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo(expected);
        assertThat(causeOf(end)).hasMessage("as a framework wraps it").hasCause(thrown.get());
        assertThat(store.find(held.id())).contains(held);
        assertThat(rows.find(eq(name)).first()).isNull();
        assertThat(nameOf(commit(held, session -> next(held, FINISHED)))).isEqualTo("committed");
    }

    @ParameterizedTest
    @MethodSource("inAStage")
    void theFencesFailureRollsTheStageBack(Document how, String expected) {
        StoredKey held = held();
        String name = UUID.randomUUID().toString();
        fail("update", 1, how);

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, new Document("_id", name));
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo(expected);
        assertThat(causeOf(end))
                .isInstanceOf(expected.equals("rolled back") ? StoreFailure.class : MongoException.class);
        assertThat(store.find(held.id())).contains(held);
        assertThat(rows.find(eq(name)).first()).isNull();
    }

    @Test
    void aCallerIsToldThatTheStoreIsUnavailableIfItRefusesTheFence() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        HeldKey held = claimed(service.claim(id, REQUEST));
        fail("update", 1, code(13));

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> service.workStage(held, stage -> {
                    rows.insertOne(stage.transaction(), new Document("_id", id.value()));
                    return StageOutcome.respond(RESPONSE);
                }))
                .havingCause()
                .isInstanceOf(StoreFailure.class);

        assertThat(rows.find(eq(id.value())).first()).isNull();
    }

    @Test
    void anErrorThatTheRollbackMeetsDoesNotHideTheStages() {
        StoredKey held = held();
        fail("abortTransaction", 1, cut());
        IllegalStateException thrown = new IllegalStateException("thrown by the stage");

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, new Document("_id", UUID.randomUUID().toString()));
            throw thrown;
        });

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(causeOf(end)).isSameAs(thrown);
        assertThat(nameOf(commit(held, session -> next(held, FINISHED)))).isEqualTo("committed");
    }

    @Test
    void whatCountsIsFoundAnywhereAmongCausesAndSuppressed() {
        MongoException conflict = new MongoException(112, "conflict");
        IllegalStateException suppressing = new IllegalStateException("on the way out");
        suppressing.addSuppressed(new IOException("while closing", conflict));
        IllegalStateException circle = new IllegalStateException("one");
        circle.addSuppressed(new IllegalStateException("another", circle));

        assertThat(Failure.of(new RuntimeException(new RuntimeException(conflict))))
                .isEqualTo(Failure.CONFLICT);
        assertThat(Failure.of(suppressing)).isEqualTo(Failure.CONFLICT);
        assertThat(Failure.of(circle)).isEqualTo(Failure.NONE);
        assertThat(Failure.of(new IllegalStateException("112: WriteConflict"))).isEqualTo(Failure.NONE);
    }

    // At the commit

    static Stream<Arguments> atTheCommit() {
        String again = MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL;
        String unknown = MongoException.UNKNOWN_TRANSACTION_COMMIT_RESULT_LABEL;
        Stream<Arguments> conflicts = Stream.of(112, 225, 239, 246, 251, 267, 8)
                .map(code -> Arguments.of(code(code, again), 1, "transiently rolled back"));
        // The driver sends the commit again by itself, and so does the adapter, until an answer says how it ended.
        Stream<Arguments> sentAgain = Stream.of(
                        code(50),
                        code(262, RETRYABLE),
                        code(10107),
                        code(91),
                        code(189),
                        code(11600),
                        code(11602),
                        code(13435),
                        code(13436),
                        code(6, RETRYABLE),
                        code(7, RETRYABLE),
                        code(89, RETRYABLE),
                        code(9001, RETRYABLE),
                        code(100, RETRYABLE),
                        concern(64),
                        cut())
                .map(how -> Arguments.of(how, 1, "committed"));
        Stream<Arguments> unanswered = Stream.of(code(50), code(189), concern(64), cut(), code(8, unknown))
                .map(how -> Arguments.of(how, EVERY_COMMIT, "unknown"));
        Stream<Arguments> unlabelled = Stream.concat(REFUSED.stream(), Stream.of(24, 202, 64, 290, 11601, 11000, 1, 8))
                .map(code -> Arguments.of(code(code), 1, "unknown"));
        Stream<Arguments> others = Stream.of(
                Arguments.of(cut(), EVERY_COMMIT - 1, "committed"), Arguments.of(code(8, unknown), 2, "committed"));
        return Stream.of(conflicts, sentAgain, unanswered, unlabelled, others).flatMap(all -> all);
    }

    @ParameterizedTest
    @MethodSource("atTheCommit")
    void aCommitsFailureIsResolvedOrUnknown(Document how, int times, String expected) {
        StoredKey held = held();
        StoredKey next = next(held, FINISHED);
        fail("commitTransaction", times, how);

        StageCommit end = commit(held, session -> next);

        assertThat(nameOf(end)).isEqualTo(expected);
        boolean made = expected.equals("committed") || how.containsKey("writeConcernError");
        assertThat(store.find(held.id())).contains(made ? next : held);
        if (!made) {
            // The transaction may still be open: the next run ends it, and doesn't wait for it.
            disarm();
            assertThat(nameOf(commit(held, session -> next(held, FINISHED)))).isEqualTo("committed");
        }
    }

    /** An earlier sending, whose answer was lost, may have committed. */
    /** The driver refuses the commands of an interrupted thread, and the transaction would stay open for a minute. */
    @Test
    void aTransactionThatIsInterruptedAtItsEndIsCommittedOrAborted() {
        StoredKey held = held();
        StoredKey missed = key(LOCKED);
        List<String> names =
                List.of(UUID.randomUUID().toString(), UUID.randomUUID().toString());

        List<Boolean> interrupted = get(elsewhere(() -> {
            commands.forget();
            commands.after(name -> {
                if (name.equals("update")) {
                    Thread.currentThread().interrupt();
                }
            });
            StageCommit made = commit(held, session -> {
                rows.insertOne(session, new Document("_id", names.get(0)));
                return next(held, FINISHED);
            });
            boolean afterCommit = Thread.interrupted();
            StageCommit fencedOff = commit(missed, session -> {
                rows.insertOne(session, new Document("_id", names.get(1)));
                return next(missed, FINISHED);
            });
            assertThat(made).isEqualTo(StageCommit.committed());
            assertThat(fencedOff).isEqualTo(StageCommit.fencedOff());
            return List.of(afterCommit, Thread.interrupted());
        }));

        assertThat(interrupted).containsExactly(true, true);
        assertThat(commands.names())
                .containsExactly("insert", "update", "commitTransaction", "insert", "update", "abortTransaction");
        assertThat(rows.find(in("_id", names)).map(row -> row.getString("_id"))).containsExactly(names.get(0));
    }

    @Test
    void aCommitThatConflictsAfterALostAnswerIsUnknown() {
        StoredKey held = held();
        AtomicInteger sent = new AtomicInteger();
        fail("commitTransaction", 2, cut());
        commands.before(command -> {
            if (command.equals("commitTransaction") && sent.incrementAndGet() == 3) {
                fail(command, 1, code(251, MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL));
            }
        });

        StageCommit end = commit(held, session -> next(held, FINISHED));

        assertThat(nameOf(end)).isEqualTo("unknown");
        assertThat(sent).hasValue(3);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "6, 2", "7, 2", "12, 3"})
    void aCommitThatIsNotAnsweredIsResolvedByTheService(int times, int expectedRuns) {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        HeldKey held = claimed(service.claim(id, REQUEST));
        AtomicInteger runs = new AtomicInteger();
        fail("commitTransaction", times, cut());

        StageResult result = service.workStage(held, stage -> {
            runs.incrementAndGet();
            rows.insertOne(stage.transaction(), new Document("_id", id.value()));
            return StageOutcome.respond(RESPONSE);
        });

        assertThat(result).isInstanceOf(StageResult.Finished.class);
        assertThat(runs).hasValue(expectedRuns);
        assertThat(rows.find(eq(id.value())).first()).isNotNull();
    }

    private static HeldKey claimed(Claim claim) {
        return ((Claim.Claimed) claim).key();
    }

    // Answers that are lost on the way

    @FunctionalInterface
    interface CutTest {
        void run(
                CuttingProxy proxy,
                MongoKeyStore itsStore,
                IdempotencyKeyService<ClientSession> service,
                MongoCollection<Document> itsRows)
                throws IOException;
    }

    private void throughAProxy(boolean retryWrites, CutTest test) throws IOException {
        try (CuttingProxy proxy = CuttingProxy.toThePrimaryOf(steady);
                MongoClient cutOff = TestServer.client(proxy.url(), settings -> settings.retryWrites(retryWrites))) {
            MongoKeyStore itsStore = new MongoKeyStore(cutOff, database.getName(), "keys");
            test.run(
                    proxy,
                    itsStore,
                    askingTheStore(itsStore),
                    cutOff.getDatabase(database.getName()).getCollection("rows"));
        }
    }

    /** If the driver sent it again, the second answer would be that the key exists, or has another revision. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aWriteWhoseAnswerIsLostIsUnknownAndNotSentAgain(boolean retryWrites) throws IOException {
        throughAProxy(retryWrites, (proxy, itsStore, service, itsRows) -> {
            StoredKey key = key(OPEN);
            StoredKey next = next(key, OPEN);

            proxy.cut(CuttingProxy.Cut.ANSWER, "insert", 1);
            assertThat(kindOf(() -> itsStore.insert(key))).isEqualTo(StoreFailure.Kind.UNKNOWN);
            proxy.cut(CuttingProxy.Cut.ANSWER, "update", 1);
            assertThat(kindOf(() -> itsStore.replace(key.revision(), next))).isEqualTo(StoreFailure.Kind.UNKNOWN);

            assertThat(store.find(key.id())).contains(next);
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aClaimWhoseAnswerIsLostIsMine(boolean retryWrites) throws IOException {
        throughAProxy(retryWrites, (proxy, itsStore, service, itsRows) -> {
            KeyId id = KeyId.of(UUID.randomUUID().toString());
            proxy.cut(CuttingProxy.Cut.ANSWER, "insert", 1);

            assertThat(isMine(service.claim(id, REQUEST))).isTrue();

            assertThat(isMine(service.claim(id, REQUEST))).isFalse();
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aRenewalWhoseAnswerIsLostIsMade(boolean retryWrites) throws IOException {
        throughAProxy(retryWrites, (proxy, itsStore, service, itsRows) -> {
            KeyId id = KeyId.of(UUID.randomUUID().toString());
            HeldKey held = claimed(service.claim(id, REQUEST));
            proxy.cut(CuttingProxy.Cut.ANSWER, "update", 1);

            HeldKey renewed = service.renew(held);

            assertThat(service.workStage(renewed, stage -> StageOutcome.respond(RESPONSE)))
                    .isInstanceOf(StageResult.Finished.class);
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, EVERY_COMMIT})
    void aCommitWhoseAnswersAreLostIsMadeOnce(int lost) throws IOException {
        throughAProxy(true, (proxy, itsStore, service, itsRows) -> {
            KeyId id = KeyId.of(UUID.randomUUID().toString());
            HeldKey held = claimed(service.claim(id, REQUEST));
            itsRows.insertOne(new Document("_id", id.value()).append("count", 0));
            proxy.cut(CuttingProxy.Cut.ANSWER, "commitTransaction", lost);

            StageResult result = service.workStage(held, stage -> {
                itsRows.updateOne(stage.transaction(), eq(id.value()), Updates.inc("count", 1));
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(result).isInstanceOf(StageResult.Finished.class);
            assertThat(rows.find(eq(id.value())).first()).containsEntry("count", 1);
        });
    }

    /** No commit reaches the server before the stage has run again; then they all do. */
    @Test
    void aLateCommitDoublesNothing() throws IOException {
        throughAProxy(true, (proxy, itsStore, service, itsRows) -> {
            KeyId id = KeyId.of(UUID.randomUUID().toString());
            HeldKey held = claimed(service.claim(id, REQUEST));
            itsRows.insertOne(new Document("_id", id.value()).append("count", 0));
            AtomicInteger runs = new AtomicInteger();
            proxy.cut(CuttingProxy.Cut.COMMAND, "commitTransaction", EVERY_COMMIT);

            StageResult result = service.workStage(held, stage -> {
                runs.incrementAndGet();
                itsRows.updateOne(stage.transaction(), eq(id.value()), Updates.inc("count", 1));
                return StageOutcome.respond(RESPONSE);
            });
            int late = proxy.deliver();

            assertThat(late).isEqualTo(EVERY_COMMIT);
            assertThat(result).isInstanceOf(StageResult.Finished.class);
            assertThat(runs).hasValue(2);
            assertThat(rows.find(eq(id.value())).first()).containsEntry("count", 1);
        });
    }

    /** The holder's own unresolved transaction would hold the key's document for a minute. */
    @Test
    void aKeyCanBeGivenBackAlthoughItsHoldersUnresolvedCommitIsInTheWay() throws IOException {
        throughAProxy(true, (proxy, itsStore, service, itsRows) -> {
            StoredKey held = key(LOCKED);
            itsStore.insert(held);
            StoredKey finished = next(held, FINISHED);
            StoredKey released = next(held, OPEN);
            proxy.cut(CuttingProxy.Cut.COMMAND, "commitTransaction", EVERY_COMMIT);
            assertThat(nameOf(itsStore.commitStage(held, Isolation.SNAPSHOT, LEASE, session -> finished.progress())))
                    .isEqualTo("unknown");

            assertThat(kindOf(() -> itsStore.replace(held.revision(), released)))
                    .isEqualTo(StoreFailure.Kind.BUSY);
            // The write that timed out may have landed by now, or this one does.
            boolean unused = itsStore.replace(held.revision(), released);

            assertThat(proxy.deliver()).isEqualTo(EVERY_COMMIT);
            assertThat(itsStore.find(held.id())).contains(released);
        });
    }
}
