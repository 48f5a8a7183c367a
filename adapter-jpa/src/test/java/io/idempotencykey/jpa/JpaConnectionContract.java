package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.IdempotencyKey;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.KeyEvent;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import io.idempotencykey.service.WorkStage;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.RollbackException;
import jakarta.transaction.TransactionManager;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Connections to a real server that are lost before, within and after a statement. */
abstract class JpaConnectionContract {
    private static final Response RESPONSE = TestApplication.RESPONSE;
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    private final TestDatabase database;

    JpaConnectionContract(TestDatabase database) {
        this.database = database;
    }

    @ParameterizedTest
    @CsvSource({"BEFORE, 2", "WITHIN, 2", "AFTER, 1", "STALLED, 1"})
    void aStageWhoseCommitIsCutRunsOnceAllTheSame(CuttingProxy.Cut cut, int runs) throws Exception {
        try (World world = new World(cut)) {
            HeldKey held = world.hold();
            AtomicInteger run = new AtomicInteger();

            StageResult result = world.keys.workStage(held, stage -> {
                insert(stage.transaction(), "row");
                if (run.incrementAndGet() == 1) {
                    world.proxy.cut("commit", cut);
                }
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(world.proxy.isSprung()).isTrue();
            assertThat(response(result)).isEqualTo(RESPONSE);
            assertThat(run).hasValue(runs);
            assertThat(world.rows()).containsExactly("row");
            assertThat(world.keys.retrieve(held.key().id()).recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        }
    }

    @ParameterizedTest
    @CsvSource({"BEFORE, 2", "WITHIN, 2", "AFTER, 1", "STALLED, 1"})
    void aStageWhoseCommitIsCutInAJtaTransactionRunsOnceAllTheSame(CuttingProxy.Cut cut, int runs) throws Exception {
        assertJtaRuns(cut, runs, (factory, manager) -> new JpaKeyStore(factory));
    }

    /** Another manager than Narayana may say that it rolled the transaction back, and not that the commit failed. */
    @Test
    void aStageIsCommittedWhoseManagerSaysOfACutCommitThatItRolledBack() throws Exception {
        assertJtaRuns(CuttingProxy.Cut.AFTER, 1, (factory, manager) -> {
            NewTransaction begun = JtaApplication.begunBy(manager, factory);
            NewTransaction telling = (isolation, timeout, work) -> {
                try {
                    begun.run(isolation, timeout, work);
                } catch (IllegalStateException e) {
                    throw e.getCause() instanceof RollbackException
                            ? new IllegalStateException(
                                    new RollbackException("rolled back").initCause(new IllegalStateException("lost")))
                            : e;
                }
            };
            return new JpaKeyStore(factory, telling, Isolation.SERIALIZABLE);
        });
    }

    private void assertJtaRuns(
            CuttingProxy.Cut cut, int runs, BiFunction<EntityManagerFactory, TransactionManager, JpaKeyStore> store)
            throws Exception {
        String url = database.create();
        try (CuttingProxy proxy = new CuttingProxy(server(url).getPort())) {
            // Otherwise PostgreSQL's driver sends the name of a commit that it has prepared.
            String cuttable = through(proxy, url, timeout(cut)) + "&prepareThreshold=0";
            JtaApplication.with(cuttable, 5, (factory, manager) -> {
                IdempotencyKeyService<EntityManager> keys = askingTheStore(store.apply(factory, manager));
                HeldKey held = keys.lock(
                        keys.create("", "key", TestApplication.REQUEST).id());
                AtomicInteger run = new AtomicInteger();

                StageResult result = keys.workStage(held, stage -> {
                    insert(stage.transaction(), "row");
                    if (run.incrementAndGet() == 1) {
                        proxy.cut("commit", cut);
                    }
                    return StageOutcome.respond(RESPONSE);
                });

                assertThat(proxy.isSprung()).isTrue();
                assertThat(response(result)).isEqualTo(RESPONSE);
                assertThat(run).hasValue(runs);
                assertThat(TestApplication.rows(url)).containsExactly("row");
            });
        }
    }

    /** The second run meets the first one's row, which came late; the first run's outcome counts. */
    @Test
    void aCommitThatLandsDuringTheNextTryIsTheOutcome() throws Exception {
        try (World world = new World()) {
            HeldKey held = world.hold();
            AtomicInteger run = new AtomicInteger();

            StageResult result = world.keys.workStage(held, stage -> {
                world.commitLate(run.incrementAndGet());
                insert(stage.transaction(), "row");
                return StageOutcome.respond(Response.of(201, "text/plain", "run " + run));
            });

            assertThat(response(result)).isEqualTo(Response.of(201, "text/plain", "run 1"));
            assertThat(run).hasValue(2);
            assertThat(world.rows()).containsExactly("row");
        }
    }

    /** The second run writes another row, so only the fence shows that the first commit has landed. */
    @Test
    void aCommitThatLandsDuringTheNextTryFencesThatOff() throws Exception {
        try (World world = new World()) {
            HeldKey held = world.hold();
            AtomicInteger run = new AtomicInteger();

            StageResult result = world.keys.workStage(held, stage -> {
                world.commitLate(run.incrementAndGet());
                insert(stage.transaction(), "row of run " + run);
                return StageOutcome.advanceTo(PAID);
            });

            HeldKey next = held(result);
            assertThat(run).hasValue(2);
            assertThat(world.rows()).containsExactly("row of run 1");
            assertThat(response(world.keys.workStage(next, stage -> StageOutcome.respond(RESPONSE))))
                    .isEqualTo(RESPONSE);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = CuttingProxy.Cut.class,
            names = {"BEFORE", "WITHIN", "AFTER", "STALLED"})
    void aClaimWhoseAnswerIsLostIsMine(CuttingProxy.Cut cut) throws Exception {
        try (World world = new World(cut)) {
            world.proxy.cut("insert into", cut);

            Claim claim = world.keys.claim(KeyId.of("key"), TestApplication.REQUEST);

            assertThat(world.proxy.isSprung()).isTrue();
            HeldKey held = ((Claim.Claimed) claim).key();
            assertThat(held.key().attempts()).isEqualTo(1);
            assertThat(response(world.keys.workStage(held, stage -> StageOutcome.respond(RESPONSE))))
                    .isEqualTo(RESPONSE);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = CuttingProxy.Cut.class,
            names = {"BEFORE", "AFTER"})
    void aLockWhoseAnswerIsLostIsMine(CuttingProxy.Cut cut) throws Exception {
        try (World world = new World()) {
            IdempotencyKey key = world.keys.create("", "key", TestApplication.REQUEST);
            world.proxy.cut("update", cut);

            HeldKey held = world.keys.lock(key.id());

            assertThat(world.proxy.isSprung()).isTrue();
            assertThat(held.key().attempts()).isEqualTo(1);
            assertThat(response(world.keys.workStage(held, stage -> StageOutcome.respond(RESPONSE))))
                    .isEqualTo(RESPONSE);
        }
    }

    @Test
    void aConnectionLostWithinAStageRunsItAgain() throws Exception {
        try (World world = new World()) {
            HeldKey held = world.hold();
            AtomicInteger run = new AtomicInteger();

            StageResult result = world.keys.workStage(held, stage -> {
                if (run.incrementAndGet() == 1) {
                    world.proxy.cut("insert into", CuttingProxy.Cut.AFTER);
                }
                insert(stage.transaction(), "row");
                return StageOutcome.respond(RESPONSE);
            });

            assertThat(response(result)).isEqualTo(RESPONSE);
            assertThat(run).hasValue(2);
            assertThat(world.rows()).containsExactly("row");
        }
    }

    /** A worker is gone, and its open transaction holds a row; the next holder doesn't wait for ever. */
    @Test
    void aTransactionWhoseOwnerStoppedEndsWithTheLease() throws Exception {
        Duration lease = Duration.ofSeconds(2);
        try (World world = new World()) {
            HeldKey dead = world.hold(lease);
            IdempotencyKeyService<EntityManager> other = world.service(lease);

            assertThatExceptionOfType(IdempotencyException.StaleKey.class)
                    .isThrownBy(() -> world.keys.workStage(dead, stage -> {
                        insert(stage.transaction(), "row");
                        HeldKey taken = takeOver(other, dead.key().id());
                        // Waits for the row until the server has ended the first one's transaction.
                        StageResult result = other.workStage(taken, again -> {
                            insert(again.transaction(), "row");
                            return StageOutcome.respond(RESPONSE);
                        });
                        assertThat(response(result)).isEqualTo(RESPONSE);
                        return StageOutcome.respond(Response.of(500, "text/plain", "zombie"));
                    }));

            assertThat(world.rows()).containsExactly("row");
            IdempotencyKey key = other.retrieve(dead.key().id());
            assertThat(key.attempts()).isEqualTo(2);
            assertThat(key.recoveryPoint()).isEqualTo(RecoveryPoint.FINISHED);
        }
    }

    /** Where a request of one stage loses its connection. */
    private enum Point {
        OPENING,
        WORK,
        LAST_WRITE,
        COMMIT;

        String of(TestDatabase database) {
            boolean locks = database == TestDatabase.POSTGRESQL;
            return switch (this) {
                case OPENING -> locks ? "pg_try_advisory" : "insert into idempotency_key";
                case WORK -> "insert into contract_row";
                case LAST_WRITE -> locks ? "insert into idempotency_key" : "update idempotency_key";
                case COMMIT -> "commit";
            };
        }
    }

    @ParameterizedTest
    @CsvSource({
        "OPENING, BEFORE, 1",
        "OPENING, WITHIN, 1",
        "OPENING, AFTER, 1",
        "WORK, BEFORE, 2",
        "WORK, AFTER, 2",
        "LAST_WRITE, BEFORE, 2",
        "COMMIT, BEFORE, 2",
        "COMMIT, WITHIN, 2",
        "COMMIT, AFTER, 1",
        "COMMIT, STALLED, 1"
    })
    void aRequestOfOneStageIsCommittedOnceWhereverItsConnectionIsCut(Point point, CuttingProxy.Cut cut, int runs)
            throws Exception {
        try (World world = new World(cut)) {
            AtomicInteger run = new AtomicInteger();
            if (point == Point.OPENING) {
                world.proxy.cut(point.of(database), cut);
            }

            Execution execution = world.once(stage -> {
                if (run.incrementAndGet() == 1 && point != Point.OPENING) {
                    world.proxy.cut(point.of(database), cut);
                }
                insert(stage.transaction(), "row");
                return RESPONSE;
            });

            assertThat(world.proxy.isSprung()).isTrue();
            assertThat(execution.response()).isEqualTo(RESPONSE);
            assertThat(execution.replayed()).isFalse();
            assertThat(run).hasValue(runs);
            assertThat(world.rows()).containsExactly("row");
            assertThat(world.once(stage -> RESPONSE).replayed()).isTrue();
        }
    }

    /** The next try finds the first one's key, with another row than its own. */
    @Test
    void aCommitOfARequestOfOneStageThatLandsLateIsItsOutcome() throws Exception {
        try (World world = new World()) {
            AtomicInteger run = new AtomicInteger();
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(world.store)
                    .replayCacheBytes(0)
                    .listener(event -> {
                        if (event instanceof KeyEvent.StageRetried) {
                            world.proxy.land();
                        }
                    })
                    .build();

            Execution execution = keys.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                if (run.incrementAndGet() == 1) {
                    world.proxy.cut("commit", CuttingProxy.Cut.LATE);
                }
                insert(stage.transaction(), "row of run " + run);
                return Response.of(201, "text/plain", "run " + run);
            });

            assertThat(execution.response()).isEqualTo(Response.of(201, "text/plain", "run 1"));
            assertThat(execution.replayed()).isFalse();
            assertThat(run).hasValue(1);
            assertThat(world.rows()).containsExactly("row of run 1");
        }
    }

    /** The server ends the transaction of a stage that stopped, which then can't commit what another worker did. */
    @Test
    void aRequestOfOneStageThatOutlivesItsLeaseIsAnotherWorkers() throws Exception {
        try (World world = new World()) {
            IdempotencyKeyService<EntityManager> zombie = world.service(Duration.ofSeconds(1));
            IdempotencyKeyService<EntityManager> other = world.service(Duration.ofSeconds(60));
            AtomicInteger run = new AtomicInteger();

            Execution execution = zombie.once("order", KeyId.of("key"), TestApplication.REQUEST, stage -> {
                run.incrementAndGet();
                insert(stage.transaction(), "row");
                Execution others = untilItIsFree(() -> once(other, again -> {
                    insert(again.transaction(), "row");
                    return RESPONSE;
                }));
                assertThat(others.replayed()).isFalse();
                return Response.of(500, "text/plain", "zombie");
            });

            assertThat(execution.replayed()).isTrue();
            assertThat(execution.response()).isEqualTo(RESPONSE);
            assertThat(run).hasValue(1);
            assertThat(world.rows()).containsExactly("row");
        }
    }

    private static Execution once(
            IdempotencyKeyService<EntityManager> keys, WorkStage.Answer<EntityManager, Response> answer) {
        return keys.once("order", KeyId.of("key"), TestApplication.REQUEST, answer);
    }

    private static HeldKey takeOver(IdempotencyKeyService<EntityManager> keys, KeyId id) {
        return untilItIsFree(() -> keys.lock(id));
    }

    private static <R> R untilItIsFree(Supplier<R> work) {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        while (true) {
            try {
                return work.get();
            } catch (IdempotencyException.Locked e) {
                if (System.nanoTime() - end > 0) {
                    throw e;
                }
            }
        }
    }

    private static void insert(EntityManager em, String name) {
        em.persist(new ContractRow(name, "1"));
        em.flush();
    }

    private static HeldKey held(StageResult result) {
        return ((StageResult.Held) result).key();
    }

    private static Response response(StageResult result) {
        return ((StageResult.Finished) result).response();
    }

    private static URI server(String url) {
        return URI.create(url.substring("jdbc:".length()));
    }

    /** The socket's time-out is shorter if the server's answer stalls. */
    private static int timeout(CuttingProxy.Cut cut) {
        return cut == CuttingProxy.Cut.STALLED ? 4 : 60;
    }

    private String through(CuttingProxy proxy, String url, int timeoutSeconds) {
        int socketTimeout = database == TestDatabase.POSTGRESQL ? timeoutSeconds : 1_000 * timeoutSeconds;
        return url.replace(":" + server(url).getPort(), ":" + proxy.port()) + "&socketTimeout=" + socketTimeout;
    }

    /** A database that is reached through a proxy. */
    private final class World implements AutoCloseable {
        private final CuttingProxy proxy;
        private final HikariDataSource pool;
        private final EntityManagerFactory factory;
        private final JpaKeyStore store;
        private final IdempotencyKeyService<EntityManager> keys;

        World() throws IOException {
            this(60);
        }

        World(CuttingProxy.Cut cut) throws IOException {
            this(timeout(cut));
        }

        private World(int timeoutSeconds) throws IOException {
            String url = database.create();
            proxy = new CuttingProxy(server(url).getPort());
            pool = TestDatabase.pool(through(proxy, url, timeoutSeconds), 5);
            // Otherwise a connection that the pool opens meanwhile may be cut instead: MariaDB's driver begins it with
            // "autocommit".
            pool.setMinimumIdle(0);
            factory = TestDatabase.factory(pool);
            store = new JpaKeyStore(factory);
            keys = service(Duration.ofSeconds(60));
        }

        Execution once(WorkStage.Answer<EntityManager, Response> answer) {
            return JpaConnectionContract.once(keys, answer);
        }

        IdempotencyKeyService<EntityManager> service(Duration lease) {
            JpaKeyStore store = new JpaKeyStore(factory);
            // Otherwise a driver may send the name of a statement that it has prepared, and not the text to be cut at.
            pool.getHikariPoolMXBean().softEvictConnections();
            return IdempotencyKeyService.builder(store)
                    .replayCacheBytes(0)
                    .lease(lease)
                    .build();
        }

        HeldKey hold() {
            return hold(Duration.ofSeconds(60));
        }

        HeldKey hold(Duration lease) {
            return keys.lock(keys.create("", "key", TestApplication.REQUEST).id(), lease);
        }

        /** Holds the first run's commit back until the second run. */
        void commitLate(int run) {
            if (run == 1) {
                proxy.cut("commit", CuttingProxy.Cut.LATE);
            } else {
                proxy.land();
            }
        }

        List<String> rows() {
            return TestDatabase.inTransaction(
                    factory,
                    em -> em.createQuery("select r.name from ContractRow r order by r.name", String.class)
                            .getResultList());
        }

        @Override
        public void close() throws IOException {
            factory.close();
            pool.close();
            proxy.close();
        }
    }
}
