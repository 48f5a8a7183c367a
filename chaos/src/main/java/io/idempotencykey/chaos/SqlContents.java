package io.idempotencykey.chaos;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** Reads the tables of the keys and of the shop. */
final class SqlContents {
    private SqlContents() {}

    @FunctionalInterface
    private interface Row<T> {
        T read(ResultSet row) throws SQLException;
    }

    /** Reads them; {@code creation} is SQL for a creation as text. */
    static Contents read(Connection connection, String creation) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return new Contents(
                    all(
                            statement,
                            "select key_value, " + creation + ", state, response_status,"
                                    + " response_headers, response_body from idempotency_key",
                            SqlContents::key),
                    all(
                            statement,
                            "select cart, held_by, payment from reservation",
                            row -> new Contents.Reservation(row.getString(1), row.getString(2), row.getString(3))),
                    all(
                            statement,
                            "select id, cart, total, payment from customer_order",
                            row -> new Contents.Order(
                                    row.getString(1), row.getString(2), row.getLong(3), row.getString(4))),
                    all(
                            statement,
                            "select id, content from review",
                            row -> new Contents.Review(row.getString(1), row.getString(2))),
                    List.of());
        }
    }

    private static Contents.Key key(ResultSet row) throws SQLException {
        byte[] body = row.getBytes(6);
        String creation = row.getString(2).replace("-", "");
        return new Contents.Key(
                row.getString(1),
                new UUID(
                                Long.parseUnsignedLong(creation.substring(0, 16), 16),
                                Long.parseUnsignedLong(creation.substring(16), 16))
                        .toString(),
                row.getString(3),
                row.getInt(4),
                Contents.Key.headers(row.getString(5)),
                body == null ? "" : new String(body, StandardCharsets.ISO_8859_1));
    }

    private static <T> List<T> all(Statement statement, String sql, Row<T> row) throws SQLException {
        List<T> all = new ArrayList<>();
        try (ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                all.add(row.read(rows));
            }
        }
        return all;
    }
}
