package io.idempotencykey.benchmarks;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.Stream;
import javax.sql.DataSource;

/**
 * Hand-written JDBC on the same table of PostgreSQL's: for new keys the limit, in as few round trips as the library. A
 * claim that finds its key reads it by a second statement, in a round trip of its own or in the same one.
 *
 * <p>A claim inserts the key unless it exists, in READ COMMITTED. A stage writes its row, and then in one round trip
 * updates the key if it has the known revision, and commits; no such row is a division by zero, so that nothing is
 * committed. What fails to serialize is run again. What is the same for every key stands in the statements' texts.
 *
 * <p>It leaves the bound on waits for a row to the pool's settings, looks up no lost commit, and doesn't make sure that
 * the transaction has the settings that it counts on; it never takes a key over, and replaces none that has expired.
 */
final class HandWritten extends HandWrittenJdbc {
    private static final String SERIALIZATION_FAILURE = "40001";
    /** The statements that stand alone aren't to run in the pool's SERIALIZABLE; the library's don't, either. */
    private static final String ALONE = "begin isolation level read committed; %s; commit";

    private static final String INSERT = """
            insert into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,
                request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,
                last_error, state, recovery_point, locked_at, due_at, revision)
            values (?, ?, ?, '', 'POST', ?, cast(? as json), true, ?, cast(? as timestamptz), cast(? as timestamptz),
                1, 0, '', 'locked', 'started', cast(? as timestamptz), cast(? as timestamptz), ?)
            on conflict (scope, key_value) do nothing""";
    private static final String INSERT_ALONE = ALONE.formatted(INSERT);
    private static final String FENCED = """
            with fenced as (update idempotency_key set %s where scope = ? and key_value = ? and revision = ?
                returning 1)
            select 1 / count(*) from fenced; commit""";
    private static final String ADVANCE = FENCED.formatted("""
            updated_at = cast(? as timestamptz), state = 'locked', recovery_point = 'paid',
                locked_at = cast(? as timestamptz), due_at = cast(? as timestamptz), revision = ?""");
    private static final String RESPOND = FENCED.formatted("""
            updated_at = cast(? as timestamptz), state = 'finished', recovery_point = 'finished', locked_at = null,
                due_at = cast(? as timestamptz), finished_at = cast(? as timestamptz), response_status = 201,
                response_headers = cast(? as json), response_body = ?, revision = ?""");

    private final BookingRows rows;
    private final HandWrittenSingle single;
    private final boolean findsAlong;
    private final Columns columns;
    private final String find;
    private final String insertAndFind;

    HandWritten(DataSource pool, BookingRows rows) {
        this(pool, rows, false, Columns.NEEDED);
    }

    /**
     * A side on a pool.
     *
     * @param findsAlong whether a claim of a key that exists takes one round trip
     * @param columns what it reads of a stored key
     */
    HandWritten(DataSource pool, BookingRows rows, boolean findsAlong, Columns columns) {
        super(pool);
        this.rows = rows;
        this.findsAlong = findsAlong;
        this.columns = columns;
        this.find = ALONE.formatted(columns.find());
        this.insertAndFind = ALONE.formatted(INSERT + "; " + columns.find());
        this.single = new HandWrittenSingle(pool, rows, true);
    }

    @FunctionalInterface
    interface Work {
        void on(Connection connection) throws SQLException;
    }

    @Override
    public void stages(String key) throws SQLException {
        staged(key, Shape.USUAL);
    }

    void staged(String key, Shape shape) throws SQLException {
        UUID held = UUID.randomUUID();
        hold(key, held);
        for (int stage = 1; stage < shape.stages(); stage++) {
            held = advance(key, stage, held);
        }
        respond(key, shape, held);
    }

    private UUID advance(String key, int stage, UUID held) throws SQLException {
        UUID next = UUID.randomUUID();
        OffsetDateTime now = now();
        String updated = now.toString();
        String due = now.plusSeconds(30).toString();
        transaction(pool, connection -> {
            rows.book(connection, key + "-" + stage, "reserved");
            try (PreparedStatement update = connection.prepareStatement(ADVANCE)) {
                update.setString(1, updated);
                update.setString(2, updated);
                update.setString(3, due);
                update.setObject(4, next);
                fence(update, 5, key, held);
            }
        });
        return next;
    }

    private void respond(String key, Shape shape, UUID held) throws SQLException {
        OffsetDateTime now = now();
        String finished = now.toString();
        String expires = now.plusDays(1).toString();
        transaction(pool, connection -> {
            rows.book(connection, key + "-" + shape.stages(), "placed");
            try (PreparedStatement update = connection.prepareStatement(RESPOND)) {
                update.setString(1, finished);
                update.setString(2, expires);
                update.setString(3, finished);
                update.setString(4, Example.HEADERS_JSON);
                update.setBytes(5, shape.body().getBytes(StandardCharsets.UTF_8));
                update.setObject(6, UUID.randomUUID());
                fence(update, 7, key, held);
            }
        });
    }

    @Override
    public void single(String key) throws SQLException {
        single.request(key);
    }

    @Override
    boolean claim(Connection connection, String key, String fingerprint, UUID revision) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement(INSERT_ALONE)) {
            return isInserted(insert, key, fingerprint, revision);
        }
    }

    private static boolean isInserted(PreparedStatement insert, String key, String fingerprint, UUID revision)
            throws SQLException {
        OffsetDateTime now = now();
        String created = now.toString();
        insert.setString(1, Example.SCOPE);
        insert.setString(2, key);
        insert.setObject(3, UUID.randomUUID());
        insert.setString(4, Example.PATH);
        insert.setString(5, Example.PARAMETERS_JSON);
        insert.setString(6, fingerprint);
        insert.setString(7, created);
        insert.setString(8, created);
        insert.setString(9, created);
        insert.setString(10, now.plusSeconds(30).toString());
        insert.setObject(11, revision);
        // The first result is that of "begin".
        boolean unused = insert.execute();
        unused = insert.getMoreResults();
        return insert.getUpdateCount() == 1;
    }

    @Override
    Found again(Connection connection, String key, String fingerprint) throws SQLException {
        if (!findsAlong) {
            return super.again(connection, key, fingerprint);
        }
        try (PreparedStatement statement = connection.prepareStatement(insertAndFind)) {
            statement.setString(12, Example.SCOPE);
            statement.setString(13, key);
            if (isInserted(statement, key, fingerprint, UUID.randomUUID())) {
                throw new IllegalStateException("no such key: " + key);
            }
            return found(statement, key);
        }
    }

    /** Runs a transaction, and runs it again if it failed to serialize. The work may have committed already. */
    static void transaction(DataSource pool, Work work) throws SQLException {
        while (true) {
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(false);
                try {
                    work.on(connection);
                    connection.commit();
                    return;
                } catch (SQLException | RuntimeException e) {
                    if (!connection.getAutoCommit()) {
                        connection.rollback();
                    }
                    throw e;
                } finally {
                    connection.setAutoCommit(true);
                }
            } catch (SQLException | RuntimeException e) {
                if (!failedToSerialize(e)) {
                    throw e;
                }
            }
        }
    }

    /** Whether a transaction is to be run again, as one of an error's causes says. */
    private static boolean failedToSerialize(Throwable e) {
        return Stream.iterate(e, Objects::nonNull, Throwable::getCause)
                .anyMatch(each -> each instanceof SQLException sql && SERIALIZATION_FAILURE.equals(sql.getSQLState()));
    }

    private static void fence(PreparedStatement update, int index, String key, UUID revision) throws SQLException {
        update.setString(index, Example.SCOPE);
        update.setString(index + 1, key);
        update.setObject(index + 2, revision);
        boolean unused = update.execute();
    }

    @Override
    Found find(Connection connection, String key) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(find)) {
            statement.setString(1, Example.SCOPE);
            statement.setString(2, key);
            boolean unused = statement.execute();
            return found(statement, key);
        }
    }

    /** What stands in the next result. */
    private Found found(PreparedStatement find, String key) throws SQLException {
        boolean unused = find.getMoreResults();
        try (ResultSet result = find.getResultSet()) {
            if (!result.next()) {
                throw new IllegalStateException("no such key: " + key);
            }
            columns.readOthers(result, UUID.class, OffsetDateTime.class);
            return Found.of(result, !result.getObject(3, OffsetDateTime.class).isAfter(now()));
        }
    }

    /** Its text is bound, and cast by the statement: of all ways that costs the driver and the server least. */
    static OffsetDateTime now() {
        return OffsetDateTime.now(ZoneOffset.UTC);
    }
}
