package io.idempotencykey.spring;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNoException;

import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Updates;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.bson.Document;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.dao.DataAccessException;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.SessionSynchronization;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.data.mongodb.core.SimpleMongoClientDatabaseFactory;
import org.springframework.data.mongodb.core.query.Criteria;
import org.springframework.data.mongodb.core.query.Query;
import org.springframework.transaction.IllegalTransactionStateException;
import org.springframework.transaction.NestedTransactionNotSupportedException;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/** The usual code of an application with Spring Data, in stages of either kind. */
class MongoStageTest {
    private static final RecoveryPoint WRITTEN = new RecoveryPoint("written");

    private static final String DATABASE = MongoServer.newDatabase();
    private static ConfigurableApplicationContext shop;
    private static MongoClient outside;
    private static MongoCollection<Document> committed;

    private final AtomicInteger runs = new AtomicInteger();
    private final KeyId id = KeyId.of("shop", UUID.randomUUID().toString());
    private final String row = UUID.randomUUID().toString();
    private MongoShop.Orders orders;
    private MongoShop.Rows rows;
    private MongoShop.Listeners listeners;
    private MongoTemplate template;
    private MongoKeyStore store;
    private MongoDatabaseFactory factory;
    private IdempotencyKeyService<ClientSession> keys;

    /** How a request is run. */
    enum Kind {
        SINGLE,
        STAGED
    }

    /** What joins the transaction that there is. */
    enum Joining {
        REQUIRED,
        SUPPORTS,
        MANDATORY,
        TEMPLATE,
        REPOSITORY
    }

    @BeforeAll
    static void start() {
        shop = MongoShop.start(MongoShop.Application.class, DATABASE);
        outside = MongoClients.create(MongoServer.url("outside"));
        committed = outside.getDatabase(DATABASE).getCollection("rows");
    }

    @AfterAll
    static void stop() {
        shop.close();
        outside.getDatabase(DATABASE).drop();
        outside.close();
    }

    @BeforeEach
    void beans() {
        orders = shop.getBean(MongoShop.Orders.class);
        rows = shop.getBean(MongoShop.Rows.class);
        listeners = shop.getBean(MongoShop.Listeners.class);
        listeners.seen.clear();
        template = shop.getBean(MongoTemplate.class);
        store = shop.getBean(MongoKeyStore.class);
        factory = shop.getBean(MongoDatabaseFactory.class);
        keys = askingTheStore(shop.getBean(SpringMongoKeyStore.class));
    }

    @AfterEach
    void nothingIsBound() {
        assertThat(TransactionSynchronizationManager.getResourceMap()).isEmpty();
        assertThat(TransactionSynchronizationManager.isSynchronizationActive()).isFalse();
        assertThat(TransactionSynchronizationManager.isActualTransactionActive())
                .isFalse();
    }

    private Execution run(Kind kind, Consumer<ClientSession> work) {
        Execution execution = switch (kind) {
            case SINGLE ->
                keys.once("place", id, request(), stage -> {
                    runs.incrementAndGet();
                    work.accept(stage.transaction());
                    return Response.of(201, "text/plain", row);
                });
            case STAGED -> {
                Operation<ClientSession> operation = keys.operation("place")
                        .stage(RecoveryPoint.STARTED, stage -> {
                            runs.incrementAndGet();
                            work.accept(stage.transaction());
                        })
                        .respond(WRITTEN, stage -> Response.of(201, "text/plain", row))
                        .build();
                yield keys.run(operation, id, request());
            }
        };
        nothingIsBound();
        return execution;
    }

    private static Request request() {
        return Request.of("POST", "/orders", Map.of("quantity", 2));
    }

    private void join(Joining joining, String row) {
        switch (joining) {
            case REQUIRED -> orders.required(row);
            case SUPPORTS -> orders.supports(row);
            case MANDATORY -> orders.mandatory(row);
            case TEMPLATE -> template.insert(new MongoShop.Row(row, "template"));
            case REPOSITORY -> rows.insert(new MongoShop.Row(row, "repository"));
        }
    }

    /** Whether a row is committed, as another client sees it. */
    private static boolean isCommitted(String row) {
        return committed.countDocuments(Filters.eq(row)) == 1;
    }

    @ParameterizedTest
    @CsvSource({
        "SINGLE, REQUIRED",
        "SINGLE, SUPPORTS",
        "SINGLE, MANDATORY",
        "SINGLE, TEMPLATE",
        "SINGLE, REPOSITORY",
        "STAGED, REQUIRED",
        "STAGED, SUPPORTS",
        "STAGED, MANDATORY",
        "STAGED, TEMPLATE",
        "STAGED, REPOSITORY"
    })
    void whatJoinsATransactionIsCommittedWithTheStage(Kind kind, Joining joining) {
        Execution first = run(kind, session -> {
            join(joining, row);
            assertThat(isCommitted(row)).isFalse();
        });

        assertThat(isCommitted(row)).isTrue();
        Execution retry = run(kind, session -> join(joining, row + "-again"));
        assertThat(retry.replayed()).isTrue();
        assertThat(retry.response()).isEqualTo(first.response());
        assertThat(isCommitted(row + "-again")).isFalse();
        assertThat(runs).hasValue(1);
    }

    @ParameterizedTest
    @CsvSource({
        "SINGLE, REQUIRED",
        "SINGLE, SUPPORTS",
        "SINGLE, MANDATORY",
        "SINGLE, TEMPLATE",
        "SINGLE, REPOSITORY",
        "STAGED, REQUIRED",
        "STAGED, SUPPORTS",
        "STAGED, MANDATORY",
        "STAGED, TEMPLATE",
        "STAGED, REPOSITORY"
    })
    void whatJoinsATransactionIsRolledBackWithTheStage(Kind kind, Joining joining) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(kind, session -> {
                    join(joining, row);
                    throw new IllegalArgumentException("the stage fails");
                }))
                .withMessage("the stage fails");

        nothingIsBound();
        assertThat(isCommitted(row)).isFalse();
        assertThat(run(kind, session -> join(joining, row)).replayed()).isFalse();
        assertThat(isCommitted(row)).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void aStageReadsItsOwnWrites(Kind kind) {
        run(kind, session -> {
            orders.required(row);
            assertThat(TransactionSynchronizationManager.getCurrentTransactionName())
                    .isEqualTo("idempotencykey.stage");
            committed(session, row + "-driver");

            assertThat(rows.findById(row)).contains(new MongoShop.Row(row, "required"));
            assertThat(rows.existsById(row + "-driver")).isTrue();
            assertThat(rows.findByValue(row + "-value")).hasSize(1);
            assertThat(template.findById(row, MongoShop.Row.class)).isNotNull();
            assertThat(template.count(Query.query(Criteria.where("id").is(row)), MongoShop.Row.class))
                    .isEqualTo(1);
        });
    }

    /** Writes with the stage's own session, by the driver. */
    private void committed(ClientSession session, String row) {
        factory.getMongoDatabase()
                .getCollection("rows")
                .insertOne(session, new Document("_id", row).append("value", this.row + "-value"));
    }

    @ParameterizedTest
    @EnumSource
    void aConflictRunsTheStageAgain(Kind kind) {
        committed.insertOne(new Document("_id", row).append("value", "first"));

        run(kind, session -> {
            orders.required(row + "-new");
            withFirstRunConflicting(() -> orders.change(row));
        });

        assertThat(runs).hasValue(2);
        assertThat(isCommitted(row + "-new")).isTrue();
        assertThat(rows.findById(row)).contains(new MongoShop.Row(row, "changed"));
    }

    /** Does something to this test's row while the transaction of another client holds it, in the first run only. */
    private void withFirstRunConflicting(Runnable change) {
        if (runs.get() > 1) {
            change.run();
            return;
        }
        try (ClientSession other = outside.startSession()) {
            other.startTransaction();
            committed.updateOne(other, Filters.eq(row), Updates.set("value", "other"));
            change.run();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aConflictThatMarkedTheStageAndWasSwallowedRunsItAgain(Kind kind) {
        committed.insertOne(new Document("_id", row).append("value", "first"));

        run(kind, session -> {
            try {
                withFirstRunConflicting(() -> orders.change(row));
            } catch (DataAccessException e) {
                assertThat(runs).hasValue(1);
            }
        });

        assertThat(runs).hasValue(2);
        assertThat(rows.findById(row)).contains(new MongoShop.Row(row, "changed"));
    }

    @ParameterizedTest
    @EnumSource
    void codeThatMustNotHaveATransactionFails(Kind kind) {
        assertThatExceptionOfType(IllegalTransactionStateException.class)
                .isThrownBy(() -> run(kind, session -> {
                    orders.required(row);
                    orders.never(row + "-never");
                }));

        assertThat(isCommitted(row)).isFalse();
        assertThat(isCommitted(row + "-never")).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void aNestedTransactionFails(Kind kind) {
        TransactionTemplate nested = transaction();
        nested.setPropagationBehavior(TransactionDefinition.PROPAGATION_NESTED);

        assertThatExceptionOfType(NestedTransactionNotSupportedException.class)
                .isThrownBy(() -> run(kind, session -> nested.executeWithoutResult(status -> orders.required(row))));

        assertThat(isCommitted(row)).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void aTransactionOfAnotherFactoryIsRefused(Kind kind) {
        MongoDatabaseFactory other = new SimpleMongoClientDatabaseFactory(outside, DATABASE);
        TransactionTemplate transaction = new TransactionTemplate(new MongoTransactionManager(other));

        assertThatIllegalStateException()
                .isThrownBy(() -> run(
                        kind,
                        session -> transaction.executeWithoutResult(
                                status -> new MongoTemplate(other).insert(new MongoShop.Row(row, "other")))))
                .withMessageContaining("leaves the stage's transaction");

        assertThat(isCommitted(row)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"SINGLE, requiresNew", "SINGLE, notSupported", "STAGED, requiresNew", "STAGED, notSupported"})
    void codeThatLeavesTheStageIsRefusedAlsoIfTheStageCatchesThat(Kind kind, String leaving) {
        assertThatIllegalStateException()
                .isThrownBy(() -> run(kind, session -> {
                    orders.required(row);
                    assertThatIllegalStateException().isThrownBy(() -> leave(leaving, row + "-left"));
                }))
                .withMessageContaining("MongoShop$Orders." + leaving + " leaves the stage's transaction");

        nothingIsBound();
        assertThat(runs).hasValue(1);
        assertThat(isCommitted(row)).isFalse();
        assertThat(isCommitted(row + "-left")).isFalse();
    }

    private void leave(String leaving, String row) {
        if (leaving.equals("requiresNew")) {
            orders.requiresNew(row);
        } else {
            orders.notSupported(row);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void codeThatLeavesTheStageInACallbackIsRefusedToo(boolean atCompletion) {
        assertThatIllegalStateException()
                .isThrownBy(() -> run(Kind.SINGLE, session -> {
                    orders.required(row);
                    TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                        @Override
                        public void beforeCommit(boolean readOnly) {
                            if (!atCompletion) {
                                leave();
                            }
                        }

                        @Override
                        public void beforeCompletion() {
                            if (atCompletion) {
                                leave();
                            }
                        }

                        private void leave() {
                            assertThatIllegalStateException().isThrownBy(() -> orders.requiresNew(row + "-left"));
                        }
                    });
                }))
                .withMessageContaining("MongoShop$Orders.requiresNew leaves the stage's transaction");

        assertThat(isCommitted(row)).isFalse();
        assertThat(isCommitted(row + "-left")).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"SINGLE, requiresNew", "STAGED, notSupported"})
    void codeThatLeavesTheStageIsNamedOnceWhereThatIsAllowed(Kind kind, String leaving) {
        keys = askingTheStore(new SpringMongoKeyStore(store, factory, InnerTransactions.LOGGED, false));

        List<String> logged = logged(() -> {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> run(kind, session -> {
                        leave(leaving, row + "-left");
                        // The stage goes on where it was.
                        orders.mandatory(row);
                        template.insert(new MongoShop.Row(row + "-template", "template"));
                        throw new IllegalArgumentException("the stage fails");
                    }));
            assertThat(isCommitted(row + "-left")).isTrue();
            assertThat(isCommitted(row)).isFalse();
            assertThat(isCommitted(row + "-template")).isFalse();
            run(kind, session -> {
                leave(leaving, row + "-left again");
                orders.mandatory(row);
            });
        });

        assertThat(isCommitted(row)).isTrue();
        assertThat(logged)
                .singleElement()
                .asString()
                .contains("MongoShop$Orders." + leaving + " leaves the stage's transaction");
    }

    /** What the library logs meanwhile. */
    private static List<String> logged(Runnable action) {
        List<String> logged = new ArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord line) {
                logged.add(new SimpleFormatter().formatMessage(line));
                // As handlers do that write the error, too.
                assertThat(new SimpleFormatter().format(line)).isNotEmpty();
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("io.idempotencykey");
        Level level = logger.getLevel();
        logger.addHandler(handler);
        logger.setLevel(Level.WARNING);
        logger.setUseParentHandlers(false);
        try {
            action.run();
        } finally {
            logger.removeHandler(handler);
            logger.setLevel(level);
            logger.setUseParentHandlers(true);
        }
        return logged;
    }

    @ParameterizedTest
    @EnumSource
    void aMarkForRollbackFailsTheStageOnce(Kind kind) {
        assertThatExceptionOfType(UnexpectedRollbackException.class)
                .isThrownBy(() -> run(kind, session -> {
                    orders.required(row);
                    assertThatIllegalArgumentException().isThrownBy(() -> orders.failing(row + "-failing"));
                }));

        nothingIsBound();
        assertThat(runs).hasValue(1);
        assertThat(isCommitted(row)).isFalse();
        assertThat(isCommitted(row + "-failing")).isFalse();
        assertThatExceptionOfType(UnexpectedRollbackException.class)
                .isThrownBy(() -> run(kind, session -> orders.marking(row)));
        assertThat(isCommitted(row)).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void whatAMethodThrewIsTheStagesFailureUnlessItIsCaught(Kind kind) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(kind, session -> orders.failing(row)))
                .withMessage("failing " + row);

        assertThat(runs).hasValue(1);
        assertThat(isCommitted(row)).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void listenersHearOfACommitOnceAndWhenItIsMade(Kind kind) {
        run(kind, session -> {
            orders.place(row);
            assertThat(listeners.seen).isEmpty();
        });

        assertThat(listeners.seen)
                .containsExactlyInAnyOrder(
                        "before commit of " + row, "after commit of " + row, "after completion of " + row);
        assertThat(isCommitted(row + "-before")).isTrue();
        assertThat(isCommitted(row + "-after")).isTrue();
        listeners.seen.clear();
        assertThat(run(kind, session -> orders.place(row + "-again")).replayed())
                .isTrue();
        assertThat(listeners.seen).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void listenersHearOfARollback(Kind kind) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(kind, session -> {
                    orders.place(row);
                    throw new IllegalArgumentException("the stage fails");
                }));

        assertThat(listeners.seen).containsExactlyInAnyOrder("after rollback of " + row, "after completion of " + row);
        assertThat(isCommitted(row + "-after")).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void listenersHearOfEachRunOfAStage(Kind kind) {
        committed.insertOne(new Document("_id", row).append("value", "first"));

        run(kind, session -> {
            orders.place(row + "-" + runs);
            withFirstRunConflicting(() -> orders.change(row));
        });

        assertThat(listeners.seen)
                .containsExactlyInAnyOrder(
                        "after rollback of " + row + "-1",
                        "after completion of " + row + "-1",
                        "before commit of " + row + "-2",
                        "after commit of " + row + "-2",
                        "after completion of " + row + "-2");
        assertThat(isCommitted(row + "-1")).isFalse();
        assertThat(isCommitted(row + "-2-before")).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void aListenerThatFailsBeforeTheCommitFailsTheStage(Kind kind) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(kind, session -> orders.doubt(row)))
                .withMessage("doubted " + row);

        assertThat(runs).hasValue(1);
        assertThat(isCommitted(row)).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void aCallbackThatFailsAfterTheCommitChangesNothing(Kind kind) {
        List<String> logged = logged(() -> {
            Execution execution = run(kind, session -> {
                orders.place(row);
                TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                    @Override
                    public void afterCommit() {
                        throw new IllegalArgumentException("the callback fails");
                    }
                });
            });
            assertThat(execution.response().status()).isEqualTo(201);
        });

        assertThat(isCommitted(row)).isTrue();
        assertThat(listeners.seen).contains("after commit of " + row);
        assertThat(logged).singleElement().asString().contains("a callback failed after the stage was committed");
    }

    @ParameterizedTest
    @EnumSource
    void aCallbacksErrorWhoseTextCanNotBeHadChangesNothing(Kind kind) {
        List<String> logged = logged(() -> {
            Execution execution = run(kind, session -> {
                TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                    @Override
                    public void afterCommit() {
                        throw new Untold();
                    }

                    @Override
                    public void afterCompletion(int status) {
                        throw new Untold();
                    }
                });
                orders.place(row);
            });
            assertThat(execution.response().status()).isEqualTo(201);
        });

        assertThat(isCommitted(row)).isTrue();
        assertThat(runs).hasValue(1);
        assertThat(listeners.seen).contains("after completion of " + row);
        assertThat(logged).singleElement().asString().contains("a callback failed after the stage was committed");
    }

    /** An error that fails whoever logs it. */
    private static final class Untold extends RuntimeException {
        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new IllegalStateException("no message");
        }

        @Override
        public String toString() {
            throw new IllegalStateException("no text");
        }
    }

    @ParameterizedTest
    @EnumSource
    void aCallbackMayRunAnotherRequest(Kind kind) {
        run(kind, session -> {
            orders.required(row);
            TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {
                @Override
                public void afterCommit() {
                    keys.once("next", KeyId.of("shop", row), request(), stage -> {
                        orders.required(row + "-next");
                        return Response.of(204, new byte[0]);
                    });
                }
            });
        });

        assertThat(isCommitted(row + "-next")).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"SINGLE, false", "SINGLE, true", "STAGED, false", "STAGED, true"})
    void listenersOfACommitDontHearOfOneWhoseAnswerIsLost(Kind kind, boolean isThrown) {
        AtomicInteger lost = new AtomicInteger();
        keys = askingTheStore(new SpringMongoKeyStore(losing(lost, isThrown), factory));

        Execution execution = run(kind, session -> orders.place(row));

        assertThat(lost).hasPositiveValue();
        assertThat(runs).hasValue(1);
        assertThat(execution.replayed()).isFalse();
        assertThat(isCommitted(row)).isTrue();
        assertThat(listeners.seen).containsExactlyInAnyOrder("before commit of " + row, "after completion of " + row);
    }

    /** The store, where the answer to the first commit is lost. */
    @SuppressWarnings("unchecked")
    private KeyStore<ClientSession> losing(AtomicInteger lost, boolean isThrown) {
        return (KeyStore<ClientSession>) Proxy.newProxyInstance(
                MongoStageTest.class.getClassLoader(), new Class<?>[] {KeyStore.class}, (proxy, method, arguments) -> {
                    Object answer;
                    try {
                        answer = method.invoke(store, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                    if (!(answer instanceof StageCommit) || lost.getAndIncrement() > 0) {
                        return answer;
                    }
                    IllegalStateException failure = new IllegalStateException("the answer is lost");
                    if (isThrown) {
                        throw failure;
                    }
                    return StageCommit.unknown(failure);
                });
    }

    @ParameterizedTest
    @EnumSource
    void aCommitThatDidntArriveIsHeardOfOnce(Kind kind) {
        Execution execution = run(kind, session -> {
            orders.place(row + "-" + runs);
            if (runs.get() == 1) {
                // The store sends a commit three times, and the driver each of them twice.
                Document unused = outside.getDatabase("admin")
                        .runCommand(new Document("configureFailPoint", "failCommand")
                                .append("mode", new Document("times", 6))
                                .append(
                                        "data",
                                        new Document("failCommands", List.of("commitTransaction"))
                                                .append("closeConnection", true)
                                                .append("appName", DATABASE)));
            }
        });

        assertThat(runs).hasValue(2);
        assertThat(execution.replayed()).isFalse();
        assertThat(isCommitted(row + "-1")).isFalse();
        assertThat(isCommitted(row + "-2")).isTrue();
        assertThat(listeners.seen)
                .containsExactlyInAnyOrder(
                        "before commit of " + row + "-1",
                        "after completion of " + row + "-1",
                        "before commit of " + row + "-2",
                        "after commit of " + row + "-2",
                        "after completion of " + row + "-2");
    }

    @Test
    void aStageThatIsFencedOffIsRolledBack() {
        assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                .isThrownBy(() -> run(Kind.STAGED, session -> {
                    orders.place(row);
                    outside.getDatabase(DATABASE).getCollection("keys").deleteMany(new Document());
                }));

        nothingIsBound();
        assertThat(isCommitted(row)).isFalse();
        assertThat(listeners.seen).contains("after rollback of " + row).doesNotContain("after commit of " + row);
    }

    private TransactionTemplate transaction() {
        return new TransactionTemplate(shop.getBean(MongoTransactionManager.class));
    }

    @ParameterizedTest
    @EnumSource
    void aRequestWithinATransactionIsRefused(Kind kind) {
        // The service reads the time now, and so doesn't fail by that.
        keys.create("shop", null, request());
        transaction().executeWithoutResult(status -> {
            rows.insert(new MongoShop.Row(row, "outer"));
            assertThatIllegalStateException()
                    .isThrownBy(() -> runWithin(kind, runs::incrementAndGet))
                    .withMessageContaining("make the SpringMongoKeyStore with allowsOuterTransactions");
            assertThatIllegalStateException().isThrownBy(() -> keys.retrieve(id));
            assertThatIllegalStateException().isThrownBy(() -> keys.create("shop", null, request()));
            assertThat(status.isRollbackOnly()).isFalse();
        });

        assertThat(runs).hasValue(0);
        assertThat(isCommitted(row)).isTrue();
        assertThat(store.find(id)).isEmpty();
        run(kind, session -> orders.required(row + "-after"));
        assertThat(isCommitted(row + "-after")).isTrue();
    }

    @Test
    void aStageWithinATransactionIsRefused() {
        HeldKey held = keys.lock(keys.create("shop", id.value(), request()).id());

        transaction()
                .executeWithoutResult(status -> assertThatIllegalStateException()
                        .isThrownBy(() -> keys.workStage(held, stage -> {
                            runs.incrementAndGet();
                            return StageOutcome.respond(Response.of(204, new byte[0]));
                        }))
                        .withMessageContaining("the thread has an open transaction of Spring's"));

        assertThat(runs).hasValue(0);
    }

    @Test
    void everyCallWithinATransactionIsRefused() {
        keys.create("shop", id.value(), request());
        StoredKey stored = store.find(id).orElseThrow();
        KeyStore<ClientSession> refusing = shop.getBean(SpringMongoKeyStore.class);
        Map<String, Runnable> calls = Map.of(
                "time", refusing::time,
                "find", () -> refusing.find(id),
                "insert", () -> refusing.insert(stored),
                "replace", () -> refusing.replace(stored.revision(), stored),
                "findResumable", () -> refusing.findResumable(Map.of(), null, Instant.EPOCH, 1),
                "findQuarantined", () -> refusing.findQuarantined(null, null, Instant.EPOCH, 1),
                "backlog", () -> refusing.backlog(Instant.EPOCH),
                "deleteExpired", () -> refusing.deleteExpired(Instant.EPOCH, 1));

        transaction()
                .executeWithoutResult(status ->
                        calls.forEach((name, call) -> assertThatExceptionOfType(StoreFailure.class)
                                .as(name)
                                .isThrownBy(call::run)
                                .matches(failure -> failure.kind() == StoreFailure.Kind.REFUSED)));
        assertThatNoException().isThrownBy(() -> calls.values().forEach(Runnable::run));
    }

    @Test
    void aRequestWithinATransactionOfAnotherFactoryIsRefused() {
        MongoDatabaseFactory other = new SimpleMongoClientDatabaseFactory(outside, DATABASE);

        new TransactionTemplate(new MongoTransactionManager(other))
                .executeWithoutResult(
                        status -> assertThatIllegalStateException().isThrownBy(() -> keys.retrieve(id)));
    }

    @Test
    void aRequestIsRefusedWhileATemplateKeepsATransactionOfItsOwn() {
        MongoTemplate always = new MongoTemplate(factory);
        always.setSessionSynchronization(SessionSynchronization.ALWAYS);

        supporting().executeWithoutResult(status -> {
            always.insert(new MongoShop.Row(row, "always"));
            assertThatIllegalStateException().isThrownBy(() -> run(Kind.SINGLE, session -> orders.required(row)));
        });

        assertThat(runs).hasValue(0);
        assertThat(rows.findById(row)).contains(new MongoShop.Row(row, "always"));
    }

    private TransactionTemplate supporting() {
        TransactionTemplate supporting = transaction();
        supporting.setPropagationBehavior(TransactionDefinition.PROPAGATION_SUPPORTS);
        return supporting;
    }

    @ParameterizedTest
    @EnumSource
    void aRequestRunsWhereATransactionWouldOnlyBeSupported(Kind kind) {
        supporting().executeWithoutResult(status -> {
            runWithin(kind, () -> orders.place(row));
            assertThat(isCommitted(row)).isTrue();
            assertThat(listeners.seen).contains("after commit of " + row);
            assertThat(TransactionSynchronizationManager.isSynchronizationActive())
                    .isTrue();
        });
    }

    @ParameterizedTest
    @EnumSource
    void aStageWithinAStageIsRefused(Kind kind) {
        AtomicInteger inner = new AtomicInteger();
        run(kind, session -> {
            assertThatIllegalStateException()
                    .isThrownBy(() -> keys.once("inner", KeyId.of("shop", row), request(), stage -> {
                        inner.incrementAndGet();
                        return Response.of(204, new byte[0]);
                    }))
                    .withMessageContaining("or is in a stage");
            orders.mandatory(row);
        });

        assertThat(inner).hasValue(0);
        assertThat(isCommitted(row)).isTrue();
        assertThat(store.find(KeyId.of("shop", row))).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void aStageWithinATransactionIsApartFromItWhereThatIsAllowed(Kind kind) {
        keys = askingTheStore(new SpringMongoKeyStore(store, factory, InnerTransactions.REFUSED, true));

        transaction().executeWithoutResult(status -> {
            rows.insert(new MongoShop.Row(row + "-outer", "outer"));
            runWithin(kind, () -> {
                orders.place(row);
                assertThat(rows.existsById(row + "-outer")).isFalse();
            });
            assertThat(isCommitted(row)).isTrue();
            assertThat(isCommitted(row + "-after")).isTrue();
            orders.mandatory(row + "-outer too");
            status.setRollbackOnly();
        });

        assertThat(isCommitted(row)).isTrue();
        assertThat(isCommitted(row + "-outer")).isFalse();
        assertThat(isCommitted(row + "-outer too")).isFalse();
        assertThat(listeners.seen).contains("after commit of " + row).doesNotContain("after rollback of " + row);
    }

    @ParameterizedTest
    @EnumSource
    void aStageWithinAStageIsApartFromItWhereThatIsAllowed(Kind kind) {
        keys = askingTheStore(new SpringMongoKeyStore(store, factory, InnerTransactions.REFUSED, true));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(kind, session -> {
                    orders.required(row + "-outer");
                    keys.once("inner", KeyId.of("shop", row), request(), stage -> {
                        orders.place(row);
                        return Response.of(204, new byte[0]);
                    });
                    orders.mandatory(row + "-outer too");
                    throw new IllegalArgumentException("the stage fails");
                }));

        assertThat(isCommitted(row)).isTrue();
        assertThat(isCommitted(row + "-after")).isTrue();
        assertThat(isCommitted(row + "-outer")).isFalse();
        assertThat(isCommitted(row + "-outer too")).isFalse();
    }

    private void runWithin(Kind kind, Runnable work) {
        if (kind == Kind.SINGLE) {
            keys.once("place", id, request(), stage -> {
                work.run();
                return Response.of(204, new byte[0]);
            });
        } else {
            keys.run(
                    keys.operation("place")
                            .stage(RecoveryPoint.STARTED, stage -> work.run())
                            .respond(WRITTEN, stage -> Response.of(204, new byte[0]))
                            .build(),
                    id,
                    request());
        }
    }

    @Test
    void outsideAStageTransactionsAreAsBefore() {
        orders.place(row);
        assertThat(isCommitted(row)).isTrue();
        assertThat(listeners.seen)
                .contains("before commit of " + row, "after completion of " + row)
                .doesNotContain("after rollback of " + row);

        assertThatIllegalArgumentException().isThrownBy(() -> orders.failing(row + "-failing"));
        assertThat(isCommitted(row + "-failing")).isFalse();
        orders.notSupported(row + "-alone");
        assertThat(isCommitted(row + "-alone")).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void aStoreOfAnotherClientFailsAtTheFirstWrite(Kind kind) {
        try (MongoClient other = MongoClients.create(MongoServer.url(DATABASE))) {
            keys = askingTheStore(new SpringMongoKeyStore(new MongoKeyStore(other, DATABASE, "keys"), factory));

            assertThatIllegalStateException()
                    .isThrownBy(() -> run(kind, session -> orders.required(row)))
                    .withMessageContaining("same MongoClient");
        }
        nothingIsBound();
        assertThat(isCommitted(row)).isFalse();
    }

    @Test
    void whatIsBuiltOverAnotherFactoryIsFound() {
        SpringMongoKeyStore springStore = shop.getBean(SpringMongoKeyStore.class);
        MongoDatabaseFactory other = new SimpleMongoClientDatabaseFactory(outside, DATABASE);

        assertThat(springStore.covers(template)).isTrue();
        assertThat(springStore.covers(new MongoTemplate(factory))).isTrue();
        assertThat(springStore.covers(new MongoTemplate(other))).isFalse();
        assertThat(springStore.covers(shop.getBean(MongoTransactionManager.class)))
                .isTrue();
        assertThat(springStore.covers(new MongoTransactionManager(other))).isFalse();
    }

    @ParameterizedTest
    @EnumSource
    void repositoriesNeedNoTransactionManager(Kind kind) {
        String database = MongoServer.newDatabase();
        try (ConfigurableApplicationContext plain = MongoShop.start(MongoShop.WithoutTransactions.class, database)) {
            rows = plain.getBean(MongoShop.Rows.class);
            keys = askingTheStore(plain.getBean(SpringMongoKeyStore.class));
            assertThat(plain.getBeanNamesForType(MongoTransactionManager.class)).isEmpty();

            assertThatIllegalArgumentException()
                    .isThrownBy(() -> run(kind, session -> {
                        rows.insert(new MongoShop.Row(row, "lost"));
                        throw new IllegalArgumentException("the stage fails");
                    }));
            assertThat(rows.existsById(row)).isFalse();

            run(kind, session -> rows.insert(new MongoShop.Row(row, "kept")));
            assertThat(rows.findById(row)).contains(new MongoShop.Row(row, "kept"));
        } finally {
            outside.getDatabase(database).drop();
        }
    }
}
