package com.example.idempotency.jdbc;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Keeps keys in PostgreSQL by plain JDBC; a stage writes with the {@link Connection} that it is given.
 *
 * <p>The table is that of {@code schema.sql}. Keys outside a stage are read and written by one statement that commits
 * by itself; a stage has a connection and a transaction of its own.
 */
public final class JdbcKeyStore implements KeyStore<Connection> {
    private static final String FIND = "select * from idempotency_key where scope = ? and value = ?";
    private static final String INSERT = "insert into idempotency_key (scope, value, " + Row.CREATION + ", "
            + Row.PROGRESS + ") values (" + Statements.marks(2 + 8 + 13) + ") on conflict do nothing";
    private static final String HAS_REVISION = " where scope = ? and value = ? and revision = ?";
    private static final String REPLACE = "update idempotency_key set (" + Row.CREATION + ", " + Row.PROGRESS + ") = ("
            + Statements.marks(8 + 13) + ")" + HAS_REVISION;
    private static final String ADVANCE =
            "update idempotency_key set (" + Row.PROGRESS + ") = (" + Statements.marks(13) + ")" + HAS_REVISION;
    private static final String WAITS = "state in ('open', 'locked') and due < ?";
    private static final String EXPIRED = "state in ('failed', 'finished') and due <= ?";

    private final Statements statements;

    /**
     * A store in this data source.
     *
     * @param dataSource its connections commit by themselves and wait at most a second for locks, as with the option
     *     {@code -c lock_timeout=1000} in their URL
     * @throws IllegalArgumentException if they wait longer
     */
    public JdbcKeyStore(DataSource dataSource) {
        this.statements = new Statements(dataSource);
        List<Long> waits = statements.query(
                "select setting::bigint from pg_settings where name = 'lock_timeout'", List.of(), r -> r.getLong(1));
        if (waits.get(0) < 1 || waits.get(0) > 1000) {
            throw new IllegalArgumentException("lock_timeout is " + waits.get(0) + " ms; allowed: 1 to 1000");
        }
    }

    @Override
    public Instant time() {
        return statements
                .query("select clock_timestamp() as now", List.of(), row -> Row.time(row, "now"))
                .get(0);
    }

    @Override
    public Duration timeHolds() {
        return Duration.ofMinutes(1);
    }

    @Override
    public Set<Isolation> isolations() {
        return EnumSet.of(Isolation.READ_COMMITTED, Isolation.REPEATABLE_READ, Isolation.SERIALIZABLE);
    }

    // Keys outside a stage

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return statements.query(FIND, List.of(id.scope(), id.value()), Row::read).stream()
                .findFirst();
    }

    @Override
    public boolean insert(StoredKey key) {
        return statements.update(INSERT, inserted(key)) == 1;
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return statements.update(REPLACE, replaced(expected, next)) == 1;
    }

    private static List<@Nullable Object> inserted(StoredKey key) {
        return Statements.joined(
                List.of(key.id().scope(), key.id().value()),
                Row.creation(key.key().creation()),
                Row.progress(key.progress()));
    }

    private static List<@Nullable Object> replaced(Revision expected, StoredKey next) {
        return Statements.joined(
                Row.creation(next.key().creation()), Row.progress(next.progress()), revision(next.id(), expected));
    }

    private static List<Object> revision(KeyId id, Revision expected) {
        return List.of(id.scope(), id.value(), expected.value());
    }

    // Stages

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<Connection, StoredProgress> work) {
        return StageTransaction.run(statements, isolation, lease, connection -> {
            StoredProgress next = StageTransaction.work(connection, work);
            return Statements.update(
                            connection,
                            ADVANCE,
                            Statements.joined(Row.progress(next), revision(held.id(), held.revision())))
                    == 1;
        });
    }

    /** Takes the key by an advisory lock, which PostgreSQL gives back when the transaction ends. */
    @Override
    public StageCommit commitSingle(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<Connection> stage) {
        return StageTransaction.run(statements, isolation, lease, connection -> {
            // Read before the key is taken, so that many replays at once don't hold each other off.
            Optional<StoredKey> stored =
                    Statements.query(
                                    connection,
                                    FIND,
                                    List.of(taken.id().scope(), taken.id().value()),
                                    Row::read)
                            .stream()
                            .findFirst();
            if (stored.isPresent() && !stage.replaces(stored.get())) {
                return false;
            }
            if (!take(connection, taken.id())) {
                throw new StageTransaction.Held();
            }
            StoredKey next = taken.with(StageTransaction.work(connection, stage::work));
            return stored.isEmpty()
                    ? Statements.update(connection, INSERT, inserted(next)) == 1
                    : Statements.update(
                                    connection, REPLACE, replaced(stored.get().revision(), next))
                            == 1;
        });
    }

    /** Neither a scope nor a value has a line's end, so no two keys are written alike. */
    private static boolean take(Connection connection, KeyId id) throws SQLException {
        return Statements.query(
                        connection,
                        "select pg_try_advisory_xact_lock(hashtextextended(?, 0))",
                        List.of(id.scope() + "\n" + id.value()),
                        row -> row.getBoolean(1))
                .get(0);
    }

    // Listed, counted and deleted

    /** A scope of which a whole page can't be read is left out, so that it doesn't hold up the next. */
    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        List<@Nullable Object> asked = new ArrayList<>();
        String points = operations.isEmpty() ? "" : points(operations, asked);
        // Nothing comes before the empty scope, so it can't be asked for by what it comes after.
        String waiting = "from idempotency_key where (scope > ? or ?) and " + WAITS + points;
        String sql = "select * " + waiting + " and scope = (select min(scope) " + waiting + ") order by due limit ?";
        String after = afterScope;
        while (true) {
            List<Object> from = List.of(after == null ? "" : after, after == null, Row.time(before));
            List<Listed> page = listed(sql, Statements.joined(from, asked, from, asked, List.of(limit)));
            List<StoredKey> readable = readable(page);
            if (!readable.isEmpty() || page.isEmpty()) {
                return readable;
            }
            after = page.get(0).scope;
        }
    }

    private static String points(Map<String, Set<RecoveryPoint>> operations, List<@Nullable Object> asked) {
        return operations.entrySet().stream()
                .flatMap(each -> each.getValue().stream().map(point -> {
                    asked.add(each.getKey());
                    asked.add(point.name());
                    return "(?, ?)";
                }))
                .collect(Collectors.joining(", ", " and (operation, recovery_point) in (", ")"));
    }

    @Override
    public List<StoredKey> findUnfinished(
            @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest("state in ('open', 'locked')", "due", scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(
            @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return oldest("state = 'quarantined'", "since", scope, after, since, limit);
    }

    private List<StoredKey> oldest(
            String states, String instant, @Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        String order = instant + ", scope, value";
        List<Object> from = new ArrayList<>();
        String sql = "select * from idempotency_key where " + states;
        if (scope != null) {
            sql += " and scope = ?";
            from.add(scope);
        }
        if (after != null) {
            sql += " and (" + order + ") > (?, ?, ?)";
            from.addAll(List.of(Row.time(since), after.scope(), after.value()));
        }
        for (int most = limit; ; most *= 2) {
            List<Listed> page = listed(sql + " order by " + order + " limit ?", Statements.joined(from, List.of(most)));
            List<StoredKey> readable = readable(page);
            // A page of which nothing can be read is asked for again with more rows.
            if (!readable.isEmpty() || page.size() < most) {
                return readable.subList(0, Math.min(limit, readable.size()));
            }
        }
    }

    /** A row's identity, and its key unless that can't be read. */
    private record Listed(String scope, String value, Optional<StoredKey> key) {}

    private List<Listed> listed(String sql, List<@Nullable Object> parameters) {
        return statements.query(sql, parameters, row -> {
            Optional<StoredKey> key;
            try {
                key = Optional.of(Row.read(row));
            } catch (StoreFailure unreadable) {
                key = Optional.empty();
            }
            return new Listed(row.getString("scope"), row.getString("value"), key);
        });
    }

    private static List<StoredKey> readable(List<Listed> page) {
        return page.stream().flatMap(row -> row.key.stream()).toList();
    }

    @Override
    public Backlog backlog(Instant before) {
        return statements
                .query(
                        "select count(*) as waiting, min(due) as since, (select count(*) from idempotency_key"
                                + " where state = 'quarantined') as aside from idempotency_key where " + WAITS,
                        List.of(Row.time(before)),
                        row -> new Backlog(
                                before,
                                row.getLong("waiting"),
                                time(row, "since"),
                                row.getLong("aside")))
                .get(0);
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        return statements.query(
                "select operation, count(due) as waiting, min(due) as due, count(since) as aside, min(since) as since"
                        + " from ((select operation, due, null::timestamptz as since from idempotency_key where "
                        + WAITS
                        + " order by due limit ?) union all (select operation, null, since from idempotency_key"
                        + " where state = 'quarantined' order by since limit ?)) counted group by operation",
                List.of(Row.time(before), most, most),
                row -> new Backlog.OfOperation(
                        row.getString("operation"),
                        row.getLong("waiting"),
                        time(row, "due"),
                        row.getLong("aside"),
                        time(row, "since")));
    }

    private static Optional<Instant> time(ResultSet row, String column) throws SQLException {
        return row.getObject(column) == null ? Optional.empty() : Optional.of(Row.time(row, column));
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return statements.update(
                "delete from idempotency_key where (scope, value) in (select scope, value from idempotency_key where "
                        + EXPIRED + " order by due limit ? for update skip locked)",
                List.of(Row.time(at), limit));
    }
}
