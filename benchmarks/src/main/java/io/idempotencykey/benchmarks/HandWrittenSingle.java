package io.idempotencykey.benchmarks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.UUID;
import javax.sql.DataSource;

/**
 * Hand-written JDBC on the same table that does the least of what the library's single way does: one transaction, in
 * three round trips, or in two without a lock.
 *
 * <p>The first reads the key in READ COMMITTED, begins, and locks the key by its digest. The second is the work. The
 * third inserts the finished key, which the primary key fences, and commits. A transaction that fails to serialize is
 * run again. Without a lock there is no first round trip. Then a duplicate does the work as well, and waits for the
 * other one at its end; and a retry does it to learn by the insert's failure that the key is there.
 *
 * <p>It guarantees that of all requests with a key one commits, and stores its answer. Unlike the library, it doesn't
 * look up a commit whose answer was lost, doesn't replace an expired key, and doesn't make sure that the transaction
 * has the settings that it counts on.
 */
final class HandWrittenSingle {
    /** In autocommit, so that the driver adds no "begin". */
    private static final String TAKE = "begin isolation level read committed; " + Columns.NEEDED.find()
            + "; commit; begin isolation level serializable; select pg_try_advisory_xact_lock(?)";

    private static final String FINISH = """
            insert into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,
                request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,
                last_error, state, recovery_point, locked_at, due_at, finished_at, response_status, response_headers,
                response_body, quarantined_at, quarantine_reason, revision)
            values (?, ?, ?, ?, 'POST', ?, cast(? as json), true, ?, cast(? as timestamptz), cast(? as timestamptz), 1,
                0, '', 'finished', 'finished', null, cast(? as timestamptz), cast(? as timestamptz), 201,
                cast(? as json), ?, null, null, ?);
            commit""";

    private final DataSource pool;
    private final BookingRows rows;
    private final boolean locks;

    HandWrittenSingle(DataSource pool, BookingRows rows, boolean locks) {
        this.pool = pool;
        this.rows = rows;
        this.locks = locks;
    }

    void request(String key) throws SQLException {
        String fingerprint = Example.fingerprint();
        long lock = locks ? digest(key) : 0;
        HandWritten.transaction(pool, connection -> {
            if (locks) {
                connection.setAutoCommit(true);
                take(connection, key, lock);
                connection.setAutoCommit(false);
            }
            rows.book(connection, key, "placed");
            finish(connection, key, fingerprint);
        });
    }

    private static void take(Connection connection, String key, long lock) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(TAKE)) {
            statement.setString(1, Example.SCOPE);
            statement.setString(2, key);
            statement.setLong(3, lock);
            boolean isRows = statement.execute();
            while (!isRows) {
                isRows = statement.getMoreResults();
            }
            try (ResultSet stored = statement.getResultSet()) {
                if (stored.next()) {
                    throw new IllegalStateException("the key is stored: " + key);
                }
            }
            do {
                isRows = statement.getMoreResults();
            } while (!isRows);
            try (ResultSet locked = statement.getResultSet()) {
                if (!locked.next() || !locked.getBoolean(1)) {
                    throw new IllegalStateException("another request holds the key: " + key);
                }
            }
        }
    }

    private static void finish(Connection connection, String key, String fingerprint) throws SQLException {
        OffsetDateTime now = HandWritten.now();
        String finished = now.toString();
        try (PreparedStatement insert = connection.prepareStatement(FINISH)) {
            insert.setString(1, Example.SCOPE);
            insert.setString(2, key);
            insert.setObject(3, UUID.randomUUID());
            insert.setString(4, Example.OPERATION);
            insert.setString(5, Example.PATH);
            insert.setString(6, Example.PARAMETERS_JSON);
            insert.setString(7, fingerprint);
            insert.setString(8, finished);
            insert.setString(9, finished);
            insert.setString(10, now.plusDays(1).toString());
            insert.setString(11, finished);
            insert.setString(12, Example.HEADERS_JSON);
            insert.setBytes(13, Example.BODY.getBytes(StandardCharsets.UTF_8));
            insert.setObject(14, UUID.randomUUID());
            boolean unused = insert.execute();
        }
    }

    private static long digest(String key) {
        MessageDigest digest = Example.sha256();
        digest.update((Example.SCOPE + "\0").getBytes(StandardCharsets.UTF_8));
        return ByteBuffer.wrap(digest.digest(key.getBytes(StandardCharsets.UTF_8)))
                .getLong();
    }
}
