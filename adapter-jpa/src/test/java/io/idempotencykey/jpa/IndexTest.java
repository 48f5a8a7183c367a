package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.KeyState;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StoredKey;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The plans that the databases really use for the statements among a million keys. */
@Tag("databases")
@Timeout(value = 10, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class IndexTest {
    private static final int MOST_ROWS_TOUCHED = 1_000;
    private static final int UNFINISHED = 15_001;
    private static final int QUARANTINED = 5_000;
    private static final Dialect.Stage STAGE =
            new Dialect.Stage(Isolation.READ_COMMITTED, Duration.ofSeconds(30), true);

    @ParameterizedTest
    @EnumSource
    void everyStatementUsesAnIndexAmongAMillionKeys(TestDatabase database, @TempDir Path directory) throws Exception {
        // In a file, because a million rows take more memory than a test should.
        String url = database == TestDatabase.H2
                ? database.fill("jdbc:h2:file:" + directory.resolve("keys"))
                : database.create();
        try (ScaleWorld world = new ScaleWorld(database, url, 2)) {
            world.fill("finished", Duration.ofDays(1), 960_000, "finished");
            world.fill("expired", Duration.ofDays(-1), 20_000, "finished");
            world.fill("held", Duration.ofHours(1), 5_000, "stuck");
            world.fill("abandoned", Duration.ofHours(-1), 10_000, "stuck");
            world.fill("aside", Duration.ofHours(-1), QUARANTINED, "quarantined");
            world.execute(
                    "update idempotency_key set state = 'locked', locked_at = updated_at where key_value like 'held%'");
            world.execute(
                    switch (database) {
                        case POSTGRESQL -> "vacuum analyze idempotency_key";
                        case MARIADB, MYSQL -> "analyze table idempotency_key";
                        case H2 -> "analyze";
                    });
            StoredKey stored =
                    world.store.find(KeyId.of("scope-0", "finished-000007")).orElseThrow();
            StoredKey fresh = new StoredKey(stored.key(), new Revision(UUID.randomUUID()));
            Instant now = world.store.time();
            Map<String, Set<RecoveryPoint>> known =
                    Map.of("complete-cart", Set.of(RecoveryPoint.STARTED, ScaleWorld.PAID));
            KeyId aside = KeyId.of("scope-5", "aside-002750");
            Instant asideSince = state(world, aside, KeyState.Quarantined.class).since();
            KeyId open = KeyId.of("scope-5", "abandoned-005500");
            Instant openSince = state(world, open, KeyState.Open.class).resumableFrom();
            KeyTable table;
            try (Connection connection = world.pool.getConnection()) {
                table = new KeyTable(Dialect.of(connection), "idempotency_key");
            }
            Map<String, Statements.Work<?>> single = Map.of(
                    "find", s -> table.find(s, stored.id()),
                    "insert", s -> table.insert(s, stored, false),
                    "replace", s -> table.replace(s, stored.revision(), fresh, false),
                    "fence", s -> table.fence(s, STAGE, stored.id(), stored.revision(), fresh.progress(), false),
                    "reap", s -> table.deleteExpired(s, now, 500));
            Map<String, Statements.Work<?>> listing = Map.of(
                    "resumable, any", s -> table.findResumable(s, Map.of(), null, now, 100),
                    "resumable, known", s -> table.findResumable(s, known, null, now, 100),
                    "resumable, next", s -> table.findResumable(s, known, "scope-5", now, 100),
                    "quarantined, of a scope", s -> table.findQuarantined(s, "scope-5", null, now, 100),
                    "quarantined, of a scope, next", s -> table.findQuarantined(s, "scope-5", aside, asideSince, 100));
            Map<String, Statements.Work<?>> paging = Map.of(
                    "unfinished", s -> table.findUnfinished(s, null, null, now, 100),
                    "unfinished, next", s -> table.findUnfinished(s, null, open, openSince, 100),
                    "unfinished, of a scope", s -> table.findUnfinished(s, "scope-5", null, now, 100),
                    "unfinished, of a scope, next", s -> table.findUnfinished(s, "scope-5", open, openSince, 100),
                    "quarantined", s -> table.findQuarantined(s, null, null, now, 100),
                    "quarantined, next", s -> table.findQuarantined(s, null, aside, asideSince, 100));
            Map<String, Statements.Work<?>> counting = Map.of("backlog", s -> table.backlog(s, now));
            Map<String, Statements.Work<?>> sampling = Map.of("by operation", s -> table.countByOperation(s, now, 500));

            // MySQL counts each row of the reaper's once more for each table of its join.
            int few = database == TestDatabase.MYSQL ? 3 * MOST_ROWS_TOUCHED : MOST_ROWS_TOUCHED;
            check(database, world, single, few);
            // H2 reads all that are quarantined.
            int page = database == TestDatabase.H2 ? QUARANTINED + few : few;
            check(database, world, sampling, page);
            check(database, world, paging, page);
            // All that wait, and no finished key.
            check(database, world, counting, 2 * UNFINISHED);
            // Only PostgreSQL's indexes find the first scope, and the quarantined keys of one, without reading all that
            // are unfinished or quarantined; MySQL reads those of the page once more.
            check(
                    database,
                    world,
                    listing,
                    database == TestDatabase.POSTGRESQL ? MOST_ROWS_TOUCHED : UNFINISHED + MOST_ROWS_TOUCHED);
        }
    }

    private static <S extends KeyState> S state(ScaleWorld world, KeyId id, Class<S> state) {
        return state.cast(world.store.find(id).orElseThrow().key().state());
    }

    private static void check(
            TestDatabase database, ScaleWorld world, Map<String, Statements.Work<?>> statements, int mostRows)
            throws SQLException {
        for (Map.Entry<String, Statements.Work<?>> statement : statements.entrySet()) {
            String plan = plan(database, world, statement.getValue());
            assertThat(plan).as(statement.getKey()).doesNotContainPattern(scan(database));
            List<Double> rows = rows(plan);
            assertThat(rows)
                    .as("%s:%n%s", statement.getKey(), plan)
                    .isNotEmpty()
                    .allMatch(each -> each <= mostRows);
        }
    }

    /** How a plan says that it reads the whole table. */
    private static String scan(TestDatabase database) {
        return switch (database) {
            case POSTGRESQL -> "Seq Scan";
            // A subquery's result is read as a whole.
            case MARIADB -> "\"table_name\": \"(?!<(?:derived|union))[^\"]*\",\\s+\"access_type\": \"(ALL|index)\"";
            case MYSQL -> "no plan is read, as the rows are counted";
            // The fence reads the whole of another one, too, which has one row.
            case H2 -> "IDEMPOTENCY_KEY\\.tableScan";
        };
    }

    /**
     * How many rows each step of a plan really returned, or read and left out. MariaDB counts no row that it finds by
     * its key.
     */
    private static List<Double> rows(String plan) {
        return Pattern.compile("(?:actual rows=|Rows Removed by Filter: |\"r_rows\": (?:null)?|scanCount: )([0-9.]*)")
                .matcher(plan)
                .results()
                .map(match -> match.group(1).isEmpty() ? 0 : Double.parseDouble(match.group(1)))
                .toList();
    }

    /** The plan that a statement was really run by. Its changes are rolled back. */
    private static String plan(TestDatabase database, ScaleWorld world, Statements.Work<?> statement)
            throws SQLException {
        try (Connection connection = world.pool.getConnection()) {
            connection.setAutoCommit(false);
            ExplainingConnection explaining = new ExplainingConnection(database, connection);
            switch (database) {
                // The fence releases it first.
                case MYSQL -> TestDatabase.execute(connection, Dialect.SAVEPOINT);
                // The fence looks for the row that these write.
                case H2 -> {
                    for (String sql : Dialect.of(connection).begin(STAGE)) {
                        TestDatabase.execute(connection, sql);
                    }
                }
                case POSTGRESQL, MARIADB -> {}
            }
            statement.with(new Statements(explaining.connection()));
            connection.rollback();
            connection.setAutoCommit(true);
            return explaining.plan();
        }
    }
}
