package com.example.idempotency.jdbc;

import io.idempotencykey.port.StoreFailure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** SQL statements with their parameters, each on a connection of its own or within a stage, and what their errors mean. */
final class Statements {
    private final DataSource dataSource;

    Statements(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    /** Takes from a row what is wanted of it. */
    interface Reading<R> {
        R of(ResultSet row) throws SQLException;
    }

    <R> List<R> query(String sql, List<@Nullable Object> parameters, Reading<R> reading) {
        try (Connection connection = open()) {
            return query(connection, sql, parameters, reading);
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    static <R> List<R> query(Connection connection, String sql, List<@Nullable Object> parameters, Reading<R> reading)
            throws SQLException {
        try (PreparedStatement statement = prepared(connection, sql, parameters);
                ResultSet rows = statement.executeQuery()) {
            List<R> found = new ArrayList<>();
            while (rows.next()) {
                found.add(reading.of(rows));
            }
            return found;
        }
    }

    int update(String sql, List<@Nullable Object> parameters) {
        try (Connection connection = open()) {
            return update(connection, sql, parameters);
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    static int update(Connection connection, String sql, List<@Nullable Object> parameters) throws SQLException {
        try (PreparedStatement statement = prepared(connection, sql, parameters)) {
            return statement.executeUpdate();
        }
    }

    private static PreparedStatement prepared(Connection connection, String sql, List<@Nullable Object> parameters)
            throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        for (int i = 0; i < parameters.size(); i++) {
            statement.setObject(i + 1, parameters.get(i));
        }
        return statement;
    }

    static String marks(int count) {
        return String.join(", ", Collections.nCopies(count, "?"));
    }

    @SafeVarargs
    static List<@Nullable Object> joined(List<? extends @Nullable Object>... parts) {
        List<@Nullable Object> all = new ArrayList<>();
        Arrays.stream(parts).forEach(all::addAll);
        return all;
    }

    Connection open() {
        try {
            Connection connection = dataSource.getConnection();
            if (!connection.getAutoCommit()) {
                connection.close();
                throw new StoreFailure(
                        StoreFailure.Kind.REFUSED, "the data source's connection is in a transaction already", null);
            }
            return connection;
        } catch (SQLException e) {
            throw new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "there is no connection", e);
        }
    }

    // What errors mean

    static StoreFailure failure(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        StoreFailure.Kind kind = StoreFailure.Kind.UNKNOWN;
        if (state.equals("55P03")) {
            kind = StoreFailure.Kind.BUSY;
        } else if (isTransient(e)) {
            kind = StoreFailure.Kind.TRANSIENT;
        } else if (!isLost(e) && state.matches("(25|28|3D|42|53).*")) {
            // The server has refused the statement: no such table, no room, read only.
            kind = StoreFailure.Kind.UNAVAILABLE;
        }
        return new StoreFailure(kind, "PostgreSQL says " + state, e);
    }

    /** A serialization failure, a deadlock, a lock that wasn't to be had, or a transaction that is aborted already. */
    static boolean isTransient(SQLException e) {
        return Set.of("40001", "40P01", "55P03", "25P02").contains(String.valueOf(e.getSQLState()));
    }

    /** The connection is lost, or the server ends it: 08…, 57P…, idle for too long, or the driver doesn't say. */
    static boolean isLost(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        return state.startsWith("08") || state.startsWith("57P") || state.equals("25P03") || state.equals("null");
    }
}
