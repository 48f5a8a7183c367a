package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.IdempotencyException;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.OperationRunner;
import io.idempotencykey.service.Reaper;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many keys and many threads: facts, not times. */
@Tag("databases")
@Timeout(value = 5, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PostgresqlScaleTest {
    private static final Request REQUEST = Request.of("POST", "/carts", Map.of("cart", 42));
    private static final RecoveryPoint PAID = RecoveryPoint.named("paid");
    private static final int MOST_ROWS_TOUCHED = 1_000;

    /** Copies of the key named "sample", every hundredth in a scope of its own. */
    private static final String COPY = """
            insert into idempotency_key
            select 'scope-' || lpad((n %% 100)::text, 2, '0'), '%s-' || n, gen_random_uuid(), k.operation,
                k.request_method, k.request_path, k.request_parameters, k.request_complete, k.fingerprint, k.created_at,
                k.updated_at, k.attempts, k.failed_attempts, k.last_error, k.state, k.recovery_point, k.locked_at,
                now() + interval '%s' + n * interval '1 ms', k.finished_at, k.response_status, k.response_headers,
                k.response_body, k.quarantined_at, k.quarantine_reason, gen_random_uuid()
            from idempotency_key k, generate_series(1, %d) n where k.key_value = '%s'""";

    private static Operation<EntityManager> operation(ConcurrentMap<KeyId, AtomicInteger> runs) {
        return Operation.<EntityManager>named("complete-cart")
                .stage(RecoveryPoint.STARTED, stage -> {
                    stage.transaction().persist(new ContractRow(name(stage.key().id()) + "/1", "reserved"));
                    return StageOutcome.advanceTo(PAID);
                })
                .stage(PAID, stage -> {
                    KeyId id = stage.key().id();
                    if (id.value().startsWith("stuck")) {
                        throw new IllegalStateException("stuck");
                    }
                    stage.transaction().persist(new ContractRow(name(id) + "/2", "placed"));
                    runs.computeIfAbsent(id, key -> new AtomicInteger()).incrementAndGet();
                    return StageOutcome.respond(Response.of(201, "text/plain", "done"));
                })
                .build();
    }

    private static String name(KeyId id) {
        return id.scope() + "/" + id.value();
    }

    @Test
    void everyStatementUsesAnIndexAmongAMillionKeys() throws Exception {
        try (World world = new World(2)) {
            world.fill("finished", "1 day", 960_000, "finished");
            world.fill("expired", "-1 day", 20_000, "finished");
            world.fill("held", "1 hour", 5_000, "stuck");
            world.fill("abandoned", "-1 hour", 10_000, "stuck");
            world.fill("aside", "-1 hour", 5_000, "quarantined");
            world.execute("vacuum analyze idempotency_key");
            StoredKey stored =
                    world.store.find(KeyId.of("scope-07", "finished-7")).orElseThrow();
            StoredKey fresh = new StoredKey(stored.key(), new Revision(UUID.randomUUID()));
            Instant now = world.store.time();
            Map<String, Set<RecoveryPoint>> known = Map.of("complete-cart", Set.of(RecoveryPoint.STARTED, PAID));
            KeyTable table = new KeyTable(Database.POSTGRESQL, "idempotency_key");
            Map<String, Statements.Work<?>> statements = new HashMap<>();
            statements.put("find", s -> table.find(s, stored.id()));
            statements.put("insert", s -> table.insert(s, stored));
            statements.put("replace", s -> table.replace(s, stored.revision(), fresh));
            statements.put("advance", s -> table.advance(s, stored.revision(), fresh));
            statements.put("resumable, any", s -> table.findResumable(s, Map.of(), null, now, 100));
            statements.put("resumable, known", s -> table.findResumable(s, known, null, now, 100));
            statements.put("resumable, next", s -> table.findResumable(s, known, "scope-50", now, 100));
            statements.put("quarantined", s -> table.findQuarantined(s, null, 100));
            KeyId after = KeyId.of("scope-50", "aside-50");
            statements.put("quarantined, next", s -> table.findQuarantined(s, after, 100));
            statements.put("reap", s -> table.deleteExpired(s, now, 500));

            for (Map.Entry<String, Statements.Work<?>> statement : statements.entrySet()) {
                String plan = world.plan(statement.getValue());

                assertThat(plan).as(statement.getKey()).doesNotContain("Seq Scan");
                if (!statement.getKey().equals("insert")) {
                    assertThat(plan).as(statement.getKey()).containsPattern("(Index|Tid) (Only )?Scan");
                }
                assertThat(rows(plan))
                        .as("%s:%n%s", statement.getKey(), plan)
                        .allMatch(rows -> rows <= MOST_ROWS_TOUCHED);
            }
        }
    }

    /** How many rows each step of a plan really gave, or read and left out. */
    private static List<Double> rows(String plan) {
        return Pattern.compile("actual rows=([0-9.]+)|Rows Removed by Filter: ([0-9.]+)")
                .matcher(plan)
                .results()
                .map(PostgresqlScaleTest::number)
                .toList();
    }

    private static double number(MatchResult match) {
        return Double.parseDouble(match.group(1) == null ? match.group(2) : match.group(1));
    }

    @Test
    void tenThousandKeysOn64ThreadsMeetNoErrorInEmptyTables() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (World world = new World(64)) {
            OperationRunner<EntityManager> runner = new OperationRunner<>(world.keys);
            Operation<EntityManager> operation = operation(runs);
            AtomicInteger next = new AtomicInteger();

            inThreads(64, thread -> () -> {
                for (int i = next.getAndIncrement(); i < 10_000; i = next.getAndIncrement()) {
                    assertThat(runner.run(operation, KeyId.of("key-" + i), REQUEST)
                                    .replayed())
                            .isFalse();
                }
                return null;
            });

            assertThat(world.count("idempotency_key where state = 'finished' and attempts = 1"))
                    .isEqualTo(10_000);
            assertThat(world.count("contract_row")).isEqualTo(20_000);
        }
    }

    @Test
    void oneKeyOn64ThreadsIsExecutedOnce() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (World world = new World(64)) {
            OperationRunner<EntityManager> runner = new OperationRunner<>(world.keys);
            Operation<EntityManager> operation = operation(runs);
            AtomicInteger executed = new AtomicInteger();

            inThreads(64, thread -> () -> {
                Execution execution = null;
                while (execution == null) {
                    try {
                        execution = runner.run(operation, KeyId.of("key"), REQUEST);
                    } catch (IdempotencyException.Locked e) {
                        Thread.onSpinWait();
                    }
                }
                if (!execution.replayed()) {
                    executed.incrementAndGet();
                }
                return execution.response();
            });

            assertThat(executed).hasValue(1);
            assertThat(world.count("contract_row")).isEqualTo(2);
        }
    }

    @Test
    void eightCompletersFinishEachOfTwoThousandStuckKeysOnce() throws Exception {
        ConcurrentMap<KeyId, AtomicInteger> runs = new ConcurrentHashMap<>();
        try (World world = new World(16)) {
            world.fill("waiting", "-1 hour", 2_000, "stuck");
            AtomicInteger finished = new AtomicInteger();

            inThreads(8, thread -> {
                Completer<EntityManager> completer = Completer.builder(new IdempotencyKeyService<>(world.store))
                        .operation(operation(runs))
                        .abandonedAfter(Duration.ZERO)
                        .build();
                return () -> {
                    while (finished.get() < 2_000) {
                        finished.addAndGet(completer.runOnce());
                    }
                    return null;
                };
            });

            assertThat(finished).hasValue(2_000);
            assertThat(runs).hasSize(2_000);
            assertThat(world.count("idempotency_key where state = 'finished'")).isEqualTo(2_000);
            assertThat(world.count("contract_row where name like '%/2'")).isEqualTo(2_000);
        }
    }

    @Test
    void theReaperRemovesOnlyWhatHasExpiredWhileKeysComeIn() throws Exception {
        try (World world = new World(16)) {
            world.fill("expired", "-1 day", 20_000, "finished");
            world.fill("finished", "1 day", 1_000, "finished");
            world.fill("abandoned", "-1 day", 1_000, "stuck");
            world.fill("aside", "-1 day", 1_000, "quarantined");
            OperationRunner<EntityManager> runner = new OperationRunner<>(world.keys);
            Operation<EntityManager> operation = operation(new ConcurrentHashMap<>());
            AtomicBoolean reaped = new AtomicBoolean();
            AtomicInteger deleted = new AtomicInteger();
            AtomicInteger claimed = new AtomicInteger();

            inThreads(8, thread -> () -> {
                if (thread == 0) {
                    // Small batches, so that claims come in between.
                    deleted.set(new Reaper(world.keys, 100).runOnce());
                    reaped.set(true);
                }
                while (!reaped.get()) {
                    runner.run(operation, KeyId.of("key-" + claimed.incrementAndGet()), REQUEST);
                }
                return null;
            });

            assertThat(deleted).hasValue(20_000);
            assertThat(world.count("idempotency_key where key_value like 'expired-%'"))
                    .isZero();
            for (String kept : List.of("finished", "abandoned", "aside")) {
                assertThat(world.count("idempotency_key where key_value like '" + kept + "-%'"))
                        .as(kept)
                        .isEqualTo(1_000);
            }
            assertThat(claimed).hasPositiveValue();
            assertThat(world.count("idempotency_key where key_value like 'key-%'"))
                    .isEqualTo(claimed.get());
        }
    }

    private static void inThreads(int threads, IntFunction<Callable<?>> work) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                running.add(executor.submit(work.apply(i)));
            }
            for (Future<?> each : running) {
                each.get();
            }
        } finally {
            executor.shutdownNow();
        }
    }

    private static final class World implements AutoCloseable {
        private final HikariDataSource pool;
        private final EntityManagerFactory factory;
        private final JpaKeyStore store;
        private final IdempotencyKeyService<EntityManager> keys;

        World(int connections) {
            pool = TestDatabase.pool(TestDatabase.POSTGRESQL.create(), connections);
            factory = TestDatabase.factory(pool);
            store = new JpaKeyStore(factory);
            keys = new IdempotencyKeyService<>(store);
        }

        /** Makes copies of a key that got into its state by being used; the key itself goes. */
        void fill(String name, String due, int count, String state) throws SQLException {
            OperationRunner<EntityManager> runner = new OperationRunner<>(keys);
            String sample = state + "-sample";
            try {
                runner.run(operation(new ConcurrentHashMap<>()), KeyId.of(sample), REQUEST);
            } catch (IllegalStateException e) {
                assertThat(e).hasMessage("stuck");
            }
            if (state.equals("quarantined")) {
                execute(
                        "update idempotency_key set state = 'quarantined', quarantined_at = now(), quarantine_reason = '-',"
                                + " recovery_point = 'started' where key_value = '" + sample + "'");
            }
            execute(COPY.formatted(name, due, count, sample));
            execute("delete from idempotency_key where key_value = '" + sample + "'");
            execute("delete from contract_row");
        }

        void execute(String sql) throws SQLException {
            try (Connection connection = pool.getConnection();
                    Statement statement = connection.createStatement()) {
                statement.execute(sql);
            }
        }

        long count(String rows) throws SQLException {
            try (Connection connection = pool.getConnection()) {
                return Long.parseLong(ExplainingConnection.text(connection, "select count(*) from " + rows));
            }
        }

        /** The plan that a statement was really run by; what it did is undone. */
        String plan(Statements.Work<?> statement) throws SQLException {
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(false);
                ExplainingConnection explaining = new ExplainingConnection(connection);
                statement.with(new Statements(explaining.connection()));
                connection.rollback();
                connection.setAutoCommit(true);
                return explaining.plan();
            }
        }

        @Override
        public void close() {
            factory.close();
            pool.close();
        }
    }
}
