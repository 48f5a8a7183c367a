package io.idempotencykey.mongo;

import static io.idempotencykey.contract.Services.askingTheStore;
import static io.idempotencykey.mongo.FailPoint.code;
import static io.idempotencykey.mongo.FailPoint.cut;
import static io.idempotencykey.mongo.Keys.FINISHED;
import static io.idempotencykey.mongo.Keys.LEASE;
import static io.idempotencykey.mongo.Keys.LOCKED;
import static io.idempotencykey.mongo.Keys.REQUEST;
import static io.idempotencykey.mongo.Keys.causeOf;
import static io.idempotencykey.mongo.Keys.key;
import static io.idempotencykey.mongo.Keys.nameOf;
import static io.idempotencykey.mongo.Keys.next;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.mongodb.MongoCommandException;
import com.mongodb.MongoCredential;
import com.mongodb.MongoException;
import com.mongodb.MongoExecutionTimeoutException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoSocketException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.Filters;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.IdempotencyKeyService;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.bson.BsonArray;
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
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a stage meets with another client, of another cluster, is its own failure, once: running it again doesn't mend
 * that. The other client is connected by another address.
 */
// On a thread of its own, because a read that nobody answers can't be interrupted.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AnotherClusterTest {
    private static final String APPLICATION = "ours";
    private static final String OTHER = "other";

    private MongoClient steady;
    private MongoClient client;
    private MongoClient other;
    private MongoClient nowhere;
    private CuttingProxy proxy;
    private MongoDatabase database;
    private MongoCollection<Document> rows;
    private MongoCollection<Document> others;
    private MongoKeyStore store;

    @BeforeAll
    void open() throws IOException {
        steady = TestServer.client();
        client = TestServer.client(
                settings -> settings.applicationName(APPLICATION).retryReads(false));
        proxy = CuttingProxy.toThePrimaryOf(steady);
        other = TestServer.client(
                proxy.url(),
                settings -> settings.applicationName(OTHER).retryWrites(false).retryReads(false));
        // Nothing listens there.
        nowhere = TestServer.client(
                "mongodb://127.0.0.1:1/",
                settings -> settings.applyToClusterSettings(
                        cluster -> cluster.serverSelectionTimeout(100, TimeUnit.MILLISECONDS)));
        database = client.getDatabase(TestServer.newName());
        database.createCollection("rows");
        rows = database.getCollection("rows");
        others = other.getDatabase(database.getName()).getCollection("rows");
        store = new MongoKeyStore(client, database.getName(), "keys");
        store.createIndexes();
    }

    @AfterAll
    void close() throws IOException {
        TestServer.drop(steady.getDatabase(database.getName()));
        nowhere.close();
        other.close();
        proxy.close();
        client.close();
        steady.close();
    }

    @AfterEach
    void disarm() {
        new FailPoint(steady, APPLICATION).off();
        new FailPoint(steady, OTHER).off();
    }

    private static Document row() {
        return new Document("_id", UUID.randomUUID().toString());
    }

    private StoredKey held() {
        StoredKey key = key(LOCKED);
        assertThat(store.insert(key)).isTrue();
        return key;
    }

    private StageCommit commit(StoredKey held, Function<ClientSession, StoredKey> work) {
        return store.commitStage(held, Isolation.SNAPSHOT, LEASE, work.andThen(StoredKey::progress));
    }

    private void ask(MongoClient whom) {
        assertThat(whom.getDatabase("admin").runCommand(new Document("ping", 1)))
                .isNotNull();
    }

    @Test
    void aServerThatIsNotFoundElsewhereIsTheStagesOwnFailureOnce() {
        IdempotencyKeyService<ClientSession> service = askingTheStore(store);
        AtomicInteger runs = new AtomicInteger();

        assertThatExceptionOfType(MongoTimeoutException.class)
                .isThrownBy(() -> service.once("pay", KeyId.of(row().getString("_id")), REQUEST, stage -> {
                    runs.incrementAndGet();
                    rows.insertOne(stage.transaction(), row());
                    ask(nowhere);
                    throw new AssertionError("somebody listens on port 1");
                }));

        assertThat(runs).hasValue(1);
    }

    @Test
    void aServerThatIsNotFoundElsewhereIsTheFailureOfAStageThatHasWrittenNothing() {
        StoredKey held = held();

        StageCommit end = commit(held, session -> {
            ask(nowhere);
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("rolled back");
        assertThat(causeOf(end)).isExactlyInstanceOf(MongoTimeoutException.class);
    }

    static List<Arguments> elsewhere() {
        return List.of(
                Arguments.of(cut(), MongoSocketException.class),
                Arguments.of(code(112), MongoException.class),
                Arguments.of(code(112, MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL), MongoException.class),
                Arguments.of(code(10107), MongoCommandException.class),
                Arguments.of(code(50), MongoExecutionTimeoutException.class));
    }

    @ParameterizedTest
    @MethodSource("elsewhere")
    void anErrorOfAnotherServerIsTheStagesOwnFailure(Document how, Class<? extends Exception> type) {
        StoredKey held = held();
        Document mine = row();
        new FailPoint(steady, OTHER).set("insert", 1, how);

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, mine);
            others.insertOne(row());
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).as("%s", end.cause()).isEqualTo("rolled back");
        assertThat(causeOf(end)).isInstanceOf(type).hasNoSuppressedExceptions();
        assertThat(rows.find(mine).first()).isNull();
        assertThat(nameOf(commit(held, session -> next(held, FINISHED)))).isEqualTo("committed");
    }

    @Test
    void anotherServerThatDoesNotKnowTheUserIsTheStagesOwnFailure() {
        StoredKey held = held();
        try (MongoClient stranger = TestServer.client(
                proxy.url(),
                settings -> settings.credential(
                        MongoCredential.createCredential("nobody", "admin", "a password".toCharArray())))) {
            StageCommit end = commit(held, session -> {
                ask(stranger);
                return next(held, FINISHED);
            });

            assertThat(causeOf(end)).isInstanceOf(MongoSecurityException.class);
            assertThat(nameOf(end)).isEqualTo("rolled back");
        }
    }

    // What has become of the stage's own transaction counts, whatever else goes wrong.

    @Test
    void aConflictOfItsOwnThatAStageSwallowedHasItRunAgainWhateverItThrows() {
        StoredKey held = held();
        Document contended = row();
        rows.insertOne(contended);

        StageCommit end = commit(held, session -> {
            assertThat(rows.find(session, contended).first()).isNotNull();
            steady.getDatabase(database.getName())
                    .getCollection("rows")
                    .updateOne(contended, new Document("$set", new Document("value", "theirs")));
            MongoException swallowed = catchThrowableOfType(
                    MongoException.class,
                    () -> rows.updateOne(session, contended, new Document("$set", new Document("value", "mine"))));
            assertThat(swallowed.getCode()).isEqualTo(112);
            ask(nowhere);
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(causeOf(end)).isExactlyInstanceOf(MongoTimeoutException.class);
    }

    /** The server still has the transaction, without the write that was cut off. */
    @Test
    void aLostConnectionOfItsOwnThatAStageSwallowedHasItRunAgainWhateverItThrows() {
        StoredKey held = held();

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, row());
            new FailPoint(steady, APPLICATION).set("insert", 1, cut());
            assertThatExceptionOfType(MongoSocketException.class).isThrownBy(() -> rows.insertOne(session, row()));
            ask(nowhere);
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(causeOf(end)).isExactlyInstanceOf(MongoTimeoutException.class);
    }

    @Test
    void aTransactionThatIsGoneHasTheStageRunAgainWhateverItThrows() {
        StoredKey held = held();

        StageCommit end = commit(held, session -> {
            rows.insertOne(session, row());
            BsonDocument killed = new BsonDocument(
                    "id", session.getServerSession().getIdentifier().getBinary("id"));
            assertThat(steady.getDatabase("admin")
                            .runCommand(new BsonDocument("killSessions", new BsonArray(List.of(killed)))))
                    .isNotNull();
            ask(nowhere);
            return next(held, FINISHED);
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(causeOf(end)).isExactlyInstanceOf(MongoTimeoutException.class);
        assertThat(causeOf(end).getSuppressed()).hasOnlyElementsOfType(MongoException.class);
    }

    static List<Document> withinACursor() {
        return List.of(cut(), code(112), code(112, MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL), code(24));
    }

    /** The session isn't told of these. After a fail point's error 50, the transaction would go on, as it never does. */
    @ParameterizedTest
    @MethodSource("withinACursor")
    void whatEndsACursorOfItsOwnHasTheStageRunAgain(Document how) {
        StoredKey held = held();
        String page = UUID.randomUUID().toString();
        rows.insertMany(IntStream.range(0, 5)
                .mapToObj(number -> row().append("page", page))
                .toList());
        new FailPoint(steady, APPLICATION).set("getMore", 1, how);

        StageCommit end = commit(held, session -> {
            List<Document> read =
                    rows.find(session, Filters.eq("page", page)).batchSize(2).into(new ArrayList<>());
            throw new AssertionError("the cursor wasn't ended, and read " + read);
        });

        assertThat(nameOf(end)).as("%s", end.cause()).isEqualTo("transiently rolled back");
    }

    /** As an application does that wants its stage to be run again. */
    @Test
    void anErrorWithTheLabelThatTheApplicationMadeHasTheStageRunAgain() {
        StoredKey held = held();
        MongoException made = new MongoException("come again");
        made.addLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL);

        StageCommit end = commit(held, session -> {
            throw made;
        });

        assertThat(nameOf(end)).isEqualTo("transiently rolled back");
        assertThat(causeOf(end)).isSameAs(made);
    }
}
