package io.idempotencykey.jpa;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Statements on a connection, each sent in one round trip with what has to precede and follow it.
 *
 * @param connection the connection
 * @param around what precedes and follows each statement
 */
record Statements(Connection connection, Around around) {
    /** Work to do with the statements. */
    @FunctionalInterface
    interface Work<R> {
        R with(Statements statements) throws SQLException;
    }

    /** What precedes and follows statements. */
    static final class Around {
        private static final Around NOTHING = new Around("", "", 0, null);

        private final String before;
        private final String after;
        private final int results;
        private final @Nullable Map<String, String> texts;

        /**
         * Keeps the texts that it makes, so that it is to live as long as they are used.
         *
         * @param before the text that precedes a statement, with its semicolon; may be empty
         * @param after the text that follows a statement and gives no rows; may be empty
         * @param results how many results come before the statement's own
         */
        Around(String before, String after, int results) {
            this(before, after, results, new ConcurrentHashMap<>());
        }

        private Around(String before, String after, int results, @Nullable Map<String, String> texts) {
            this.before = before;
            this.after = after;
            this.results = results;
            this.texts = texts;
        }

        /** Precedes one statement, and keeps no text. */
        static Around once(String before, int results) {
            return new Around(before, "", results, null);
        }

        /** The same text each time if it is kept, and not a copy, so that the driver has its hash already. */
        private String text(String sql) {
            if (this == NOTHING) {
                return sql;
            }
            return texts == null ? joined(sql) : texts.computeIfAbsent(sql, this::joined);
        }

        private String joined(String sql) {
            return before + sql + after;
        }

        /** Whether a commit follows, so that a statement that fails leaves a transaction open. */
        boolean commits() {
            return after.endsWith("commit");
        }
    }

    Statements(Connection connection) {
        this(connection, Around.NOTHING);
    }

    PreparedStatement prepare(String sql) throws SQLException {
        return connection.prepareStatement(around.text(sql));
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
        if (around.results == 0) {
            return statement.executeUpdate();
        }
        return first(statement);
    }

    /** Executes a write that other statements may follow. */
    int first(PreparedStatement statement) throws SQLException {
        execute(statement);
        return statement.getUpdateCount();
    }

    private void execute(PreparedStatement statement) throws SQLException {
        statement.execute();
        for (int result = 0; result < around.results; result++) {
            statement.getMoreResults();
        }
    }
}
