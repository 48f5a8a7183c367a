package io.idempotencykey.mongo;

import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Updates.combine;
import static com.mongodb.client.model.Updates.set;
import static com.mongodb.client.model.Updates.unset;
import static io.idempotencykey.contract.Services.askingTheStore;
import static io.idempotencykey.mongo.Keys.FINISHED;
import static io.idempotencykey.mongo.Keys.LEASE;
import static io.idempotencykey.mongo.Keys.LOCKED;
import static io.idempotencykey.mongo.Keys.OPEN;
import static io.idempotencykey.mongo.Keys.QUARANTINED;
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
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

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
import com.mongodb.client.model.Collation;
import com.mongodb.client.model.CreateCollectionOptions;
import com.mongodb.client.model.IndexOptions;
import com.mongodb.client.model.Indexes;
import io.idempotencykey.Backlog;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bson.BsonBoolean;
import org.bson.BsonDocument;
import org.bson.BsonString;
import org.bson.BsonType;
import org.bson.Document;
import org.bson.codecs.BsonTypeClassMap;
import org.bson.codecs.DocumentCodecProvider;
import org.bson.codecs.configuration.CodecRegistries;
import org.bson.types.Binary;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the contract can't ask of every adapter: commands, documents, indexes, topology, sessions, dead holders.
 */
// On a thread of its own, because a read that nobody answers can't be interrupted.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoStoreTest {
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final RecordedCommands commands = new RecordedCommands();
    private MongoClient client;
    private MongoDatabase database;
    private MongoCollection<Document> documents;
    private MongoCollection<Document> rows;
    private MongoKeyStore store;

    @BeforeAll
    void open() {
        client = TestServer.client(settings -> settings.addCommandListener(commands));
        database = client.getDatabase(TestServer.newName());
        documents = database.getCollection("keys");
        database.createCollection("rows");
        rows = database.getCollection("rows");
        store = new MongoKeyStore(client, database.getName(), "keys");
        store.createIndexes();
    }

    @AfterAll
    void close() {
        TestServer.drop(database);
        client.close();
    }

    @BeforeEach
    void forget() {
        commands.forget();
    }

    private StoredKey inserted(KeyState state) {
        StoredKey key = key(state);
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    private Document document(KeyId id) {
        return documents.find(eq(id.scope() + " " + id.value())).first();
    }

    private StageCommit commit(StoredKey held, java.util.function.Function<ClientSession, StoredKey> work) {
        return store.commitStage(held, Isolation.SNAPSHOT, LEASE, work.andThen(StoredKey::progress));
    }

    private static Document row(String name) {
        return new Document("_id", name).append("value", "0");
    }

    // Cost

    private Operation<ClientSession> twoStages() {
        return askingTheStore(store)
                .operation("complete-cart")
                .branch(RecoveryPoint.STARTED, stage -> StageOutcome.advanceTo(PAID))
                .branch(PAID, stage -> StageOutcome.respond(RESPONSE))
                .build();
    }

    @Test
    void aNewKeyCostsOneInsertAndOneTransactionOfOneUpdatePerStage() {
        IdempotencyKeyService<ClientSession> runner = askingTheStore(store);

        runner.run(twoStages(), KeyId.of(UUID.randomUUID().toString()), REQUEST);

        assertThat(commands.names())
                .containsExactly("insert", "update", "commitTransaction", "update", "commitTransaction");
    }

    @Test
    void aReplayCostsOneFindAndOneInsertThatDoesNothingWhereTheKeyWasNotSeen() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        service.run(twoStages(), id, REQUEST);
        commands.forget();

        service.retrieve(id);
        assertThat(commands.names()).containsExactly("find");
        commands.forget();
        service.run(twoStages(), id, REQUEST);
        assertThat(commands.names()).containsExactly("find");
        commands.forget();
        askingTheStore(store).run(twoStages(), id, REQUEST);

        assertThat(commands.names()).containsExactly("insert", "find");
    }

    @Test
    void aRefusedDuplicateCostsTwoCommands() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        service.claim(id, REQUEST);
        commands.forget();

        service.claim(id, REQUEST);

        assertThat(commands.names()).containsExactly("insert", "find");
    }

    @Test
    void aResumptionCostsOneUpdateMore() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        service.unlock(held(service.claim(id, REQUEST)));
        commands.forget();

        service.claim(id, REQUEST);

        assertThat(commands.names()).containsExactly("insert", "find", "update");
    }

    private static HeldKey held(Claim claim) {
        return ((Claim.Claimed) claim).key();
    }

    // Concerns, whatever the client's are

    static Stream<Named<Consumer<MongoClientSettings.Builder>>> weakClients() {
        return Stream.of(
                Named.of("unacknowledged writes", s -> s.writeConcern(WriteConcern.UNACKNOWLEDGED)),
                Named.of("writes to one member", s -> s.writeConcern(WriteConcern.W1.withJournal(false))),
                Named.of("local reads", s -> s.readConcern(ReadConcern.LOCAL)),
                Named.of("reads on secondaries", s -> s.readPreference(ReadPreference.secondary())),
                Named.of("writes that aren't retried", s -> s.retryWrites(false).retryReads(false)),
                Named.of("operations that time out", s -> s.timeout(20, TimeUnit.SECONDS)),
                Named.of("operations that never time out", s -> s.timeout(0, TimeUnit.SECONDS)),
                Named.of(
                        "dates as instants",
                        s -> s.codecRegistry(CodecRegistries.fromRegistries(
                                CodecRegistries.fromProviders(new DocumentCodecProvider(
                                        new BsonTypeClassMap(Map.of(BsonType.DATE_TIME, Instant.class)))),
                                MongoClientSettings.getDefaultCodecRegistry()))),
                Named.of(
                        "another UUID representation",
                        s -> s.uuidRepresentation(org.bson.UuidRepresentation.JAVA_LEGACY)));
    }

    @ParameterizedTest
    @MethodSource("weakClients")
    void aClientsSettingsDoNotWeakenTheStore(Consumer<MongoClientSettings.Builder> settings) {
        untilAnsweredInTime(() -> keepsItsConcerns(settings));
    }

    /** Whether no write was answered so late that its document was taken to be held, which takes other commands. */
    private boolean keepsItsConcerns(Consumer<MongoClientSettings.Builder> settings) {
        RecordedCommands sent = new RecordedCommands();
        try (MongoClient weak = TestServer.client(builder -> {
            settings.accept(builder);
            builder.addCommandListener(sent);
        })) {
            MongoKeyStore weakStore = new MongoKeyStore(weak, database.getName(), "keys");
            IdempotencyKeyService<ClientSession> service = askingTheStore(weakStore);
            KeyId id = KeyId.of(UUID.randomUUID().toString());
            assertThat(weakStore.time()).isAfter(Instant.EPOCH);
            sent.forget();

            try {
                HeldKey held = held(service.claim(id, REQUEST));
                service.workStage(service.renew(held), stage -> StageOutcome.respond(RESPONSE));
                service.once("pay", KeyId.of(UUID.randomUUID().toString()), REQUEST, stage -> RESPONSE);
            } catch (IdempotencyException.Locked e) {
                return false;
            }
            if (sent.names().contains("killSessions")) {
                return false;
            }
            assertThat(service.retrieve(id).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
            assertThat(store.find(id)).isEqualTo(weakStore.find(id)).isPresent();

            assertThat(sent.names()).contains("insert", "update", "commitTransaction", "find");
            int begun = 0;
            for (BsonDocument command : sent.texts()) {
                boolean inTransaction = command.containsKey("autocommit") && !command.containsKey("commitTransaction");
                if (command.containsKey("find")) {
                    assertThat(command.getDocument("readConcern")
                                    .getString("level")
                                    .getValue())
                            .isEqualTo("majority");
                } else if (inTransaction) {
                    if (command.containsKey("startTransaction")) {
                        begun++;
                        assertThat(command.getDocument("readConcern")
                                        .getString("level")
                                        .getValue())
                                .isEqualTo("snapshot");
                    }
                } else {
                    if (!command.containsKey("commitTransaction")) {
                        assertThat(command.getNumber("maxTimeMS").longValue()).isBetween(1L, 10_000L);
                    }
                    BsonDocument concern = command.getDocument("writeConcern");
                    assertThat(concern.get("w")).isEqualTo(new BsonString("majority"));
                    assertThat(concern.get("j")).isEqualTo(BsonBoolean.TRUE);
                }
            }
            assertThat(begun).isEqualTo(2);
            return true;
        }
    }

    @Test
    void aWriteAndACommitSayHowLongTheyMayTake() {
        StoredKey held = inserted(LOCKED);
        StoredKey renewed = next(held, LOCKED);

        store.replace(held.revision(), renewed);
        commit(renewed, session -> next(renewed, FINISHED));

        List<BsonDocument> sent = commands.texts();
        assertThat(sent.get(0).getNumber("maxTimeMS").longValue()).isBetween(1L, 900L);
        assertThat(sent.get(1).getNumber("maxTimeMS").longValue()).isBetween(1L, 900L);
        assertThat(sent.get(3).getNumber("maxTimeMS").longValue()).isBetween(1L, 10_000L);
    }

    // Topology and isolation

    @Test
    void aServerWhosePortIsTakenDoesNotStart() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertThatExceptionOfType(IllegalStateException.class)
                    .isThrownBy(() -> TestServer.start("--port", String.valueOf(taken.getLocalPort())));
        }
    }

    @Test
    void aStandaloneServerIsRefused() {
        try (TestServer standalone = TestServer.start("--standalone");
                MongoClient alone = TestServer.client(standalone.ownUrl(), settings -> {})) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new MongoKeyStore(alone, "shop", "keys"))
                    .withMessageContaining("--replSet");
        }
    }

    @Test
    void aCollectionThatIsNotAnOrdinaryOneForKeysOnlyIsRefused() {
        database.createCollection(
                "collated",
                new CreateCollectionOptions()
                        .collation(Collation.builder().locale("en").build()));
        database.createView("view", "keys", List.of());
        database.getCollection("strict").createIndex(Indexes.ascending("operation"), new IndexOptions().unique(true));

        for (String name : List.of("collated", "view", "strict")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new MongoKeyStore(client, database.getName(), name))
                    .withMessageContaining(name);
        }
    }

    @Test
    void serializableIsRefusedWhenTheServiceIsBuilt() {
        assertThat(store.isolations()).containsExactly(Isolation.SNAPSHOT);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> IdempotencyKeyService.builder(store).isolation(Isolation.SERIALIZABLE))
                .withMessageContaining("SERIALIZABLE");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void writeSkewIsPossibleUnlessAStageTouchesWhatItDependsOn(boolean touches) {
        String a = UUID.randomUUID().toString();
        String b = UUID.randomUUID().toString();
        rows.insertMany(List.of(row(a), row(b)));
        CountDownLatch bothRead = new CountDownLatch(2);
        CountDownLatch firstEnded = new CountDownLatch(1);

        Future<StageCommit> second = elsewhere(() -> switchOn(b, a, touches, () -> {
            bothRead.countDown();
            await(firstEnded);
        }));
        StageCommit first = switchOn(a, b, touches, () -> {
            bothRead.countDown();
            await(bothRead);
        });
        firstEnded.countDown();

        assertThat(nameOf(first)).isEqualTo("committed");
        assertThat(nameOf(get(second))).isEqualTo(touches ? "transiently rolled back" : "committed");
    }

    /** Sets one row to 1 if it reads that the other is 0. */
    private StageCommit switchOn(String mine, String theirs, boolean touches, Runnable afterReading) {
        StoredKey held = inserted(LOCKED);
        return commit(held, session -> {
            assertThat(rows.find(session, eq(theirs)).first()).containsEntry("value", "0");
            afterReading.run();
            if (touches) {
                rows.updateOne(session, eq(theirs), set("touchedBy", held.id().value()));
            }
            rows.updateOne(session, eq(mine), set("value", "1"));
            return next(held, FINISHED);
        });
    }

    // Time

    @Test
    void timeIsTheServers() {
        Date before =
                client.getDatabase("admin").runCommand(new Document("hello", 1)).getDate("localTime");

        Instant time = store.time();

        Date after =
                client.getDatabase("admin").runCommand(new Document("hello", 1)).getDate("localTime");
        assertThat(time).isBetween(before.toInstant(), after.toInstant());
    }

    /** An application's clock that is an hour off changes nothing, because nothing reads it. */
    @Test
    void theApplicationsClockIsNeverRead() throws IOException {
        try (Stream<Path> sources = Files.walk(Path.of("src", "main", "java"))) {
            assertThat(sources.filter(Files::isRegularFile).toList())
                    .hasSizeGreaterThan(5)
                    .allSatisfy(source -> assertThat(Files.readString(source))
                            .doesNotContain("Instant.now", "currentTimeMillis", "new Date", "Clock."));
        }
    }

    // The document

    @Test
    void aDocumentIsReadableInTheShell() {
        StoredKey held = inserted(LOCKED);

        Document locked = document(held.id());
        assertThat(locked)
                .containsEntry("_id", "scope " + held.id().value())
                .containsEntry("format", 1)
                .containsEntry("scope", "scope")
                .containsEntry("state", "locked")
                .containsEntry("recoveryPoint", "started")
                .containsEntry("lockedAt", Date.from(Keys.AT))
                .containsEntry("resumableFrom", Date.from(Keys.AT.plus(LEASE)))
                .containsEntry("attempts", 1L);
        assertThat(locked.get("revision", Binary.class).getType()).isEqualTo((byte) 4);
        assertThat(locked.get("creationId", Binary.class).getData()).hasSize(16);
        assertThat(locked.getList("sessions", Binary.class)).hasSize(1);
        assertThat(locked.getEmbedded(List.of("request", "parameters"), String.class))
                .isEqualTo("{\"email\":\"a@example.org\"}");

        StoredKey finished = next(held, FINISHED);
        commit(held, session -> finished);

        assertThat(document(held.id()))
                .containsEntry("state", "finished")
                .containsEntry("expiresAt", Date.from(Keys.AT.plusSeconds(60)))
                .doesNotContainKeys("resumableFrom", "lockedAt", "sessions");
    }

    static Stream<Named<Consumer<Document>>> strangeDocuments() {
        return Stream.of(
                Named.of("a newer format", d -> d.put("format", 2)),
                Named.of("a format that isn't a number", d -> d.put("format", "1")),
                Named.of("no format", d -> d.remove("format")),
                Named.of("an unknown field", d -> d.put("priority", 1)),
                Named.of(
                        "an unknown field of the request",
                        d -> d.get("request", Document.class).put("body", "")),
                Named.of(
                        "an unknown field of the response",
                        d -> d.get("response", Document.class).put("trailers", "")),
                Named.of("an unknown state", d -> d.put("state", "paused")),
                Named.of("a field missing", d -> d.remove("fingerprint")),
                Named.of("a revision that isn't one", d -> d.put("revision", "1")),
                Named.of("another scope than that of its _id", d -> d.put("scope", "elsewhere")));
    }

    @ParameterizedTest
    @MethodSource("strangeDocuments")
    void aDocumentThatThisVersionDoesNotKnowIsAClearErrorAndStaysAsItIs(Consumer<Document> change) {
        StoredKey key = inserted(FINISHED);
        Document strange = document(key.id());
        change.accept(strange);
        documents.replaceOne(eq(strange.get("_id")), strange);

        assertThatExceptionOfType(StoreFailure.class)
                .isThrownBy(() -> store.find(key.id()))
                .withMessageContaining("is left as it is")
                .satisfies(e -> assertThat(e.kind()).isEqualTo(StoreFailure.Kind.UNREADABLE))
                .satisfies(
                        e -> assertThat(e.getMessage()).doesNotContain(key.id().value()));
        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> askingTheStore(store).claim(key.id(), REQUEST))
                .satisfies(e -> assertThat(e.keyId()).contains(key.id()));
        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> askingTheStore(store).once("complete-cart", key.id(), REQUEST, stage -> RESPONSE))
                .satisfies(e -> assertThat(e.keyId()).contains(key.id()));

        assertThat(document(key.id())).isEqualTo(strange);
        documents.deleteOne(eq(strange.get("_id")));
    }

    @Test
    void whatANewerVersionWroteIsCountedButNeitherListedNorRemoved() {
        MongoKeyStore older = new MongoKeyStore(client, database.getName(), "newer");
        older.createIndexes();
        MongoCollection<Document> newer = database.getCollection("newer");
        Instant later = Instant.parse("2100-01-01T00:00:00Z");
        for (KeyState state : List.of(OPEN, QUARANTINED, FINISHED)) {
            older.insert(key(state));
        }
        newer.updateMany(new Document(), set("format", 2));

        assertThat(older.findResumable(Map.of(), null, later, 10)).isEmpty();
        assertThat(older.findQuarantined(null, null, later, 10)).isEmpty();
        assertThat(older.findUnfinished(null, null, later, 10)).isEmpty();
        assertThat(older.countByOperation(later, 10)).hasSize(2);
        assertThat(older.deleteExpired(later, 10)).isZero();
        assertThat(older.backlog(later)).isEqualTo(new Backlog(later, 1, Optional.of(Keys.AT), 1));

        newer.updateMany(new Document(), unset("operation"));
        assertThat(older.countByOperation(later, 10))
                .hasSize(2)
                .allMatch(each -> each.operation().isEmpty());

        newer.updateMany(new Document(), combine(set("format", 1), set("operation", "complete-cart")));
        assertThat(older.findResumable(Map.of(), null, later, 10)).hasSize(1);
        assertThat(older.findUnfinished(null, null, later, 10)).hasSize(1);
        assertThat(older.findQuarantined(null, null, later, 10)).hasSize(1);
        assertThat(older.deleteExpired(later, 10)).isEqualTo(1);
    }

    @Test
    void aDocumentOverTheServersLimitIsRefusedBeforeAnythingIsSent() {
        Response huge = Response.of(200, new byte[KeyDocument.MOST_BYTES]);
        KeyState finished = new KeyState.Finished(huge, Keys.AT, Keys.AT);
        StoredKey held = inserted(LOCKED);
        commands.forget();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> store.insert(key(finished)))
                .withMessageContaining("16777216");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> store.replace(held.revision(), next(held, finished)))
                .withMessageContaining("16777216");

        assertThat(commands.names()).isEmpty();
        assertThat(nameOf(commit(held, session -> next(held, finished)))).isEqualTo("rolled back");
        assertThat(store.find(held.id())).contains(held);
    }

    @Test
    void theLargestKeyThatCoreAllowsFits() {
        Map<String, Object> parameters = new HashMap<>();
        parameters.put("text", "\u20ac".repeat(2 * 1024 * 1024 - 20));
        StoredKey held = key(LOCKED, Request.of("POST", "/\u20ac", parameters), 1);
        assertThat(store.insert(held)).isTrue();
        Response longest = Response.of(200, new byte[8 * 1024 * 1024]).withHeader("X", "v".repeat(60_000));
        StoredKey finished = next(held, new KeyState.Finished(longest, Keys.AT, Keys.AT));

        assertThat(commit(held, session -> finished)).isEqualTo(StageCommit.committed());

        assertThat(store.find(held.id())).contains(finished);
    }

    // Indexes

    @Test
    void aListingWithoutItsIndexIsAnErrorAndNotAScan() {
        MongoKeyStore bare = new MongoKeyStore(client, database.getName(), "bare");
        bare.insert(key(OPEN));

        assertThat(kindOf(() -> bare.findResumable(Map.of(), null, Keys.AT, 1)))
                .isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        assertThat(kindOf(() -> bare.findQuarantined(null, null, Keys.AT, 1))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        assertThat(kindOf(() -> bare.backlog(Keys.AT))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        assertThat(kindOf(() -> bare.deleteExpired(Keys.AT, 1))).isEqualTo(StoreFailure.Kind.UNAVAILABLE);

        bare.createIndexes();
        bare.createIndexes();
        assertThat(bare.findResumable(Map.of(), null, Keys.AT.plusSeconds(1), 1))
                .hasSize(1);
    }

    @Test
    void theServersOwnRemovalMeetsFinishedKeysOnly() {
        MongoKeyStore expiring = new MongoKeyStore(client, database.getName(), "expiring");
        expiring.createIndexesWithTimeToLive();
        expiring.createIndexesWithTimeToLive();
        List<Document> indexes =
                database.getCollection("expiring").listIndexes().into(new ArrayList<>());
        assertThat(indexes)
                .filteredOn(index -> index.containsKey("expireAfterSeconds"))
                .singleElement()
                .satisfies(index -> assertThat(index.get("key")).isEqualTo(new Document("expiresAt", 1)));
        for (KeyState state : List.of(OPEN, LOCKED, QUARANTINED, FINISHED)) {
            StoredKey key = key(state);
            expiring.insert(key);
            for (KeyState next : List.of(OPEN, FINISHED, QUARANTINED, LOCKED, FINISHED, LOCKED)) {
                StoredKey changed = next(key, next);
                assertThat(expiring.replace(key.revision(), changed)).isTrue();
                assertThat(database.getCollection("expiring")
                                .find(eq("scope " + key.id().value()))
                                .first()
                                .containsKey("expiresAt"))
                        .isEqualTo(next == FINISHED);
                key = changed;
            }
        }

        assertThat(kindOf(expiring::createIndexes)).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
    }

    /** The server would delete keys by it, unfinished ones, too. */
    @Test
    void aTtlIndexOnAnotherFieldIsRefused() {
        MongoCollection<Document> collection = database.getCollection("deleting");
        collection.createIndex(
                Indexes.ascending("updatedAt"),
                new IndexOptions().name("old keys").expireAfter(30L, TimeUnit.DAYS));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new MongoKeyStore(client, database.getName(), "deleting"))
                .withMessageContaining("'deleting'")
                .withMessageContaining("updatedAt")
                .withMessageContaining("db.getCollection(\"deleting\").dropIndex(\"old keys\")");

        collection.dropIndex("old keys");
        new MongoKeyStore(client, database.getName(), "deleting").createIndexesWithTimeToLive();
        assertThat(new MongoKeyStore(client, database.getName(), "deleting")
                        .find(key(OPEN).id()))
                .isEmpty();
    }

    @Test
    void aUniqueIndexThatIsRefusedIsNamed() {
        database.getCollection("narrow").createIndex(Indexes.ascending("scope"), new IndexOptions().unique(true));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new MongoKeyStore(client, database.getName(), "narrow"))
                .withMessageContaining("db.getCollection(\"narrow\").dropIndex(\"scope_1\")");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anotherKindOfIndexByExpiryIsNamedAndMadeOnceTheFormerIsDropped(boolean toTimeToLive) {
        String name = toTimeToLive ? "to-time-to-live" : "from-time-to-live";
        MongoKeyStore changing = new MongoKeyStore(client, database.getName(), name);
        Runnable before = toTimeToLive ? changing::createIndexes : changing::createIndexesWithTimeToLive;
        Runnable after = toTimeToLive ? changing::createIndexesWithTimeToLive : changing::createIndexes;
        before.run();

        assertThatExceptionOfType(StoreFailure.class)
                .isThrownBy(after::run)
                .withMessageContaining("db.getCollection(\"" + name + "\").dropIndex(\"expiresAt_1\")")
                .withMessageNotContaining("scope_1")
                .satisfies(e -> assertThat(e.kind()).isEqualTo(StoreFailure.Kind.UNAVAILABLE));

        before.run();
        database.getCollection(name).dropIndex("expiresAt_1");
        after.run();
        assertThat(database.getCollection(name).listIndexes())
                .filteredOn(index -> index.containsKey("expireAfterSeconds"))
                .hasSize(toTimeToLive ? 1 : 0);
        assertThat(changing.deleteExpired(Keys.AT, 1)).isZero();
    }

    /** Such as one that was made by hand without its filter. */
    @Test
    void anIndexWithOtherOptionsIsNamed() {
        MongoCollection<Document> collection = database.getCollection("by-hand");
        collection.createIndex(Indexes.ascending("resumableFrom", "_id"));
        collection.createIndex(Indexes.ascending("quarantinedAt", "_id"), new IndexOptions().name("by hand"));
        MongoKeyStore byHand = new MongoKeyStore(client, database.getName(), "by-hand");

        assertThatExceptionOfType(StoreFailure.class)
                .isThrownBy(byHand::createIndexes)
                .withMessageContaining("dropIndex(\"resumableFrom_1__id_1\")")
                .withMessageContaining("dropIndex(\"by hand\")")
                .withMessageNotContaining("expiresAt");

        collection.dropIndex("resumableFrom_1__id_1");
        collection.dropIndex("by hand");
        byHand.createIndexes();
    }

    // A stage's session

    static Stream<Named<Consumer<ClientSession>>> ends() {
        return Stream.of(
                Named.of("commit", ClientSession::commitTransaction),
                Named.of("abort", ClientSession::abortTransaction),
                Named.of("begin", ClientSession::startTransaction),
                Named.of("close", ClientSession::close),
                Named.of("a transaction of its own", session -> session.withTransaction(() -> "")));
    }

    @ParameterizedTest
    @MethodSource("ends")
    void aStageThatEndsItsTransactionIsRefusedEvenIfItSwallowsThat(Consumer<ClientSession> end) {
        StoredKey held = inserted(LOCKED);
        String name = UUID.randomUUID().toString();

        StageCommit refused = commit(held, session -> {
            rows.insertOne(session, row(name));
            try {
                end.accept(session);
            } catch (IllegalStateException swallowed) {
                assertThat(swallowed).hasMessageContaining("only the library");
            }
            return next(held, FINISHED);
        });

        assertThat(nameOf(refused)).isEqualTo("rolled back");
        assertThat(causeOf(refused)).hasMessageContaining("only the library");
        assertThat(store.find(held.id())).contains(held);
        assertThat(rows.find(eq(name)).first()).isNull();
    }

    @Test
    void aSessionThatAStageLeaksIsOfNoUseAfterwards() {
        StoredKey held = inserted(LOCKED);
        AtomicReference<ClientSession> leaked = new AtomicReference<>();
        commit(held, session -> {
            leaked.set(session);
            return next(held, FINISHED);
        });
        String name = UUID.randomUUID().toString();

        assertThatExceptionOfType(IllegalStateException.class)
                .isThrownBy(() -> rows.insertOne(leaked.get(), row(name)))
                .withMessageContaining("the stage is over");

        assertThat(rows.find(eq(name)).first()).isNull();
    }

    /** The adapter can't see such a command, but it leaves the key where it was, and says what happened. */
    @Test
    void aStageThatCommitsByACommandFailsAndNeverMovesTheKey() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        HeldKey held = held(service.claim(id, REQUEST));
        AtomicInteger runs = new AtomicInteger();

        assertThatExceptionOfType(MongoException.class)
                .isThrownBy(() -> service.workStage(held, stage -> {
                    runs.incrementAndGet();
                    rows.insertOne(stage.transaction(), row(id.value()));
                    Document unused = client.getDatabase("admin")
                            .runCommand(stage.transaction(), new Document("commitTransaction", 1));
                    return StageOutcome.respond(RESPONSE);
                }))
                .withMessageContaining("TransactionCommitted")
                .satisfies(e -> assertThat(e.getCode()).isEqualTo(256));

        assertThat(runs).hasValue(1);
        assertThat(document(id)).containsEntry("state", "open").containsEntry("recoveryPoint", "started");
        assertThat(rows.find(eq(id.value())).first()).isNotNull();
    }

    /** Spring finds a resource by its session. */
    @Test
    void aSessionEqualsItselfAlone() {
        StoredKey held = inserted(LOCKED);
        List<ClientSession> sessions = new ArrayList<>();
        for (int runs = 0; runs < 2; runs++) {
            commit(held, session -> {
                assertThat(Map.of(session, "")).containsKey(session);
                assertThat(session.toString()).isNotEmpty();
                sessions.add(session);
                throw new IllegalStateException("to be run again");
            });
        }

        assertThat(sessions).hasSize(2).doesNotHaveDuplicates().contains(sessions.get(0), sessions.get(1));
    }

    @Test
    void anErrorThatAStageSwallowsNeverMovesTheKey() {
        StoredKey held = inserted(LOCKED);
        String taken = UUID.randomUUID().toString();
        String mine = UUID.randomUUID().toString();
        rows.insertOne(row(taken));

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, row(mine));
            try {
                rows.insertOne(session, row(taken));
            } catch (MongoWriteException swallowed) {
                assertThat(swallowed.getCode()).isEqualTo(11000);
            }
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(store.find(held.id())).contains(held);
        assertThat(rows.find(eq(mine)).first()).isNull();
    }

    @Test
    void documentsThatCannotBeReadHoldNoOthersUp() {
        MongoCollection<BsonDocument> keys = database.getCollection("keys", BsonDocument.class);
        String scope = "a-" + UUID.randomUUID();
        for (KeyState state : List.of(OPEN, QUARANTINED)) {
            for (int i = 0; i < 6; i++) {
                BsonDocument document = KeyDocument.insert(key(state), null);
                document.put(
                        "_id",
                        new BsonString(
                                scope + " " + i + document.getString("state").getValue()));
                document.put("scope", new BsonString(scope));
                if (i < 5) {
                    document.remove("operation");
                }
                keys.insertOne(document);
            }
        }

        List<StoredKey> resumable =
                store.findResumable(Map.of(), scope.substring(0, 20), Instant.parse("2100-01-01T00:00:00Z"), 2);
        List<StoredKey> quarantined = store.findQuarantined(scope, null, Keys.AT, 2);

        keys.deleteMany(eq("scope", scope));
        assertThat(resumable).extracting(key -> key.id().value()).containsExactly("5open");
        assertThat(quarantined).extracting(key -> key.id().value()).containsExactly("5quarantined");
    }

    @Test
    void theApplicationsOwnDuplicateIsItsOwnException() {
        StoredKey held = inserted(LOCKED);
        String taken = UUID.randomUUID().toString();
        rows.insertOne(row(taken));
        AtomicReference<Throwable> thrown = new AtomicReference<>();

        StageCommit end = commit(held, session -> {
            try {
                rows.insertOne(session, row(taken));
            } catch (MongoWriteException e) {
                thrown.set(e);
                throw e;
            }
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(causeOf(end)).isSameAs(thrown.get()).hasNoSuppressedExceptions();
    }

    @Test
    void theStagesOfAKeyRunInTheSessionThatIsStoredWithIt() {
        StoredKey first = inserted(LOCKED);
        List<Object> stored = new ArrayList<>();
        List<Object> used = new ArrayList<>();
        StoredKey second = next(first, LOCKED);
        StoredKey third = next(second, LOCKED);
        StoredKey fourth = next(third, LOCKED);

        stored.add(document(first.id()).get("sessions"));
        commit(first, session -> noted(session, used, second));
        stored.add(document(first.id()).get("sessions"));
        store.replace(second.revision(), third);
        stored.add(document(first.id()).get("sessions"));
        commit(third, session -> noted(session, used, fourth));

        assertThat(used).hasSize(2).containsOnly(((List<?>) stored.get(0)).get(0));
        assertThat(stored).containsOnly(List.of(used.get(0)));
    }

    private static StoredKey noted(ClientSession session, List<Object> used, StoredKey next) {
        used.add(new Binary(
                (byte) 4,
                session.getServerSession().getIdentifier().getBinary("id").getData()));
        return next;
    }

    @Test
    void sessionsGoBackWhenTheirKeysAreNoLongerHeldAndThereAreNeverTooMany() {
        AtomicInteger now = new AtomicInteger();
        HolderSessions sessions = new HolderSessions(client, 2, now::get);
        HolderSession first = sessions.open();
        List<StoredKey> keys = List.of(key(LOCKED), key(LOCKED), key(LOCKED));

        sessions.keep(keys.get(0).revision(), first, Duration.ZERO);
        sessions.keep(keys.get(1).revision(), sessions.open(), Duration.ZERO);
        assertThat(sessions.size()).isEqualTo(2);
        sessions.keep(keys.get(2).revision(), sessions.open(), Duration.ZERO);

        assertThat(sessions.size()).isEqualTo(2);
        assertThat(sessions.take(keys.get(0).revision())).isNull();
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(first.session()::startTransaction);
        assertThat(sessions.take(keys.get(2).revision())).isNotNull();
        assertThat(sessions.take(keys.get(2).revision())).isNull();
    }

    // Transactions of dead holders

    private static final Duration SHORT_LEASE = Duration.ofSeconds(1);

    /** The server would end the transactions by itself after a minute. */
    private static final Duration LONG_BEFORE_THE_SERVER_WOULD = Duration.ofSeconds(30);

    /** Another process: a client and a store of its own. */
    private record Other(MongoClient client, RecordedCommands commands, IdempotencyKeyService<ClientSession> service)
            implements AutoCloseable {
        @Override
        public void close() {
            client.close();
        }
    }

    private Other other(Duration lease) {
        RecordedCommands sent = new RecordedCommands();
        MongoClient another = TestServer.client(settings -> settings.addCommandListener(sent));
        MongoKeyStore itsStore = new MongoKeyStore(another, database.getName(), "keys");
        return new Other(
                another,
                sent,
                IdempotencyKeyService.builder(itsStore)
                        .replayCacheBytes(0)
                        .lease(lease)
                        .build());
    }

    /** A worker pauses in its transaction, holding a document of the application, and goes on at the end. */
    @Test
    void aStoppedWorkersDocumentsAreFreeSoonAfterTheLeaseAndItIsFencedOff() {
        String name = UUID.randomUUID().toString();
        rows.insertOne(row(name));
        KeyId id = KeyId.of(name);
        CountDownLatch holds = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        AtomicInteger runs = new AtomicInteger();
        try (Other zombie = other(SHORT_LEASE);
                Other heir = other(LEASE)) {
            HeldKey held = held(zombie.service.claim(id, REQUEST));
            Future<?> end = elsewhere(() -> zombie.service.workStage(held, stage -> {
                add(zombie, stage.transaction(), name);
                if (runs.incrementAndGet() == 1) {
                    holds.countDown();
                    await(goOn);
                }
                return StageOutcome.respond(Response.of(500, new byte[0]));
            }));
            await(holds);
            long begin = System.nanoTime();

            HeldKey taken = takeOver(heir, id);
            heir.service.workStage(taken, stage -> {
                add(heir, stage.transaction(), name);
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG_BEFORE_THE_SERVER_WOULD);
            assertThat(heir.commands.names()).containsOnlyOnce("killSessions");
            goOn.countDown();
            assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> get(end));
        }
        assertThat(rows.find(eq(name)).first()).containsEntry("value", "0+");
        assertThat(document(id)).containsEntry("state", "finished").doesNotContainKey("sessions");
    }

    /** The second of three workers dies before it does anything; the first one's transaction ends all the same. */
    @Test
    void whatALaterHolderDidNotEndIsEndedByTheNext() {
        String name = UUID.randomUUID().toString();
        rows.insertOne(row(name));
        KeyId id = KeyId.of(name);
        CountDownLatch holds = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        try (Other zombie = other(SHORT_LEASE);
                Other dead = other(SHORT_LEASE);
                Other heir = other(LEASE)) {
            HeldKey held = held(zombie.service.claim(id, REQUEST));
            Future<?> end = elsewhere(() -> zombie.service.workStage(held, stage -> {
                add(zombie, stage.transaction(), name);
                holds.countDown();
                await(goOn);
                return StageOutcome.respond(Response.of(500, new byte[0]));
            }));
            await(holds);
            HeldKey unused = takeOver(dead, id);

            HeldKey taken = takeOver(heir, id);
            HeldKey later =
                    ((StageResult.Held) heir.service.workStage(taken, stage -> StageOutcome.advanceTo(PAID))).key();
            heir.service.workStage(later, stage -> {
                add(heir, stage.transaction(), name);
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(heir.commands.names()).containsOnlyOnce("killSessions");
            goOn.countDown();
            assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> get(end));
        }
        assertThat(rows.find(eq(name)).first()).containsEntry("value", "0+");
    }

    private void add(Other process, ClientSession session, String name) {
        MongoCollection<Document> itsRows =
                process.client.getDatabase(database.getName()).getCollection("rows");
        String value = itsRows.find(session, eq(name)).first().getString("value");
        itsRows.updateOne(session, eq(name), set("value", value + "+"));
    }

    /** Asks again and again, as a client does, until it has the key. */
    private static HeldKey takeOver(Other process, KeyId id) {
        long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (System.nanoTime() < end) {
            try {
                if (process.service.claim(id, REQUEST) instanceof Claim.Claimed claimed) {
                    return claimed.key();
                }
            } catch (IdempotencyException.Locked documentIsHeld) {
                assertThat(documentIsHeld.retryAfter()).isPresent();
            }
            Thread.onSpinWait();
        }
        throw new AssertionError("the key was never taken over");
    }

    /** A worker pauses between its fence and its commit, holding the key's own document. */
    @Test
    void aStoppedWorkersKeyIsTakenOverSoonAfterTheLeaseAndItIsFencedOff() {
        String name = UUID.randomUUID().toString();
        rows.insertOne(row(name));
        KeyId id = KeyId.of(name);
        CountDownLatch holds = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        // The heir's first write may land after it gave up; then nobody holds the locked key, for another lease.
        try (Other zombie = other(SHORT_LEASE);
                Other heir = other(SHORT_LEASE)) {
            HeldKey held = held(zombie.service.claim(id, REQUEST));
            AtomicInteger commits = new AtomicInteger();
            zombie.commands.before(command -> {
                if (command.equals("commitTransaction") && commits.incrementAndGet() == 1) {
                    holds.countDown();
                    await(goOn);
                }
            });
            Future<?> end = elsewhere(() -> zombie.service.workStage(held, stage -> {
                add(zombie, stage.transaction(), name);
                return StageOutcome.respond(Response.of(500, new byte[0]));
            }));
            await(holds);
            long begin = System.nanoTime();

            HeldKey taken = takeOver(heir, id);
            heir.service.workStage(taken, stage -> {
                add(heir, stage.transaction(), name);
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG_BEFORE_THE_SERVER_WOULD);
            assertThat(heir.commands.names()).containsOnlyOnce("killSessions");
            goOn.countDown();
            assertThatExceptionOfType(IdempotencyException.StaleKey.class).isThrownBy(() -> get(end));
        }
        assertThat(rows.find(eq(name)).first()).containsEntry("value", "0+");
    }

    @Test
    void aHolderWhoseLeaseRunsIsNotKilled() {
        StoredKey held = inserted(LOCKED);
        CountDownLatch holds = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        commands.before(command -> {
            if (command.equals("commitTransaction")) {
                holds.countDown();
                await(goOn);
            }
        });
        Future<StageCommit> end = elsewhere(() -> commit(held, session -> next(held, FINISHED)));
        await(holds);
        long begin = System.nanoTime();
        try (Other another = other(LEASE)) {
            MongoKeyStore itsStore = new MongoKeyStore(another.client, database.getName(), "keys");

            assertThat(kindOf(() -> itsStore.replace(held.revision(), next(held, LOCKED))))
                    .isEqualTo(StoreFailure.Kind.BUSY);

            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LONG_BEFORE_THE_SERVER_WOULD);
            assertThat(another.commands.names()).doesNotContain("killSessions");
            // The server may still have the write that timed out, which must not find the document free first.
            goOn.countDown();
            String ended = nameOf(get(end));
            assertThat(ended).isEqualTo("committed");
        } finally {
            goOn.countDown();
            commands.before(command -> {});
        }
    }

    @Test
    void aConflictOfAKeyThatNobodyTookOverKillsNobody() {
        String name = UUID.randomUUID().toString();
        rows.insertOne(row(name));
        StoredKey held = inserted(LOCKED);
        commands.forget();

        StageCommit end = commit(held, session -> {
            assertThat(rows.find(session, eq(name)).first()).isNotNull();
            get(elsewhere(() -> rows.updateOne(eq(name), set("value", "2"))));
            rows.updateOne(session, eq(name), set("value", "1"));
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(commands.names()).doesNotContain("killSessions");
    }

    // Crowds

    @Test
    void thirtyTwoThreadsOnOneKeyRunItOnce() {
        IdempotencyKeyService<ClientSession> runner = askingTheStore(store);
        KeyId id = KeyId.of(UUID.randomUUID().toString());
        CountDownLatch done = new CountDownLatch(1);
        Operation<ClientSession> operation = inserting(id.value());

        List<Future<Boolean>> ends = IntStream.range(0, 32)
                .mapToObj(i -> elsewhere(() -> {
                    boolean replayed;
                    try {
                        replayed = runner.run(operation, id, REQUEST).replayed();
                    } catch (IdempotencyException.Locked inFlight) {
                        await(done);
                        replayed = runner.run(operation, id, REQUEST).replayed();
                    }
                    if (!replayed) {
                        done.countDown();
                    }
                    return replayed;
                }))
                .toList();

        assertThat(ends.stream().map(Keys::get).toList()).containsOnlyOnce(false);
    }

    @Test
    void sixteenThreadsOnFiveHundredKeysMeetNoError() {
        IdempotencyKeyService<ClientSession> runner = askingTheStore(store);
        AtomicInteger taken = new AtomicInteger();
        String run = UUID.randomUUID().toString();

        List<Future<Integer>> ends = IntStream.range(0, 16)
                .mapToObj(i -> elsewhere(() -> {
                    int finished = 0;
                    for (int n = taken.incrementAndGet(); n <= 500; n = taken.incrementAndGet()) {
                        String name = run + n;
                        runner.run(inserting(name), KeyId.of(name), REQUEST);
                        finished++;
                    }
                    return finished;
                }))
                .toList();

        assertThat(ends.stream().mapToInt(Keys::get).sum()).isEqualTo(500);
        assertThat(rows.countDocuments(new Document("_id", new Document("$regex", "^" + run))))
                .isEqualTo(500);
    }

    private Operation<ClientSession> inserting(String name) {
        return askingTheStore(store)
                .operation("complete-cart")
                .branch(RecoveryPoint.STARTED, stage -> {
                    rows.insertOne(stage.transaction(), row(name));
                    return StageOutcome.advanceTo(PAID);
                })
                .branch(PAID, stage -> {
                    rows.updateOne(stage.transaction(), eq(name), set("value", "paid"));
                    return StageOutcome.respond(RESPONSE);
                })
                .build();
    }
}
