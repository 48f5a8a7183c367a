package io.idempotencykey.checkout.program;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;

/** A real PostgreSQL, which belongs to the tests' JVM and so outlives every shop that is killed. */
final class PostgresqlServer {
    private static final AtomicInteger DATABASES = new AtomicInteger();
    private static final EmbeddedPostgres SERVER = start();

    private PostgresqlServer() {}

    private static EmbeddedPostgres start() {
        try {
            return EmbeddedPostgres.builder()
                    .setServerConfig("fsync", "on")
                    .setServerConfig("synchronous_commit", "on")
                    .setServerConfig("full_page_writes", "on")
                    .setServerConfig("max_connections", "200")
                    .start();
        } catch (IOException e) {
            throw new IllegalStateException("PostgreSQL doesn't start", e);
        }
    }

    /** Makes an empty database, and returns its URL. */
    static String newDatabase() {
        String name = "shop" + DATABASES.incrementAndGet();
        try (Connection connection = DriverManager.getConnection(SERVER.getJdbcUrl("postgres", "postgres"));
                Statement statement = connection.createStatement()) {
            statement.execute("create database " + name);
        } catch (SQLException e) {
            throw new IllegalStateException("the database can't be made", e);
        }
        return SERVER.getJdbcUrl("postgres", name);
    }
}
