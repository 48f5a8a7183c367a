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
 * @param results how many results come before the statement's own
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
        // The same text each time, and not a copy, so that the driver has its hash already.
        String sent = before.isEmpty() && after.isEmpty() ? sql : before + sql + after;
        return connection.prepareStatement(sent);
    }

    ResultSet query(PreparedStatement statement) throws SQLException {
        execute(statement);
        ResultSet result = statement.getResultSet();
        if (result == null) {
            throw new SQLException("the statement gave no rows");
        }
        return result;
    }

    int update(PreparedStatement statement) throws SQLException {
        if (results == 0) {
            return statement.executeUpdate();
        }
        execute(statement);
        return statement.getUpdateCount();
    }

    private void execute(PreparedStatement statement) throws SQLException {
        statement.execute();
        for (int result = 0; result < results; result++) {
            statement.getMoreResults();
        }
    }
}
