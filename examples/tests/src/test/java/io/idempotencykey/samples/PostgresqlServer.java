package io.idempotencykey.samples;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;

/** A real PostgreSQL, once per JVM, with which it ends. */
final class PostgresqlServer {
    private static final AtomicInteger DATABASES = new AtomicInteger();

    private PostgresqlServer() {}

    /** Starts when it is first asked for. */
    private static final class Running {
        static final EmbeddedPostgres SERVER = start();

        private static EmbeddedPostgres start() {
            try {
                return EmbeddedPostgres.builder()
                        .setServerConfig("fsync", "on")
                        .setServerConfig("synchronous_commit", "on")
                        .setServerConfig("full_page_writes", "on")
                        .start();
            } catch (IOException e) {
                throw new IllegalStateException("PostgreSQL doesn't start", e);
            }
        }
    }

    /** Makes an empty database; returns its URL. */
    static String newDatabase() {
        String name = "sample" + DATABASES.incrementAndGet();
        try (Connection connection = DriverManager.getConnection(Running.SERVER.getJdbcUrl("postgres", "postgres"));
                Statement statement = connection.createStatement()) {
            statement.execute("create database " + name);
        } catch (SQLException e) {
            throw new IllegalStateException("no new database", e);
        }
        return "jdbc:postgresql://127.0.0.1:" + Running.SERVER.getPort() + "/" + name;
    }
}
