package io.idempotencykey.jpa;

import static io.idempotencykey.contract.Services.askingTheStore;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Request;
import io.idempotencykey.Response;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import io.idempotencykey.service.StageOutcome;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A database that can be filled with many keys. */
final class ScaleWorld implements AutoCloseable {
    static final Request REQUEST = Request.of("POST", "/carts", Map.of("cart", 42));
    static final RecoveryPoint PAID = RecoveryPoint.named("paid");

    /**
     * Copies of a key, in ten scopes and, for speed, in the order of all indexes. Each is due, or
     * quarantined since, a millisecond after the one before.
     */
    private static final String COPY = """
            insert into idempotency_key
            select concat('scope-', floor(n * 10 / %d)), concat('%s-', lpad(concat('', n), 6, '0')), k.creation_id,
                k.operation, k.request_method, k.request_path, k.request_parameters, k.request_complete, k.fingerprint,
                k.created_at, k.updated_at, k.attempts, k.failed_attempts, k.last_error, k.state, k.recovery_point,
                k.locked_at, %s, k.finished_at, k.response_status, k.response_headers, k.response_body,
                case when k.quarantined_at is not null then %s end, k.quarantine_reason, k.revision
            from idempotency_key k, %s where k.key_value = '%s'""";

    final HikariDataSource pool;
    final JpaKeyStore store;
    final IdempotencyKeyService<EntityManager> keys;
    private final TestDatabase database;
    private final EntityManagerFactory factory;

    ScaleWorld(TestDatabase database, String url, int connections) {
        this.database = database;
        pool = TestDatabase.pool(url, connections);
        factory = TestDatabase.factory(pool);
        store = new JpaKeyStore(factory);
        keys = askingTheStore(store);
    }

    Operation<EntityManager> operation(ConcurrentMap<KeyId, AtomicInteger> runs) {
        return keys.operation("complete-cart")
                .completeAfterFailure()
                .branch(RecoveryPoint.STARTED, stage -> {
                    stage.transaction().persist(new ContractRow(name(stage.key().id()) + "/1", "reserved"));
                    return StageOutcome.advanceTo(PAID);
                })
                .branch(PAID, stage -> {
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

    /** Makes copies of a key that got into its state by being used, and deletes that key. */
    void fill(String name, Duration due, int count, String state) throws SQLException {
        String sample = state + "-sample";
        try {
            keys.run(operation(new ConcurrentHashMap<>()), KeyId.of(sample), REQUEST);
        } catch (IllegalStateException e) {
            assertThat(e).hasMessage("stuck");
        }
        if (state.equals("quarantined")) {
            execute("update idempotency_key set state = 'quarantined', quarantined_at = updated_at,"
                    + " quarantine_reason = '-', recovery_point = 'started' where key_value = '" + sample + "'");
        }
        String instant = instant(due.toMillis());
        String copy = COPY.formatted(count + 1, name, instant, instant, numbers(count), sample);
        execute(
                database == TestDatabase.MYSQL
                        ? copy.replaceFirst("^insert", "insert /*+ SET_VAR(cte_max_recursion_depth = 2000000) */")
                        : copy);
        execute("delete from idempotency_key where key_value = '" + sample + "'");
        execute("delete from contract_row");
    }

    private String instant(long millis) {
        return switch (database) {
            case POSTGRESQL -> "now() + (" + millis + " + n) * interval '1 ms'";
            case MARIADB, MYSQL -> "utc_timestamp(3) + interval (" + millis + " + n) * 1000 microsecond";
            case H2 -> "dateadd(millisecond, " + millis + " + n, current_timestamp)";
        };
    }

    private String numbers(int count) {
        return switch (database) {
            case POSTGRESQL -> "generate_series(1, " + count + ") n";
            case MARIADB -> "(select cast(seq as signed) n from seq_1_to_" + count + ") numbers";
            case MYSQL ->
                "(with recursive upto as (select 1 n union all select n + 1 from upto where n < " + count
                        + ") select n from upto) numbers";
            case H2 -> "(select x n from system_range(1, " + count + ")) numbers";
        };
    }

    void execute(String sql) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            TestDatabase.execute(connection, sql);
        }
    }

    long count(String rows) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return Long.parseLong(ExplainingConnection.text(connection, "select count(*) from " + rows));
        }
    }

    @Override
    public void close() {
        factory.close();
        pool.close();
    }
}
