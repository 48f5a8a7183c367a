package io.idempotencykey.mongo;

import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Updates.set;
import static io.idempotencykey.contract.Services.askingTheStore;
import static io.idempotencykey.mongo.FailPoint.code;
import static io.idempotencykey.mongo.FailPoint.cut;
import static io.idempotencykey.mongo.Keys.FINISHED;
import static io.idempotencykey.mongo.Keys.LEASE;
import static io.idempotencykey.mongo.Keys.LOCKED;
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
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.mongodb.MongoException;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.Response;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bson.BsonDocument;
import org.bson.Document;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A request of one stage in one transaction: its commands, its failures, and what a crash at each point leaves. */
// On a thread of its own, because a read that nobody answers can't be interrupted.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MongoSingleTest {
    private static final String APPLICATION = "single";

    /** Enough for each time that a commit is sent, and for the driver's own repetition of each. */
    private static final int EVERY_COMMIT = 6;

    private final RecordedCommands commands = new RecordedCommands();
    private MongoClient steady;
    private MongoClient client;
    private MongoDatabase database;
    private MongoCollection<Document> documents;
    private MongoCollection<Document> rows;
    private MongoKeyStore store;
    private IdempotencyKeyService<ClientSession> service;
    private FailPoint failPoint;

    @BeforeAll
    void open() {
        steady = TestServer.client();
        client = TestServer.client(
                settings -> settings.applicationName(APPLICATION).addCommandListener(commands));
        database = client.getDatabase(TestServer.newName());
        database.createCollection("rows");
        rows = database.getCollection("rows");
        documents = steady.getDatabase(database.getName()).getCollection("keys");
        store = new MongoKeyStore(client, database.getName(), "keys");
        store.createIndexes();
        service = askingTheStore(store);
        failPoint = new FailPoint(steady, APPLICATION);
    }

    @AfterAll
    void close() {
        TestServer.drop(steady.getDatabase(database.getName()));
        client.close();
        steady.close();
    }

    @BeforeEach
    void forget() {
        commands.forget();
    }

    @AfterEach
    void disarm() {
        commands.before(name -> {});
        failPoint.off();
    }

    private static KeyId newId() {
        return KeyId.of(UUID.randomUUID().toString());
    }

    private Document document(KeyId id) {
        return documents.find(eq(id.scope() + " " + id.value())).first();
    }

    private static SingleStage<ClientSession> stage(
            Predicate<StoredKey> replaces, Function<ClientSession, StoredKey> work) {
        return new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return replaces.test(stored);
            }

            @Override
            public StoredProgress work(ClientSession transaction) {
                return work.apply(transaction).progress();
            }
        };
    }

    private StageCommit single(StoredKey taken, SingleStage<ClientSession> stage) {
        return store.commitSingle(taken, Isolation.SNAPSHOT, LEASE, stage);
    }

    private StageCommit single(StoredKey taken, Function<ClientSession, StoredKey> work) {
        return single(taken, stage(stored -> false, work));
    }

    private static SingleStage<ClientSession> mustNotWork(Predicate<StoredKey> replaces) {
        return stage(replaces, session -> {
            throw new AssertionError("the work was called");
        });
    }

    /** The same key, created once more. */
    private static StoredKey anew(StoredKey stored) {
        StoredKey other = next(stored, LOCKED);
        return new StoredKey(other.key(), new Revision(UUID.randomUUID()));
    }

    private StoredKey stored() {
        StoredKey key = key(FINISHED);
        assertThat(store.insert(key)).isTrue();
        commands.forget();
        return key;
    }

    private Execution once(KeyId id) {
        return once(service, id);
    }

    private Execution once(IdempotencyKeyService<ClientSession> by, KeyId id) {
        return by.once("pay", id, REQUEST, stage -> {
            rows.insertOne(stage.transaction(), new Document("key", id.value()));
            return RESPONSE;
        });
    }

    private long committedRuns(KeyId id) {
        return rows.countDocuments(eq("key", id.value()));
    }

    private void killSession(@Nullable Object id) {
        Document unused =
                steady.getDatabase("admin").runCommand(new Document("killSessions", List.of(new Document("id", id))));
    }

    private static Object idOf(ClientSession session) {
        return Objects.requireNonNull(session.getServerSession().getIdentifier().get("id"));
    }

    // Cost

    @Test
    void aNewRequestCostsTheInsertTheUpdateAndTheCommitOfOneTransaction() {
        service.once("pay", newId(), REQUEST, stage -> {
            rows.insertOne(stage.transaction(), new Document());
            return RESPONSE;
        });

        assertThat(commands.names()).containsExactly("insert", "insert", "update", "commitTransaction");
        List<BsonDocument> texts = commands.texts();
        assertThat(texts.get(0).getString("insert").getValue()).isEqualTo("keys");
        assertThat(texts.get(1).getString("insert").getValue()).isEqualTo("rows");
        assertThat(texts)
                .extracting(text -> text.containsKey("startTransaction"))
                .containsExactly(true, false, false, false);
        assertThat(texts)
                .extracting(text -> List.of(text.get("lsid"), text.get("txnNumber")))
                .containsOnly(List.of(texts.get(0).get("lsid"), texts.get(0).get("txnNumber")));
    }

    @Test
    void aReplayCostsAnInsertThatDoesNothingItsRollbackAndOneFindOrOnlyTheFindWhereTheKeyWasSeen() {
        KeyId id = newId();
        assertThat(once(askingTheStore(store), id).replayed()).isFalse();
        commands.forget();

        assertThat(once(id).replayed()).isTrue();

        assertThat(commands.names()).containsExactly("insert", "abortTransaction", "find");
        commands.forget();

        assertThat(once(id).replayed()).isTrue();

        assertThat(commands.names()).containsExactly("find");
        assertThat(committedRuns(id)).isEqualTo(1);
    }

    @Test
    void aRequestWhoseKeyIsHeldCostsAnInsertThatDoesNothingAndItsRollback() {
        KeyId id = newId();

        service.once("pay", id, REQUEST, stage -> {
            commands.forget();
            assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> once(id));
            assertThat(commands.names()).containsExactly("insert", "abortTransaction");
            return RESPONSE;
        });

        assertThat(committedRuns(id)).isZero();
    }

    @Test
    void anExpiredKeyCostsAFindAndAnUpdateMore() {
        StoredKey old = stored();
        StoredKey taken = anew(old);

        single(taken, stage(stored -> true, session -> next(taken, FINISHED)));

        assertThat(commands.names())
                .containsExactly("insert", "abortTransaction", "find", "update", "update", "commitTransaction");
    }

    // Taking the key

    @Test
    void nothingOfTheKeyIsSeenBeforeTheCommitAndNothingOfItsHolderAfterwards() {
        StoredKey taken = key(LOCKED);
        StoredKey finished = next(taken, FINISHED);

        StageCommit end = single(taken, session -> {
            assertThat(store.find(taken.id())).isEmpty();
            return finished;
        });

        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store.find(taken.id())).contains(finished);
        assertThat(document(taken.id())).doesNotContainKeys("resumableFrom", "lockedAt", "sessions");
    }

    /** One thread makes both calls, so the second can't wait for the first. */
    @Test
    void aKeyThatIsTakenIsHeldAtOnceAndItsWorkIsNotCalled() {
        StoredKey taken = key(LOCKED);
        List<StageCommit> others = new ArrayList<>();

        StageCommit end = single(taken, session -> {
            others.add(single(anew(taken), mustNotWork(stored -> true)));
            return next(taken, FINISHED);
        });

        assertThat(others).containsExactly(StageCommit.held());
        assertThat(end).isEqualTo(StageCommit.committed());
    }

    @Test
    void anExpiredKeyThatIsBeingReplacedIsHeldAtOnce() {
        StoredKey old = stored();
        StoredKey taken = anew(old);
        StoredKey finished = next(taken, FINISHED);
        List<StageCommit> others = new ArrayList<>();

        StageCommit end = single(taken, stage(stored -> stored.equals(old), session -> {
            assertThat(store.find(old.id())).contains(old);
            others.add(single(anew(old), mustNotWork(stored -> true)));
            return finished;
        }));

        assertThat(others).containsExactly(StageCommit.held());
        assertThat(end).isEqualTo(StageCommit.committed());
        assertThat(store.find(old.id())).contains(finished);
    }

    /** One thread makes both calls, so a write that waited for the stage would never end. */
    @Test
    void otherWritesOfAKeyThatIsTakenAreBusy() {
        MongoKeyStore own = new MongoKeyStore(client, database.getName(), "busy");
        own.createIndexes();
        StoredKey fresh = key(LOCKED);
        StoredKey old = key(FINISHED);
        assertThat(own.insert(old)).isTrue();

        StageCommit creates = own.commitSingle(fresh, Isolation.SNAPSHOT, LEASE, stage(stored -> false, session -> {
            assertThat(kindOf(() -> own.insert(anew(fresh)))).isEqualTo(StoreFailure.Kind.BUSY);
            return next(fresh, FINISHED);
        }));
        StageCommit replaces = own.commitSingle(anew(old), Isolation.SNAPSHOT, LEASE, stage(stored -> true, session -> {
            assertThat(kindOf(() -> own.replace(old.revision(), next(old, LOCKED))))
                    .isEqualTo(StoreFailure.Kind.BUSY);
            assertThat(kindOf(() -> own.deleteExpired(Keys.AT.plusSeconds(60), 10)))
                    .isEqualTo(StoreFailure.Kind.BUSY);
            return next(old, FINISHED);
        }));

        assertThat(List.of(creates, replaces)).containsOnly(StageCommit.committed());
    }

    @Test
    void aStoredKeyThatTheStageDoesNotReplaceFencesItOff() {
        StoredKey old = stored();
        List<StoredKey> asked = new ArrayList<>();

        StageCommit end = single(anew(old), mustNotWork(stored -> !asked.add(stored)));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(asked).containsExactly(old);
        assertThat(store.find(old.id())).contains(old);
    }

    @Test
    void aKeyThatChangesBeforeItIsReplacedFencesTheStageOff() {
        StoredKey old = stored();
        StoredKey changed = next(old, FINISHED);

        StageCommit end = single(anew(old), mustNotWork(stored -> store.replace(old.revision(), changed)));

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(store.find(old.id())).contains(changed);
    }

    @Test
    void aKeyThatIsGoneWhenItIsReadFencesTheStageOff() {
        StoredKey old = stored();
        commands.before(command -> {
            if (command.equals("find")) {
                documents.deleteOne(eq("scope " + old.id().value()));
            }
        });

        assertThat(single(anew(old), mustNotWork(stored -> true))).isEqualTo(StageCommit.fencedOff());

        assertThat(once(old.id()).replayed()).isFalse();
    }

    /** The driver reads twice after an error that may go away. */
    @ParameterizedTest
    @CsvSource({"9001, transiently rolled back", "13, rolled back"})
    void aStoredKeyThatCanNotBeReadIsNotAbsent(int code, String expected) {
        StoredKey old = stored();
        failPoint.set("find", code == 13 ? 1 : 2, code(code));

        StageCommit end = single(anew(old), mustNotWork(stored -> true));

        assertThat(nameOf(end)).isEqualTo(expected);
        assertThat(causeOf(end)).isInstanceOf(StoreFailure.class);
        assertThat(store.find(old.id())).contains(old);
    }

    @Test
    void aStoredKeyThatThisVersionDoesNotKnowStaysAsItIs() {
        StoredKey old = stored();
        documents.updateOne(eq("scope " + old.id().value()), set("format", 2));
        Document strange = document(old.id());

        assertThatExceptionOfType(IdempotencyException.UnreadableKey.class)
                .isThrownBy(() -> service.once("pay", old.id(), REQUEST, stage -> RESPONSE));

        assertThat(document(old.id())).isEqualTo(strange);
        documents.deleteOne(eq("scope " + old.id().value()));
    }

    static Stream<Arguments> taking() {
        Stream<Arguments> again = Stream.of(
                        50, 24, 202, 262, 225, 239, 246, 251, 267, 10107, 91, 189, 11600, 11602, 6, 7, 89, 9001, 64,
                        290, 11601)
                .map(code -> Arguments.of(code(code), "transiently rolled back"));
        Stream<Arguments> own = Stream.of(2, 13, 121, 10334, 1, 8).map(code -> Arguments.of(code(code), "rolled back"));
        return Stream.of(
                        again,
                        own,
                        Stream.of(Arguments.of(cut(), "transiently rolled back"), Arguments.of(code(112), "held")))
                .flatMap(all -> all);
    }

    @ParameterizedTest
    @MethodSource("taking")
    void aFailureToTakeTheKeyIsTranslatedAndTheWorkIsNotCalled(Document how, String expected) {
        StoredKey taken = key(LOCKED);
        failPoint.set("insert", 1, how);

        StageCommit end = single(taken, mustNotWork(stored -> true));

        assertThat(nameOf(end)).as("%s", end.cause()).isEqualTo(expected);
        if (expected.equals("rolled back")) {
            assertThat(failureOf(end)).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
        assertThat(store.find(taken.id())).isEmpty();
        assertThat(nameOf(single(taken, session -> next(taken, FINISHED)))).isEqualTo("committed");
    }

    private static StoreFailure.Kind failureOf(StageCommit end) {
        assertThat(causeOf(end)).isInstanceOf(StoreFailure.class).hasCauseInstanceOf(MongoException.class);
        return StoreFailure.kindOf((StoreFailure) causeOf(end));
    }

    /** The key is inserted first, and updated last. */
    @ParameterizedTest
    @CsvSource({"insert, 13, 0", "insert, 8, 0", "update, 13, 1", "update, 8, 1"})
    void aCallerIsToldThatTheStoreIsUnavailableIfItRefusesToWriteTheKey(String command, int code, int expectedRuns) {
        KeyId id = newId();
        AtomicInteger runs = new AtomicInteger();
        failPoint.set(command, 1, code(code));

        assertThatExceptionOfType(IdempotencyException.StoreUnavailable.class)
                .isThrownBy(() -> service.once("pay", id, REQUEST, stage -> {
                    runs.incrementAndGet();
                    return RESPONSE;
                }))
                .havingCause()
                .isInstanceOf(StoreFailure.class)
                .havingCause()
                .isInstanceOfSatisfying(
                        MongoException.class,
                        cause -> assertThat(cause.getCode()).isEqualTo(code));

        assertThat(runs).hasValue(expectedRuns);
        assertThat(store.find(id)).isEmpty();
        assertThat(once(id).replayed()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"112, held", "9001, transiently rolled back", "13, rolled back"})
    void aFailureToReplaceAnExpiredKeyIsTranslatedAndTheWorkIsNotCalled(int code, String expected) {
        StoredKey old = stored();
        failPoint.set("update", 1, code(code));

        StageCommit end = single(anew(old), mustNotWork(stored -> true));

        assertThat(nameOf(end)).isEqualTo(expected);
        if (code == 13) {
            assertThat(failureOf(end)).isEqualTo(StoreFailure.Kind.UNAVAILABLE);
        }
        assertThat(store.find(old.id())).contains(old);
    }

    @Test
    void serializableIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        store.commitSingle(key(LOCKED), Isolation.SERIALIZABLE, LEASE, mustNotWork(stored -> true)))
                .withMessageContaining("SERIALIZABLE");
    }

    @Test
    void aDocumentOverTheServersLimitRollsTheStageBack() {
        Response huge = Response.of(200, new byte[KeyDocument.MOST_BYTES]);
        KeyState finished = new KeyState.Finished(huge, Keys.AT, Keys.AT);
        StoredKey taken = key(LOCKED);

        StageCommit takes = single(key(finished), mustNotWork(stored -> true));
        assertThat(commands.names()).isEmpty();
        StageCommit stores = single(taken, session -> next(taken, finished));

        assertThat(nameOf(takes)).isEqualTo("rolled back");
        assertThat(nameOf(stores)).isEqualTo("rolled back");
        assertThat(causeOf(stores)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("16777216");
        assertThat(store.find(taken.id())).isEmpty();
    }

    // The work and the last write

    @Test
    void aConflictInTheWorkIsTransientAndNotHeld() {
        StoredKey taken = key(LOCKED);
        String name = UUID.randomUUID().toString();
        rows.insertOne(new Document("_id", name));

        StageCommit end = single(taken, session -> {
            assertThat(rows.find(session, eq(name)).first()).isNotNull();
            get(elsewhere(() -> rows.updateOne(eq(name), set("value", "theirs"))));
            rows.updateOne(session, eq(name), set("value", "mine"));
            return next(taken, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(store.find(taken.id())).isEmpty();
    }

    @Test
    void theWorksOwnDuplicateIsItsOwnAndNotTheKeys() {
        StoredKey taken = key(LOCKED);
        String name = UUID.randomUUID().toString();
        rows.insertOne(new Document("_id", name));
        commands.forget();

        StageCommit end = single(taken, session -> {
            rows.insertOne(session, new Document("_id", name));
            return next(taken, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(commands.names()).containsExactly("insert", "insert", "abortTransaction");
        assertThat(store.find(taken.id())).isEmpty();
    }

    /** The server has ended the transaction by then. */
    @Test
    void anErrorThatTheWorkSwallowsNeverStoresTheKey() {
        StoredKey taken = key(LOCKED);
        String name = UUID.randomUUID().toString();
        rows.insertOne(new Document("_id", name));

        StageCommit end = single(taken, session -> {
            try {
                rows.insertOne(session, new Document("_id", name));
            } catch (MongoException swallowed) {
                assertThat(swallowed.getCode()).isEqualTo(11000);
            }
            return next(taken, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(store.find(taken.id())).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"112, transiently rolled back", "9001, transiently rolled back", "13, rolled back"})
    void theLastWritesFailureIsNeitherHeldNorStored(int code, String expected) {
        StoredKey taken = key(LOCKED);
        failPoint.set("update", 1, code(code));

        StageCommit end = single(taken, session -> next(taken, FINISHED));

        assertThat(nameOf(end)).isEqualTo(expected);
        assertThat(store.find(taken.id())).isEmpty();
    }

    /** Only a stage that breaks the rules does this. */
    @Test
    void aKeyThatItsOwnStageChangesIsFencedOff() {
        StoredKey taken = key(LOCKED);

        StageCommit end = single(taken, session -> {
            database.getCollection("keys")
                    .updateOne(session, eq("scope " + taken.id().value()), set("revision", 1));
            return next(taken, FINISHED);
        });

        assertThat(end).isEqualTo(StageCommit.fencedOff());
        assertThat(store.find(taken.id())).isEmpty();
    }

    @Test
    void aStageThatEndsItsTransactionIsRefused() {
        StoredKey taken = key(LOCKED);

        StageCommit end = single(taken, session -> {
            assertThatExceptionOfType(IllegalStateException.class).isThrownBy(session::commitTransaction);
            return next(taken, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(store.find(taken.id())).isEmpty();
    }

    // Crashes: a worker's session is killed, as the server does it a minute after the worker's death

    /** Where a worker stops and its session is killed. */
    enum Point {
        BEFORE_ITS_WORK_WRITES("insert"),
        BEFORE_ITS_LAST_WRITE("update"),
        BEFORE_ITS_COMMIT("commitTransaction");

        private final String command;

        Point(String command) {
            this.command = command;
        }
    }

    /** The worker's command after that point is the first that finds out. */
    @ParameterizedTest
    @EnumSource
    void aWorkerWhoseSessionIsKilledCommitsNothingAndAnotherRunsOnce(Point point) {
        KeyId id = newId();
        AtomicReference<Object> session = new AtomicReference<>();
        CountDownLatch stopped = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        RecordedCommands sent = new RecordedCommands();
        AtomicInteger runs = new AtomicInteger();
        Consumer<Point> stopAt = here -> {
            if (here == point && runs.get() == 1) {
                stopped.countDown();
                await(goOn);
            }
        };
        try (MongoClient worker = TestServer.client(settings -> settings.addCommandListener(sent))) {
            MongoKeyStore itsStore = new MongoKeyStore(worker, database.getName(), "keys");
            MongoCollection<Document> itsRows =
                    worker.getDatabase(database.getName()).getCollection("rows");
            IdempotencyKeyService<ClientSession> its = askingTheStore(itsStore);
            sent.before(command -> Stream.of(Point.values())
                    .filter(each -> each.command.equals(command))
                    .forEach(stopAt));
            Future<Execution> zombie = elsewhere(() -> its.once("pay", id, REQUEST, stage -> {
                session.set(idOf(stage.transaction()));
                runs.incrementAndGet();
                itsRows.insertOne(stage.transaction(), new Document("key", id.value()));
                return RESPONSE;
            }));
            await(stopped);
            commands.forget();

            assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> once(id));
            assertThat(commands.names()).containsExactly("insert", "abortTransaction");
            assertThat(document(id)).isNull();
            killSession(session.get());
            assertThat(once(id).replayed()).isFalse();
            goOn.countDown();

            assertThat(get(zombie).replayed()).isTrue();
            assertThat(runs).hasValue(1);
        }
        assertThat(committedRuns(id)).isEqualTo(1);
        assertThat(once(id).replayed()).isTrue();
    }

    @Test
    void aWorkerWhoseTransactionIsEndedRunsItsStageAgain() {
        KeyId id = newId();
        AtomicInteger runs = new AtomicInteger();

        Execution execution = service.once("pay", id, REQUEST, stage -> {
            rows.insertOne(stage.transaction(), new Document("key", id.value()));
            if (runs.incrementAndGet() == 1) {
                killSession(idOf(stage.transaction()));
            }
            return RESPONSE;
        });

        assertThat(execution.replayed()).isFalse();
        assertThat(runs).hasValue(2);
        assertThat(committedRuns(id)).isEqualTo(1);
    }

    // Crashes: a worker's connections are cut

    /** Each cut makes the driver look for the server anew, for as long as it is told to. */
    private static MongoClient through(CuttingProxy proxy, RecordedCommands sent, int seconds) {
        return TestServer.client(
                proxy.url(),
                settings -> settings.addCommandListener(sent)
                        .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(seconds, TimeUnit.SECONDS)));
    }

    @ParameterizedTest
    @CsvSource({
        "ANSWER, insert, 1, before the key is taken, 1",
        "COMMAND, insert, 1, before the key is taken, 1",
        "ANSWER, insert, 1, in the work, 2",
        "COMMAND, insert, 1, in the work, 2",
        "ANSWER, update, 1, in the work, 2",
        "COMMAND, update, 1, in the work, 2",
        "ANSWER, commitTransaction, 1, in the work, 1",
        "ANSWER, commitTransaction, 6, in the work, 1",
        "COMMAND, commitTransaction, 1, in the work, 1",
        "COMMAND, commitTransaction, 6, in the work, 2",
    })
    void aWorkerWhoseConnectionIsCutCommitsOneRun(
            CuttingProxy.Cut where, String command, int times, String from, int expectedRuns) throws IOException {
        KeyId id = newId();
        AtomicInteger runs = new AtomicInteger();
        try (CuttingProxy proxy = CuttingProxy.toThePrimaryOf(steady);
                MongoClient worker = through(proxy, new RecordedCommands(), 30)) {
            MongoCollection<Document> itsRows =
                    worker.getDatabase(database.getName()).getCollection("rows");
            IdempotencyKeyService<ClientSession> its =
                    askingTheStore(new MongoKeyStore(worker, database.getName(), "keys"));
            if (from.equals("before the key is taken")) {
                proxy.cut(where, command, times);
            }

            Execution execution = its.once("pay", id, REQUEST, stage -> {
                if (runs.incrementAndGet() == 1 && from.equals("in the work")) {
                    proxy.cut(where, command, times);
                }
                itsRows.insertOne(stage.transaction(), new Document("key", id.value()));
                return RESPONSE;
            });
            int late = proxy.deliver();

            assertThat(late).isEqualTo(where == CuttingProxy.Cut.COMMAND ? times : 0);
            assertThat(execution.replayed()).isFalse();
            assertThat(runs).hasValue(expectedRuns);
        }
        assertThat(committedRuns(id)).isEqualTo(1);
        assertThat(once(id).replayed()).isTrue();
        assertThat(committedRuns(id)).isEqualTo(1);
    }

    /** No commit reaches the server; the next try begins the session's next transaction, which ends the open one. */
    @Test
    void theNextTryEndsTheUnresolvedTransactionOfTheOneBefore() throws IOException {
        StoredKey taken = key(LOCKED);
        StoredKey finished = next(taken, FINISHED);
        RecordedCommands sent = new RecordedCommands();
        try (CuttingProxy proxy = CuttingProxy.toThePrimaryOf(steady);
                MongoClient worker = through(proxy, sent, 30)) {
            MongoKeyStore itsStore = new MongoKeyStore(worker, database.getName(), "keys");
            proxy.cut(CuttingProxy.Cut.COMMAND, "commitTransaction", EVERY_COMMIT);
            Function<StoredKey, StageCommit> run = next ->
                    itsStore.commitSingle(taken, Isolation.SNAPSHOT, LEASE, stage(stored -> false, session -> next));

            assertThat(nameOf(run.apply(next(taken, FINISHED)))).isEqualTo("unknown");
            assertThat(single(anew(taken), mustNotWork(stored -> true))).isEqualTo(StageCommit.held());
            sent.forget();
            assertThat(nameOf(run.apply(finished))).isEqualTo("committed");

            assertThat(sent.names()).containsExactly("insert", "update", "commitTransaction");
            assertThat(proxy.deliver()).isEqualTo(EVERY_COMMIT);
        }
        assertThat(store.find(taken.id())).contains(finished);
    }

    /** All its connections go at once, and it never comes back. */
    @ParameterizedTest
    @CsvSource({"update, StoreUnavailable", "commitTransaction, OutcomeUnknown"})
    void aDeadWorkersKeyIsHeldUntilTheServerEndsItsTransactionAndThenFree(String last, String expected)
            throws IOException {
        KeyId id = newId();
        AtomicReference<Object> session = new AtomicReference<>();
        RecordedCommands sent = new RecordedCommands();
        try (CuttingProxy proxy = CuttingProxy.toThePrimaryOf(steady);
                MongoClient worker = through(proxy, sent, 2)) {
            MongoCollection<Document> itsRows =
                    worker.getDatabase(database.getName()).getCollection("rows");
            IdempotencyKeyService<ClientSession> its =
                    askingTheStore(new MongoKeyStore(worker, database.getName(), "keys"));
            sent.before(command -> {
                if (command.equals(last)) {
                    proxy.cutAll();
                }
            });

            assertThatExceptionOfType(IdempotencyException.class)
                    .isThrownBy(() -> its.once("pay", id, REQUEST, stage -> {
                        session.set(idOf(stage.transaction()));
                        itsRows.insertOne(stage.transaction(), new Document("key", id.value()));
                        return RESPONSE;
                    }))
                    .satisfies(e -> assertThat(e.getClass().getSimpleName()).isEqualTo(expected));
        }

        assertThatExceptionOfType(IdempotencyException.Locked.class).isThrownBy(() -> once(id));
        assertThat(commands.names()).containsExactly("insert", "abortTransaction");
        assertThat(document(id)).isNull();
        killSession(session.get());

        assertThat(once(id).replayed()).isFalse();
        assertThat(committedRuns(id)).isEqualTo(1);
    }

    // Crowds

    @Test
    void thirtyTwoThreadsOnOneKeyCommitOneRun() {
        KeyId id = newId();
        CountDownLatch done = new CountDownLatch(1);

        List<Future<Boolean>> ends = IntStream.range(0, 32)
                .mapToObj(i -> elsewhere(() -> {
                    boolean replayed;
                    try {
                        replayed = once(id).replayed();
                    } catch (IdempotencyException.Locked held) {
                        await(done);
                        replayed = once(id).replayed();
                    }
                    done.countDown();
                    return replayed;
                }))
                .toList();

        assertThat(ends.stream().map(Keys::get).toList()).containsOnlyOnce(false);
        assertThat(committedRuns(id)).isEqualTo(1);
    }

    @Test
    void sixteenThreadsOnKeysOfTheirOwnMeetNoError() {
        String run = UUID.randomUUID().toString();
        AtomicInteger taken = new AtomicInteger();

        List<Future<Integer>> ends = IntStream.range(0, 16)
                .mapToObj(i -> elsewhere(() -> {
                    int finished = 0;
                    for (int n = taken.incrementAndGet(); n <= 300; n = taken.incrementAndGet()) {
                        finished += once(KeyId.of(run + n)).replayed() ? 0 : 1;
                    }
                    return finished;
                }))
                .toList();

        assertThat(ends.stream().mapToInt(Keys::get).sum()).isEqualTo(300);
        assertThat(rows.countDocuments(new Document("key", new Document("$regex", "^" + run))))
                .isEqualTo(300);
    }
}
