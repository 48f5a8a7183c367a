package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.jpa.JpaKeyStore;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/** A PostgreSQL server that belongs to the benchmark; it is as durable as in production, and local. */
final class Server implements AutoCloseable {
    /** Settings of a pool's connections. */
    enum Given {
        SERIALIZABLE,
        SERIALIZABLE_AND_TIMEOUTS,
        NOTHING;

        String shown() {
            return name().toLowerCase(Locale.ROOT).replace('_', ' ');
        }
    }

    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final EmbeddedPostgres postgres;

    private Server(EmbeddedPostgres postgres) {
        this.postgres = postgres;
    }

    static Server start() throws IOException {
        return new Server(EmbeddedPostgres.builder()
                .setServerConfig("fsync", "on")
                .setServerConfig("synchronous_commit", "on")
                .setServerConfig("full_page_writes", "on")
                .setServerConfig("max_connections", "200")
                .setServerConfig("shared_buffers", "1GB")
                // A checkpoint during one side's round would be counted against that side.
                .setServerConfig("max_wal_size", "8GB")
                .setServerConfig("checkpoint_timeout", "1h")
                .start());
    }

    /** Makes a database with the keys' table and the application's, and returns its URL. */
    String database() throws SQLException, IOException {
        String name = "benchmark" + NUMBER.incrementAndGet();
        execute(postgres.getJdbcUrl("postgres", "postgres"), "create database " + name);
        String url = postgres.getJdbcUrl("postgres", name);
        try (InputStream schema =
                Objects.requireNonNull(JpaKeyStore.class.getResourceAsStream("schema/postgresql.sql"))) {
            execute(url, new String(schema.readAllBytes(), StandardCharsets.UTF_8));
        }
        execute(url, "create table booking (id varchar(100) primary key, content varchar(200) not null)");
        return url;
    }

    static void execute(String url, String sql) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static long count(String url, String table) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery("select count(*) from " + table)) {
            result.next();
            return result.getLong(1);
        }
    }

    static HikariDataSource pool(String url, int size, Given given) {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl(url);
        pool.setMaximumPoolSize(size);
        if (given != Given.NOTHING) {
            pool.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
        }
        if (given == Given.SERIALIZABLE_AND_TIMEOUTS) {
            pool.setConnectionInitSql("set idle_in_transaction_session_timeout = '30s'; set lock_timeout = '30s'");
        }
        return pool;
    }

    @Override
    public void close() throws IOException {
        postgres.close();
    }
}
