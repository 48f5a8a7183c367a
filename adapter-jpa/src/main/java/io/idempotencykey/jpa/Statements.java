package io.idempotencykey.jpa;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Statements on a connection, each sent in one round trip with what has to be said before and after it.
 *
 * @param connection the connection
 * @param before one statement with its semicolon, or nothing
 * @param after statements that give no rows, or nothing
 */
record Statements(Connection connection, String before, String after) {
    /** Something that is done with them. */
    @FunctionalInterface
    interface Work<R> {
        R with(Statements statements) throws SQLException;
    }

    Statements(Connection connection) {
        this(connection, "", "");
    }

    PreparedStatement prepare(String sql) throws SQLException {
        return connection.prepareStatement(before + sql + after);
    }

    ResultSet query(PreparedStatement statement) throws SQLException {
        if (before.isEmpty()) {
            return statement.executeQuery();
        }
        statement.execute();
        statement.getMoreResults();
        return statement.getResultSet();
    }

    int update(PreparedStatement statement) throws SQLException {
        if (before.isEmpty()) {
            return statement.executeUpdate();
        }
        statement.execute();
        statement.getMoreResults();
        return statement.getUpdateCount();
    }
}
