package io.idempotencykey.jpa;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Statements on a connection, each sent in one round trip with what has to be said before and after it.
 *
 * @param connection the connection
 * @param before what is said before, with its semicolon, or nothing
 * @param after what is said after, which gives no rows, or nothing
 * @param results how many results come before the statement's own: none or one
 */
record Statements(Connection connection, String before, String after, int results) {
    /** Something that is done with them. */
    @FunctionalInterface
    interface Work<R> {
        R with(Statements statements) throws SQLException;
    }

    Statements(Connection connection) {
        this(connection, "", "", 0);
    }

    PreparedStatement prepare(String sql) throws SQLException {
        return connection.prepareStatement(before + sql + after);
    }

    ResultSet query(PreparedStatement statement) throws SQLException {
        if (results == 0) {
            return statement.executeQuery();
        }
        statement.execute();
        statement.getMoreResults();
        return statement.getResultSet();
    }

    int update(PreparedStatement statement) throws SQLException {
        if (results == 0) {
            return statement.executeUpdate();
        }
        statement.execute();
        statement.getMoreResults();
        return statement.getUpdateCount();
    }
}
