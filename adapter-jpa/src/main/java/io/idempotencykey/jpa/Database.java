package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/** What the supported databases do differently, except for the statements' texts. */
enum Database {
    POSTGRESQL,
    MARIADB,
    H2;

    /** H2's own number; JDBC has none. */
    private static final int H2_SNAPSHOT = 6;

    static Database of(Connection connection) throws SQLException {
        String product = connection.getMetaData().getDatabaseProductName();
        return switch (product.toLowerCase(Locale.ROOT)) {
            case "postgresql" -> POSTGRESQL;
            case "mariadb" -> MARIADB;
            case "h2" -> H2;
            default ->
                throw new IllegalArgumentException(
                        "the database is '" + product + "'; allowed: PostgreSQL, MariaDB, H2");
        };
    }

    Set<Isolation> isolations() {
        return this == MARIADB ? EnumSet.complementOf(EnumSet.of(Isolation.SNAPSHOT)) : EnumSet.allOf(Isolation.class);
    }

    /** JDBC's number of a level. */
    int number(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> Connection.TRANSACTION_READ_COMMITTED;
            case REPEATABLE_READ -> Connection.TRANSACTION_REPEATABLE_READ;
            // PostgreSQL's REPEATABLE READ is a snapshot, in which the first to write a row wins.
            case SNAPSHOT -> this == H2 ? H2_SNAPSHOT : Connection.TRANSACTION_REPEATABLE_READ;
            case SERIALIZABLE -> Connection.TRANSACTION_SERIALIZABLE;
        };
    }

    /** The level's name in {@code SET TRANSACTION}. */
    String name(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> "read committed";
            case REPEATABLE_READ, SNAPSHOT -> "repeatable read";
            case SERIALIZABLE -> "serializable";
        };
    }
}
