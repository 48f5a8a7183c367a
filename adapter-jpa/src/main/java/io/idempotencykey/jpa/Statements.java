package io.idempotencykey.jpa;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Statements on a connection, each sent in one round trip with what has to precede and follow it.
 *
 * @param connection the connection
 * @param before the text that precedes a statement, with its semicolon; may be empty
 * @param after the text that follows a statement and gives no rows; may be empty
 * @param results how many results come before the statement's own: 0 or 1
 */
record Statements(Connection connection, String before, String after, int results) {
    /** Work to do with the statements. */
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
