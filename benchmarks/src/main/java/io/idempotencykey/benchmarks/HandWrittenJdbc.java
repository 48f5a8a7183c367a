package io.idempotencykey.benchmarks;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.UUID;
import javax.sql.DataSource;

/** What hand-written JDBC makes of a key that it has claimed or found, whatever the database. */
abstract class HandWrittenJdbc implements Requests {
    /**
     * A stored key, as far as a retry needs it.
     *
     * @param isDue whether its lease or its time to live is over
     */
    record Found(String fingerprint, String state, boolean isDue, int status, String headers, int body) {
        /** Reads the columns of the row at hand: fingerprint, state, due_at, and the response's three. */
        static Found of(ResultSet result, boolean isDue) throws SQLException {
            String headers = result.getString(5);
            byte[] body = result.getBytes(6);
            return new Found(
                    result.getString(1),
                    result.getString(2),
                    isDue,
                    result.getInt(4),
                    headers == null ? "" : headers,
                    body == null ? 0 : body.length);
        }

        boolean isResponse() {
            return state.equals("finished")
                    && !isDue
                    && status == 201
                    && !headers.isEmpty()
                    && body == Example.BODY.length();
        }
    }

    final DataSource pool;

    HandWrittenJdbc(DataSource pool) {
        this.pool = pool;
    }

    /** Inserts a locked key unless it exists. */
    abstract boolean claim(Connection connection, String key, String fingerprint, UUID revision) throws SQLException;

    /** Reads a key that exists. */
    abstract Found find(Connection connection, String key) throws SQLException;

    /** Claims a new key, and leaves it. */
    void hold(String key) throws SQLException {
        hold(key, UUID.randomUUID());
    }

    /** Claims a new key. */
    void hold(String key, UUID revision) throws SQLException {
        String fingerprint = Example.fingerprint();
        try (Connection connection = pool.getConnection()) {
            if (!claim(connection, key, fingerprint, revision)) {
                throw new IllegalStateException("the key is in another state: " + key);
            }
        }
    }

    @Override
    public void replay(String key) throws SQLException {
        if (!again(key).isResponse()) {
            throw new IllegalStateException("another response: " + key);
        }
    }

    @Override
    public void refused(String key) throws SQLException {
        Found found = again(key);
        if (!found.state.equals("locked") || found.isDue) {
            throw new IllegalStateException("nobody holds the key: " + key);
        }
    }

    /** Claims a key that exists. */
    private Found again(String key) throws SQLException {
        String fingerprint = Example.fingerprint();
        try (Connection connection = pool.getConnection()) {
            Found found = again(connection, key, fingerprint);
            if (!found.fingerprint.equals(fingerprint)) {
                throw new IllegalStateException("another request: " + key);
            }
            return found;
        }
    }

    /** Claims a key that exists, and reads it. */
    Found again(Connection connection, String key, String fingerprint) throws SQLException {
        if (claim(connection, key, fingerprint, UUID.randomUUID())) {
            throw new IllegalStateException("no such key: " + key);
        }
        return find(connection, key);
    }

    @Override
    public void retrieve(String key) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            if (!find(connection, key).isResponse()) {
                throw new IllegalStateException("another response: " + key);
            }
        }
    }
}
