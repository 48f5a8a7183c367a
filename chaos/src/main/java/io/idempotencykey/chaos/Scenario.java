package io.idempotencykey.chaos;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** A server, and what stands between it and the shops. */
enum Scenario {
    POSTGRESQL("PostgreSQL"),
    PGBOUNCER("PostgreSQL behind PgBouncer in transaction mode"),
    SYNCHRONOUS("PostgreSQL with a synchronous standby, which is promoted"),
    ASYNCHRONOUS("PostgreSQL with an asynchronous standby, which is promoted"),
    MARIADB("MariaDB"),
    MYSQL("MySQL"),
    MONGODB("MongoDB, or its stand-in");

    private final String description;

    Scenario(String description) {
        this.description = description;
    }

    String description() {
        return description;
    }

    /** Its name on the command line and in the report. */
    String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    boolean isReplicated() {
        return this == SYNCHRONOUS || this == ASYNCHRONOUS;
    }

    static Optional<Scenario> named(String text) {
        return Arrays.stream(values())
                .filter(scenario -> scenario.text().equals(text))
                .findFirst();
    }
}
