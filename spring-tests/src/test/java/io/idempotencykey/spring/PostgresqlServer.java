package io.idempotencykey.spring;

import io.idempotencykey.jpa.JpaKeyStore;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/** A real PostgreSQL, once per JVM, with which it ends. */
public final class PostgresqlServer {
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
                        .setServerConfig("max_connections", "200")
                        .start();
            } catch (IOException e) {
                throw new IllegalStateException("PostgreSQL doesn't start", e);
            }
        }
    }

    /** Makes a database with the keys' table and what the scripts make; returns its URL, which names the user, too. */
    public static String newDatabase(String... scripts) {
        String name = "test" + DATABASES.incrementAndGet();
        execute(Running.SERVER.getJdbcUrl("postgres", "postgres"), "create database " + name);
        String url = Running.SERVER.getJdbcUrl("postgres", name);
        execute(url, schema("postgresql.sql"));
        execute(url, scripts);
        return url;
    }

    /** The keys' table, as an adapter's file makes it. */
    public static String schema(String file) {
        try (InputStream sql = Objects.requireNonNull(JpaKeyStore.class.getResourceAsStream("schema/" + file))) {
            return new String(sql.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Runs scripts of several statements each. */
    public static void execute(String url, String... scripts) {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            for (String script : scripts) {
                for (String sql : script.replaceAll("(?m)--.*$", "").split(";", -1)) {
                    if (!sql.isBlank()) {
                        statement.execute(sql);
                    }
                }
            }
        } catch (SQLException e) {
            throw new IllegalStateException("a script fails", e);
        }
    }
}
