package com.example.idempotency.jdbc;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** A PostgreSQL that ends with the tests, with the table of keys and one of the application's rows. */
final class TestServer {
    static final DataSource DATA_SOURCE = start();

    private TestServer() {}

    private static DataSource start() {
        try (InputStream schema = JdbcKeyStore.class.getResourceAsStream("schema.sql")) {
            HikariConfig config = new HikariConfig();
            config.setJdbcUrl(EmbeddedPostgres.start().getJdbcUrl("postgres", "postgres"));
            config.addDataSourceProperty("options", "-c lock_timeout=1000");
            config.setMaximumPoolSize(20);
            DataSource dataSource = new HikariDataSource(config);
            execute(dataSource, new String(schema.readAllBytes(), StandardCharsets.UTF_8));
            execute(dataSource, "create table application_row (name varchar(200) primary key, value varchar(200))");
            return dataSource;
        } catch (IOException | SQLException e) {
            throw new IllegalStateException("PostgreSQL doesn't start", e);
        }
    }

    static void execute(String sql) throws SQLException {
        execute(DATA_SOURCE, sql);
    }

    private static void execute(DataSource dataSource, String sql) throws SQLException {
        try (Connection connection = dataSource.getConnection()) {
            execute(connection, sql);
        }
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
