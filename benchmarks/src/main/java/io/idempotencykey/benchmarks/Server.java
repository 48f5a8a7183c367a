package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.jpa.JpaKeyStore;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/** A PostgreSQL server that belongs to the benchmark; it is as durable as in production, and local. */
final class Server implements AutoCloseable {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final EmbeddedPostgres postgres;
    private final long process;

    private Server(EmbeddedPostgres postgres, long process) {
        this.postgres = postgres;
        this.process = process;
    }

    static Server start() throws IOException {
        Path data = Files.createTempDirectory("benchmark-postgresql");
        EmbeddedPostgres postgres = EmbeddedPostgres.builder()
                .setDataDirectory(data)
                .setServerConfig("fsync", "on")
                .setServerConfig("synchronous_commit", "on")
                .setServerConfig("full_page_writes", "on")
                .setServerConfig("max_connections", "400")
                .setServerConfig("shared_buffers", "1GB")
                // A checkpoint or a cleaning during one side's turn would be counted against that side.
                .setServerConfig("max_wal_size", "8GB")
                .setServerConfig("checkpoint_timeout", "1h")
                .setServerConfig("autovacuum", "off")
                .start();
        return new Server(
                postgres,
                Long.parseLong(
                        Files.readAllLines(data.resolve("postmaster.pid")).get(0)));
    }

    /** Makes a database with the keys' table and the application's, and returns its URL. */
    String database() throws SQLException, IOException {
        String name = "benchmark" + NUMBER.incrementAndGet();
        administer("create database " + name);
        String url = postgres.getJdbcUrl("postgres", name);
        createTables(url, "postgresql.sql");
        return url;
    }

    /** Makes the keys' table by the schema's file, and the application's. */
    static void createTables(String url, String file) throws SQLException, IOException {
        try (InputStream schema = Objects.requireNonNull(JpaKeyStore.class.getResourceAsStream("schema/" + file))) {
            execute(url, new String(schema.readAllBytes(), StandardCharsets.UTF_8));
        }
        execute(url, "create table booking (id varchar(100) primary key, content varchar(200) not null)");
    }

    /** Writes all pages out now, so that no checkpoint has to be soon. */
    void checkpoint() throws SQLException {
        administer("checkpoint");
    }

    /** Removes a database that {@link #database} made. */
    void drop(String url) throws SQLException {
        administer("drop database " + url.replaceAll(".*/|\\?.*", ""));
    }

    private void administer(String sql) throws SQLException {
        execute(postgres.getJdbcUrl("postgres", "postgres"), sql);
    }

    /** The server's time on a processor so far. */
    double nanos() {
        return ProcessTree.nanos(process);
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

    /** A pool that gives all that a stage needs, so that no side has to set it: isolation and time-outs. */
    static HikariDataSource pool(String url, int size) {
        // No longer than the lease, and than a second.
        return pool(url, size, "set idle_in_transaction_session_timeout = '30s'; set lock_timeout = '1s'");
    }

    /** The same for another database, whose time-outs a statement sets. */
    static HikariDataSource pool(String url, int size, String timeouts) {
        HikariDataSource pool = usualPool(url, size);
        pool.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
        pool.setConnectionInitSql(timeouts);
        return pool;
    }

    /** A pool that leaves all settings as the database has them. */
    static HikariDataSource usualPool(String url, int size) {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl(url);
        pool.setMaximumPoolSize(size);
        return pool;
    }

    @Override
    public void close() throws IOException {
        postgres.close();
    }
}
