package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.Transaction;
import org.jspecify.annotations.Nullable;

/**
 * Hand-written JDBC on the same table that does the least of what the library's single way does: one transaction, in
 * three round trips.
 *
 * <p>The first begins, sets what the pool doesn't give, locks the key by its digest, and reads it. The second is the
 * work. The third inserts the finished key, which the primary key fences, and commits. A transaction that fails to
 * serialize is run again.
 *
 * <p>It guarantees that of all requests with a key one commits, and stores its answer. Unlike the library, it doesn't
 * look up a commit whose answer was lost, doesn't replace an expired key, and doesn't make sure that the transaction
 * has the settings that it counts on.
 */
final class HandWrittenSingle implements Side {
    private static final String TAKE = "select pg_try_advisory_xact_lock(?); " + HandWritten.FIND;
    private static final String FINISH = """
            insert into idempotency_key (scope, key_value, creation_id, operation, request_method, request_path,
                request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,
                last_error, state, recovery_point, locked_at, due_at, finished_at, response_status, response_headers,
                response_body, quarantined_at, quarantine_reason, revision)
            values (?, ?, ?, ?, ?, ?, cast(? as json), ?, ?, ?, ?, ?, ?, ?, ?, ?, null, ?, ?, ?, cast(? as json), ?,
                null, null, ?);
            commit""";

    private final HikariDataSource pool;
    private final @Nullable EntityManagerFactory factory;
    private final String take;
    private final int settings;

    /**
     * Prepares the requests.
     *
     * @param withEntities whether the application's row is an entity, as on the library's side
     */
    HandWrittenSingle(String url, int connections, Server.Given given, boolean withEntities) {
        this.pool = Server.pool(url, connections, given);
        this.factory = withEntities ? Library.factory(pool) : null;
        List<String> first = new ArrayList<>();
        if (given == Server.Given.NOTHING) {
            first.add("set transaction isolation level serializable");
        }
        if (given != Server.Given.SERIALIZABLE_AND_TIMEOUTS) {
            first.add("set local idle_in_transaction_session_timeout = '30s'");
            first.add("set local lock_timeout = '30s'");
        }
        this.settings = first.size();
        first.add(TAKE);
        this.take = String.join("; ", first);
    }

    @Override
    public void request(String key) throws Exception {
        long digest = digest(key);
        String fingerprint = HandWritten.fingerprint();
        HandWritten.transaction(pool, connection -> {
            take(connection, key, digest);
            if (factory == null) {
                HandWritten.book(connection, key, "placed");
            } else {
                persist(factory, connection, key);
            }
            finish(connection, key, fingerprint);
        });
    }

    private static void persist(EntityManagerFactory factory, Connection connection, String key) {
        try (Session session = factory.unwrap(SessionFactory.class)
                .withOptions()
                .connection(connection)
                .openSession()) {
            Transaction unused = session.beginTransaction();
            session.persist(new Booking(key, "placed"));
            session.flush();
        }
    }

    private void take(Connection connection, String key, long digest) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(take)) {
            statement.setLong(1, digest);
            statement.setString(2, "shop");
            statement.setString(3, key);
            boolean rows = statement.execute();
            for (int i = 0; i < settings; i++) {
                rows = statement.getMoreResults();
            }
            try (ResultSet locked = statement.getResultSet()) {
                if (!rows || !locked.next() || !locked.getBoolean(1)) {
                    throw new IllegalStateException("another request holds the key: " + key);
                }
            }
            rows = statement.getMoreResults();
            try (ResultSet stored = statement.getResultSet()) {
                if (!rows || stored.next()) {
                    throw new IllegalStateException("the key is stored: " + key);
                }
            }
        }
    }

    private static void finish(Connection connection, String key, String fingerprint) throws SQLException {
        OffsetDateTime now = HandWritten.now();
        try (PreparedStatement insert = connection.prepareStatement(FINISH)) {
            insert.setString(1, "shop");
            insert.setString(2, key);
            insert.setObject(3, UUID.randomUUID());
            insert.setString(4, Library.OPERATION);
            insert.setString(5, "POST");
            insert.setString(6, Library.PATH);
            insert.setString(7, HandWritten.PARAMETERS);
            insert.setBoolean(8, true);
            insert.setString(9, fingerprint);
            insert.setObject(10, now);
            insert.setObject(11, now);
            insert.setLong(12, 1);
            insert.setInt(13, 0);
            insert.setString(14, "");
            insert.setString(15, "finished");
            insert.setString(16, "finished");
            insert.setObject(17, now.plusDays(1));
            insert.setObject(18, now);
            insert.setInt(19, 201);
            insert.setString(20, HandWritten.HEADERS);
            insert.setBytes(21, Library.BODY.getBytes(StandardCharsets.UTF_8));
            insert.setObject(22, UUID.randomUUID());
            boolean unused = insert.execute();
        }
    }

    private static long digest(String key) throws NoSuchAlgorithmException {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update("shop\0".getBytes(StandardCharsets.UTF_8));
        return ByteBuffer.wrap(digest.digest(key.getBytes(StandardCharsets.UTF_8)))
                .getLong();
    }

    @Override
    public void close() {
        if (factory != null) {
            factory.close();
        }
        pool.close();
    }
}
