package io.idempotencykey.checkout.program;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.pool.HikariPool.PoolInitializationException;
import io.idempotencykey.checkout.data.JpaShopData;
import io.idempotencykey.jpa.JpaKeyStore;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceConfiguration;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import javax.sql.DataSource;
import org.h2.jdbcx.JdbcDataSource;

/**
 * The database that {@code --store jpa} keeps keys and orders in: a server's, or one in a file.
 *
 * <p>Connections keep the database's own isolation, such as READ COMMITTED, which suits the statements on keys. A
 * stage's isolation is set with its first statement.
 */
final class Database implements AutoCloseable {
    private static final int SERVING_CONNECTIONS = 20;

    /** Maximum wait for a database that is starting, or that a process which is ending still has open. */
    private static final Duration START_PATIENCE = Duration.ofSeconds(5);

    /** The SQL states for a missing table begin with this in all of the databases. */
    private static final String NO_TABLE = "42";

    static {
        // Hibernate reads this when its first class is loaded, and then logs to where the others do.
        System.setProperty("org.jboss.logging.provider", "slf4j");
    }

    private final Deque<Runnable> closing = new ArrayDeque<>();
    private final DataSource dataSource;

    private Database(String url, int connections) throws IOException {
        HikariDataSource pool = new HikariDataSource();
        dataSource = pool;
        if (url.startsWith("jdbc:h2:file:")) {
            JdbcDataSource file = new JdbcDataSource();
            file.setURL(url);
            // The gate is below the pool, since the pool opens, checks and resets connections at any time.
            pool.setDataSource(new CommitGate().around(file));
        } else {
            pool.setJdbcUrl(url);
        }
        pool.setMaximumPoolSize(connections);
        pool.setInitializationFailTimeout(START_PATIENCE.toMillis());
        closing.push(pool::close);
        try {
            pool.getConnection().close();
        } catch (SQLException | PoolInitializationException e) {
            close();
            throw new IOException(
                    "the database can't be opened: " + rootCause(e).getMessage(), e);
        }
    }

    /** Opens the shop's store, and makes its tables if they aren't there. */
    static Store<EntityManager> open(Options options, Path data) throws IOException {
        Optional<String> url = serverUrl(options);
        FileDatabase file = new FileDatabase(data);
        int connections = options.number("connections", SERVING_CONNECTIONS, 1, 1000);
        Database database = new Database(url.orElse(file.url()), connections);
        try {
            database.createTables();
            if (url.isEmpty()) {
                database.closing.push(file.share());
            }
            return database.store();
        } catch (SQLException | IOException e) {
            database.close();
            throw new IOException("the database can't be used: " + rootCause(e).getMessage(), e);
        }
    }

    private Store<EntityManager> store() throws IOException {
        try {
            EntityManagerFactory factory = factory();
            closing.push(factory::close);
            return new Store<>(new JpaKeyStore(factory), new JpaShopData(factory), this::close);
        } catch (RuntimeException e) {
            close();
            throw new IOException("the database can't be used: " + rootCause(e).getMessage(), e);
        }
    }

    private EntityManagerFactory factory() {
        PersistenceConfiguration configuration = new PersistenceConfiguration("checkout")
                .property("hibernate.connection.datasource", dataSource)
                .property("hibernate.jdbc.batch_size", 50);
        JpaShopData.ENTITIES.forEach(configuration::managedClass);
        return configuration.createEntityManagerFactory();
    }

    private static Optional<String> serverUrl(Options options) {
        Optional<String> url = options.value("url");
        if (url.isPresent() && !url.get().matches("jdbc:(postgresql|mysql|mariadb)://.+")) {
            // The message leaves out the rest, which may hold a password.
            throw new Options.Refused("--url is '" + url.get().replaceAll("(?<=//|\\?).*", "…")
                    + "'; allowed: jdbc:postgresql://…, jdbc:mysql://… or jdbc:mariadb://…");
        }
        return url;
    }

    private void createTables() throws SQLException, IOException {
        try (Connection connection = dataSource.getConnection();
                Statement statement = connection.createStatement()) {
            String file = connection.getMetaData().getDatabaseProductName().toLowerCase(Locale.ROOT) + ".sql";
            String all = script(JpaKeyStore.class, file) + script(JpaShopData.class, file);
            for (int tries = 1; !hasTables(statement); tries++) {
                try {
                    // Each is made if it isn't there: a process that was killed may have made some of them.
                    for (String sql : all.replaceAll("--[^\n]*", "").split(";", -1)) {
                        if (!sql.isBlank()) {
                            statement.execute(sql);
                        }
                    }
                } catch (SQLException e) {
                    // Another process is making the same table, which can happen once for each table.
                    if (tries == 10) {
                        throw e;
                    }
                }
            }
        }
    }

    /** Looks only for the table that is made last. */
    private static boolean hasTables(Statement statement) throws SQLException {
        try {
            return statement.execute("select 1 from review where 1 = 0");
        } catch (SQLException e) {
            if (String.valueOf(e.getSQLState()).startsWith(NO_TABLE)) {
                return false;
            }
            throw e;
        }
    }

    private static String script(Class<?> owner, String file) throws IOException {
        try (InputStream in = Objects.requireNonNull(owner.getResourceAsStream("schema/" + file), file)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static Throwable rootCause(Throwable thrown) {
        Throwable cause = thrown.getCause();
        return cause == null ? thrown : rootCause(cause);
    }

    @Override
    public void close() {
        while (!closing.isEmpty()) {
            closing.pop().run();
        }
    }
}
