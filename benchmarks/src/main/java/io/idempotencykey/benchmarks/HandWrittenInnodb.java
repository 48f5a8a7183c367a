package io.idempotencykey.benchmarks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.UUID;
import javax.sql.DataSource;

/**
 * Hand-written JDBC on the same table of MySQL's or MariaDB's, by plain prepared statements.
 *
 * <p>A claim inserts the key unless it exists, and reads it by a second statement where it does. A stage writes its row,
 * updates the key if it has the known revision, and commits. A request of one stage inserts its key, writes its row and
 * finishes the key in one transaction, so that a second one waits for the first. What fails to serialize is run again.
 *
 * <p>It leaves the bound on waits for a row to the pool's settings, looks up no lost commit, and doesn't make sure that
 * the transaction is the one that began; it never takes a key over, and replaces none that has expired.
 */
final class HandWrittenInnodb extends HandWrittenJdbc {
    private static final String INSERT = """
            insert ignore into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,
                request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,
                last_error, state, recovery_point, locked_at, due_at, revision)
            values (?, ?, ?, ?, 'POST', ?, ?, true, ?, ?, ?, 1, 0, '', 'locked', 'started', ?, ?, ?)""";
    private static final String ADVANCE = """
            update idempotency_key set updated_at = ?, state = 'locked', recovery_point = 'paid', locked_at = ?,
                due_at = ?, revision = ?
            where scope = ? and key_value = ? and revision = ?""";
    private static final String RESPOND = """
            update idempotency_key set updated_at = ?, state = 'finished', recovery_point = 'finished',
                locked_at = null, due_at = ?, finished_at = ?, response_status = 201, response_headers = ?,
                response_body = ?, revision = ?
            where scope = ? and key_value = ? and revision = ?""";

    private final BookingRows rows;
    private final Columns columns;
    private final String find;

    /**
     * A side on a pool.
     *
     * @param columns what it reads of a stored key
     */
    HandWrittenInnodb(DataSource pool, BookingRows rows, Columns columns) {
        super(pool);
        this.rows = rows;
        this.columns = columns;
        this.find = columns.find();
    }

    @Override
    public void stages(String key) throws SQLException {
        UUID claimed = UUID.randomUUID();
        hold(key, claimed);
        UUID paid = UUID.randomUUID();
        HandWritten.transaction(pool, connection -> {
            rows.book(connection, key + "-1", "reserved");
            LocalDateTime now = now();
            try (PreparedStatement update = connection.prepareStatement(ADVANCE)) {
                update.setObject(1, now);
                update.setObject(2, now);
                update.setObject(3, now.plusSeconds(30));
                update.setBytes(4, bytes(paid));
                fence(update, 5, key, claimed);
            }
        });
        HandWritten.transaction(pool, connection -> {
            rows.book(connection, key + "-2", "placed");
            respond(connection, key, paid);
        });
    }

    @Override
    public void single(String key) throws SQLException {
        UUID taken = UUID.randomUUID();
        String fingerprint = Example.fingerprint();
        HandWritten.transaction(pool, connection -> {
            if (!insert(connection, key, Example.OPERATION, fingerprint, taken)) {
                throw new IllegalStateException("the key is stored: " + key);
            }
            rows.book(connection, key, "placed");
            respond(connection, key, taken);
        });
    }

    @Override
    boolean claim(Connection connection, String key, String fingerprint, UUID revision) throws SQLException {
        return insert(connection, key, "", fingerprint, revision);
    }

    private static boolean insert(
            Connection connection, String key, String operation, String fingerprint, UUID revision)
            throws SQLException {
        LocalDateTime now = now();
        try (PreparedStatement insert = connection.prepareStatement(INSERT)) {
            insert.setString(1, Example.SCOPE);
            insert.setString(2, key);
            insert.setBytes(3, bytes(UUID.randomUUID()));
            insert.setString(4, operation);
            insert.setString(5, Example.PATH);
            insert.setString(6, Example.PARAMETERS_JSON);
            insert.setString(7, fingerprint);
            insert.setObject(8, now);
            insert.setObject(9, now);
            insert.setObject(10, now);
            insert.setObject(11, now.plusSeconds(30));
            insert.setBytes(12, bytes(revision));
            return insert.executeUpdate() == 1;
        }
    }

    private static void respond(Connection connection, String key, UUID held) throws SQLException {
        LocalDateTime now = now();
        try (PreparedStatement update = connection.prepareStatement(RESPOND)) {
            update.setObject(1, now);
            update.setObject(2, now.plusDays(1));
            update.setObject(3, now);
            update.setString(4, Example.HEADERS_JSON);
            update.setBytes(5, Example.BODY.getBytes(StandardCharsets.UTF_8));
            update.setBytes(6, bytes(UUID.randomUUID()));
            fence(update, 7, key, held);
        }
    }

    private static void fence(PreparedStatement update, int index, String key, UUID revision) throws SQLException {
        update.setString(index, Example.SCOPE);
        update.setString(index + 1, key);
        update.setBytes(index + 2, bytes(revision));
        if (update.executeUpdate() != 1) {
            throw new IllegalStateException("the key has another revision: " + key);
        }
    }

    @Override
    Found find(Connection connection, String key) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(find)) {
            statement.setString(1, Example.SCOPE);
            statement.setString(2, key);
            try (ResultSet result = statement.executeQuery()) {
                if (!result.next()) {
                    throw new IllegalStateException("no such key: " + key);
                }
                columns.readOthers(result, byte[].class, LocalDateTime.class);
                return Found.of(
                        result, !result.getObject(3, LocalDateTime.class).isAfter(now()));
            }
        }
    }

    private static byte[] bytes(UUID uuid) {
        return ByteBuffer.allocate(16)
                .putLong(uuid.getMostSignificantBits())
                .putLong(uuid.getLeastSignificantBits())
                .array();
    }

    private static LocalDateTime now() {
        return LocalDateTime.now(ZoneOffset.UTC);
    }
}
