package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.UUID;

/**
 * Hand-written JDBC on the same tables: the least that an experienced developer would write.
 *
 * <p>One insert claims a key. A stage inserts its row, updates the key if it has the known revision, and commits. A
 * stage that fails to serialize is run again. There are no time-outs, nobody reads the leases that are written, and
 * nothing looks up a commit whose answer was lost.
 */
final class HandWritten implements Side {
    private static final String SERIALIZATION_FAILURE = "40001";
    static final String PARAMETERS = "{\"cart\":42,\"email\":\"a@example.org\",\"express\":true}";
    static final String HEADERS = "{\"content-type\":[\"application/json\"]}";

    private static final String INSERT = """
            insert into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,
                request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,
                last_error, state, recovery_point, locked_at, due_at, revision)
            values (?, ?, ?, ?, ?, ?, cast(? as json), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (scope, key_value) do nothing""";
    private static final String ADVANCE = """
            update idempotency_key set updated_at = ?, state = 'locked', recovery_point = ?, locked_at = ?, due_at = ?,
                revision = ?
            where scope = ? and key_value = ? and revision = ?""";
    private static final String RESPOND = """
            update idempotency_key set updated_at = ?, state = 'finished', recovery_point = 'finished', locked_at = null,
                due_at = ?, finished_at = ?, response_status = ?, response_headers = cast(? as json), response_body = ?,
                revision = ?
            where scope = ? and key_value = ? and revision = ?""";
    static final String FIND = """
            select fingerprint, state, due_at, response_status, response_headers, response_body from idempotency_key
            where scope = ? and key_value = ?""";
    static final String BOOK = "insert into booking (content, id) values (?, ?)";

    private final HikariDataSource pool;
    private final boolean setsIsolation;

    HandWritten(String url, int connections, Server.Given given) {
        this.pool = Server.pool(url, connections, given);
        this.setsIsolation = given == Server.Given.NOTHING;
    }

    @FunctionalInterface
    interface Work {
        void on(Connection connection) throws SQLException;
    }

    @Override
    public void request(String key) throws Exception {
        UUID claimed = UUID.randomUUID();
        UUID paid = UUID.randomUUID();
        if (!claim(key, claimed)) {
            throw new IllegalStateException("the key is in another state: " + key);
        }
        OffsetDateTime now = now();
        stage(connection -> {
            book(connection, key + "-1", "reserved");
            try (PreparedStatement update = connection.prepareStatement(ADVANCE)) {
                update.setObject(1, now);
                update.setString(2, "paid");
                update.setObject(3, now);
                update.setObject(4, now.plusSeconds(30));
                update.setObject(5, paid);
                fence(update, 6, key, claimed);
            }
        });
        OffsetDateTime then = now();
        stage(connection -> {
            book(connection, key + "-2", "placed");
            try (PreparedStatement update = connection.prepareStatement(RESPOND)) {
                update.setObject(1, then);
                update.setObject(2, then.plusDays(1));
                update.setObject(3, then);
                update.setInt(4, 201);
                update.setString(5, HEADERS);
                update.setBytes(6, Library.BODY.getBytes(StandardCharsets.UTF_8));
                update.setObject(7, UUID.randomUUID());
                fence(update, 8, key, paid);
            }
        });
    }

    private boolean claim(String key, UUID revision) throws Exception {
        OffsetDateTime now = now();
        while (true) {
            try (Connection connection = pool.getConnection();
                    PreparedStatement insert = connection.prepareStatement(INSERT)) {
                insert.setString(1, "shop");
                insert.setString(2, key);
                insert.setObject(3, UUID.randomUUID());
                insert.setString(4, "");
                insert.setString(5, "POST");
                insert.setString(6, Library.PATH);
                insert.setString(7, PARAMETERS);
                insert.setBoolean(8, true);
                insert.setString(9, fingerprint());
                insert.setObject(10, now);
                insert.setObject(11, now);
                insert.setLong(12, 1);
                insert.setInt(13, 0);
                insert.setString(14, "");
                insert.setString(15, "locked");
                insert.setString(16, "started");
                insert.setObject(17, now);
                insert.setObject(18, now.plusSeconds(30));
                insert.setObject(19, revision);
                return insert.executeUpdate() == 1;
            } catch (SQLException e) {
                again(e);
            }
        }
    }

    private void stage(Work work) throws SQLException {
        transaction(pool, connection -> {
            if (setsIsolation) {
                try (Statement statement = connection.createStatement()) {
                    statement.execute("set transaction isolation level serializable");
                }
            }
            work.on(connection);
        });
    }

    /** Runs a transaction, and runs it again if it failed to serialize. The work may have committed already. */
    static void transaction(HikariDataSource pool, Work work) throws SQLException {
        while (true) {
            try (Connection connection = pool.getConnection()) {
                connection.setAutoCommit(false);
                try {
                    work.on(connection);
                    connection.commit();
                    return;
                } catch (SQLException e) {
                    connection.rollback();
                    throw e;
                } finally {
                    connection.setAutoCommit(true);
                }
            } catch (SQLException e) {
                again(e);
            }
        }
    }

    private static void again(SQLException e) throws SQLException {
        if (!failedToSerialize(e)) {
            throw e;
        }
    }

    static boolean failedToSerialize(Throwable e) {
        return e instanceof SQLException sql && SERIALIZATION_FAILURE.equals(sql.getSQLState());
    }

    static void book(Connection connection, String id, String content) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement(BOOK)) {
            insert.setString(1, content);
            insert.setString(2, id);
            insert.executeUpdate();
        }
    }

    private static void fence(PreparedStatement update, int index, String key, UUID revision) throws SQLException {
        update.setString(index, "shop");
        update.setString(index + 1, key);
        update.setObject(index + 2, revision);
        if (update.executeUpdate() != 1) {
            throw new SQLException("the key has another revision", "");
        }
    }

    /** Repeats a request, and returns when it has the stored response. */
    void replay(String key) throws Exception {
        if (!claim(key, UUID.randomUUID())) {
            retrieve(key);
        }
    }

    /** Repeats a request whose key is known to exist, by one read, and makes sure that it is the same request. */
    void read(String key) throws Exception {
        if (!retrieve(key).equals(fingerprint())) {
            throw new IllegalStateException("another request: " + key);
        }
    }

    /** Replays a key that is known to exist, so that it need not be claimed first; returns its fingerprint. */
    String retrieve(String key) throws Exception {
        try (Connection connection = pool.getConnection();
                PreparedStatement find = connection.prepareStatement(FIND)) {
            find.setString(1, "shop");
            find.setString(2, key);
            try (ResultSet result = find.executeQuery()) {
                if (!result.next()
                        || !result.getString(2).equals("finished")
                        || result.getObject(3, OffsetDateTime.class).isBefore(now())
                        || result.getInt(4) != 201
                        || result.getString(5).isEmpty()
                        || result.getBytes(6).length != Library.BODY.length()) {
                    throw new IllegalStateException("another response: " + key);
                }
                return result.getString(1);
            }
        }
    }

    static String fingerprint() throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(Library.PATH.getBytes(StandardCharsets.UTF_8));
        return "v1:" + HexFormat.of().formatHex(digest.digest(PARAMETERS.getBytes(StandardCharsets.UTF_8)));
    }

    static OffsetDateTime now() {
        return OffsetDateTime.now(ZoneOffset.UTC);
    }

    @Override
    public void close() {
        pool.close();
    }
}
