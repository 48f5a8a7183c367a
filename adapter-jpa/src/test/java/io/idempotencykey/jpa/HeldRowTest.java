package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Claim;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Another transaction holds the row that is wanted, for as long as it likes. */
class HeldRowTest {
    private static final int ASKERS = 100;

    @OnH2AndPostgresql
    void askersForAHeldKeyLeaveTheConnectionsToOthers(TestDatabase database) throws Exception {
        allAreToldThatTheKeyIsInFlight(database);
    }

    @Tag("databases")
    @ParameterizedTest
    @EnumSource(names = {"MARIADB", "MYSQL"})
    void askersForAHeldKeyLeaveTheConnectionsToOthersElsewhere(TestDatabase database) throws Exception {
        allAreToldThatTheKeyIsInFlight(database);
    }

    /** The lease is over, so that each asker tries to take the key over. */
    private static void allAreToldThatTheKeyIsInFlight(TestDatabase database) throws Exception {
        String url = database.create();
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            pool.setConnectionTimeout(5_000);
            JpaKeyStore store = new JpaKeyStore(factory);
            IdempotencyKeyService<EntityManager> keys = askingTheStore(store);
            StoredKey abandoned = abandoned();
            assertThat(store.insert(abandoned)).isTrue();
            try (Connection holder = DriverManager.getConnection(url)) {
                holder.setAutoCommit(false);
                TestDatabase.execute(holder, "update idempotency_key set attempts = 1");

                assertThat(claims(keys, abandoned.id())).isEqualTo(Map.of("in flight", ASKERS));

                holder.rollback();
            }
            assertThat(store.find(abandoned.id())).contains(abandoned);
            assertThat(keys.claim(abandoned.id(), TestApplication.REQUEST)).isInstanceOf(Claim.Claimed.class);
        }
    }

    @OnH2AndPostgresql
    void askersForAKeyOfOneStageLeaveTheConnectionsToOthers(TestDatabase database) throws Exception {
        allAreToldThatTheSingleStageRuns(database);
    }

    @Tag("databases")
    @ParameterizedTest
    @EnumSource(names = {"MARIADB", "MYSQL"})
    void askersForAKeyOfOneStageLeaveTheConnectionsToOthersElsewhere(TestDatabase database) throws Exception {
        allAreToldThatTheSingleStageRuns(database);
    }

    /** Another process runs the stage; in the end each asker gets its answer. */
    private static void allAreToldThatTheSingleStageRuns(TestDatabase database) throws Exception {
        String url = database.create();
        KeyId id = KeyId.of("key");
        try (HikariDataSource pool = TestDatabase.pool(url, 2);
                EntityManagerFactory factory = TestDatabase.factory(pool);
                HikariDataSource others = TestDatabase.pool(url, 1);
                EntityManagerFactory another = TestDatabase.factory(others)) {
            pool.setConnectionTimeout(5_000);
            IdempotencyKeyService<EntityManager> keys = askingTheStore(new JpaKeyStore(factory));
            askingTheStore(new JpaKeyStore(another)).once("order", id, TestApplication.REQUEST, stage -> {
                assertThat(ends(() -> once(keys, id))).isEqualTo(Map.of("in flight", ASKERS));
                return TestApplication.RESPONSE;
            });
            assertThat(ends(() -> once(keys, id))).isEqualTo(Map.of("replayed", ASKERS));
        }
    }

    private static String once(IdempotencyKeyService<EntityManager> keys, KeyId id) {
        Execution execution = keys.once("order", id, TestApplication.REQUEST, stage -> TestApplication.RESPONSE);
        return execution.replayed() ? "replayed" : "run";
    }

    /** How many claims ended in each way. */
    private static Map<String, Integer> claims(IdempotencyKeyService<EntityManager> keys, KeyId id) throws Exception {
        return ends(() -> {
            Claim claim = keys.claim(id, TestApplication.REQUEST);
            return claim instanceof Claim.InFlight ? "in flight" : "" + claim;
        });
    }

    private static Map<String, Integer> ends(Supplier<String> asker) throws Exception {
        CountDownLatch start = new CountDownLatch(1);
        List<CompletableFuture<String>> claims = new ArrayList<>();
        for (int i = 0; i < ASKERS; i++) {
            claims.add(TestApplication.elsewhere(() -> {
                TestApplication.await(start);
                try {
                    return asker.get();
                } catch (IdempotencyException.Locked e) {
                    return "in flight";
                } catch (IdempotencyException e) {
                    return e.getClass().getSimpleName();
                }
            }));
        }
        start.countDown();
        Map<String, Integer> found = new TreeMap<>();
        for (CompletableFuture<String> claim : claims) {
            found.merge(claim.get(120, TimeUnit.SECONDS), 1, Integer::sum);
        }
        return found;
    }

    private static StoredKey abandoned() {
        Instant at = Instant.parse("2020-01-01T00:00:00.001Z");
        KeyState locked = new KeyState.Locked(RecoveryPoint.STARTED, at, at.plusSeconds(30));
        return JpaStoreFixture.sample("scope", locked, at);
    }

    /** The holder is the stage's own caller, which waits for the stage. */
    @Test
    void aStagesWaitForARowEndsWithItsLease() throws Exception {
        String url = TestDatabase.POSTGRESQL.create();
        TestDatabase.execute(url, "insert into contract_row values ('row', '0')");
        try (HikariDataSource pool = TestDatabase.pool(url, 4);
                EntityManagerFactory factory = TestDatabase.factory(pool)) {
            IdempotencyKeyService<EntityManager> keys = IdempotencyKeyService.builder(new JpaKeyStore(factory))
                    .replayCacheBytes(0)
                    .lease(Duration.ofSeconds(2))
                    .isolation(Isolation.READ_COMMITTED)
                    .build();
            waitsInVain(url, keys);
        }
    }

    static void waitsInVain(String url, IdempotencyKeyService<EntityManager> keys) throws Exception {
        HeldKey held = keys.lock(keys.create("", "key", TestApplication.REQUEST).id());
        waitsInVain(
                url,
                () -> keys.workStage(held, stage -> {
                    update(stage.transaction());
                    return StageOutcome.respond(TestApplication.RESPONSE);
                }));
        waitsInVain(
                url,
                () -> keys.once("order", KeyId.of("single"), TestApplication.REQUEST, stage -> {
                    update(stage.transaction());
                    return TestApplication.RESPONSE;
                }));
    }

    private static void update(EntityManager transaction) {
        int unused = transaction
                .createNativeQuery("update contract_row set content = 'stage'")
                .executeUpdate();
    }

    private static void waitsInVain(String url, Runnable request) throws Exception {
        try (Connection outer = DriverManager.getConnection(url)) {
            outer.setAutoCommit(false);
            TestDatabase.execute(outer, "update contract_row set content = 'outer'");

            CompletableFuture<String> stage = TestApplication.elsewhere(() -> {
                try {
                    request.run();
                    return "done";
                } catch (IdempotencyException e) {
                    return e.getClass().getSimpleName();
                }
            });

            assertThat(stage.get(30, TimeUnit.SECONDS)).isIn("RetriesExhausted", "StaleKey");
            outer.rollback();
        }
        assertThat(TestApplication.ask(url, "select content from contract_row")).containsExactly("0");
        assertThat(waiting(url)).isZero();
    }

    private static int waiting(String url) throws SQLException {
        return Integer.parseInt(TestApplication.ask(
                        url,
                        "select count(*) from pg_stat_activity where datname = current_database()"
                                + " and wait_event_type = 'Lock'")
                .get(0));
    }
}
