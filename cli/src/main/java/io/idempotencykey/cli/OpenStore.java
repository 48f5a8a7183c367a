package io.idempotencykey.cli;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.pool.HikariPool.PoolInitializationException;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import jakarta.persistence.EntityManagerFactory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.hibernate.jpa.HibernatePersistenceConfiguration;

/** A store that a URL names. It makes no table, collection or index, and may be in use by others. */
final class OpenStore implements AutoCloseable {
    /** One to read, and one more for what is read meanwhile. */
    private static final int CONNECTIONS = 2;

    private static final Duration LONGEST_CONNECT = Duration.ofSeconds(10);

    /** A server that has stopped answering is given up then. */
    private static final Duration LONGEST_ANSWER = Duration.ofMinutes(1);

    private static final String URLS = "allowed: jdbc:postgresql://HOST/DATABASE?user=…&password=…,"
            + " jdbc:mysql:… and jdbc:mariadb:… alike, jdbc:h2:… and"
            + " mongodb://HOST:PORT/DATABASE, with USER:PASSWORD@ before the host, and special characters in a password"
            + " as %XX";

    static {
        // Hibernate reads this when its first class is loaded; else it prints what it does.
        if (System.getProperty("org.jboss.logging.provider") == null) {
            System.setProperty("org.jboss.logging.provider", "slf4j");
        }
    }

    private final Deque<AutoCloseable> closing = new ArrayDeque<>();
    private final KeyStore<?> keys;

    /** The store can't be used, for a reason that has nothing of its URL. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refused(String message) {
            super(message);
        }
    }

    private OpenStore(String url, String table, String collection) {
        try {
            keys = url.startsWith("jdbc:") ? relational(url, table) : mongo(url, collection);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Opens the store.
     *
     * @throws IllegalArgumentException if the URL is none of a store's; the message has no more of it than its scheme
     * @throws Refused if there are no keys there, or none that this version can use
     */
    static OpenStore of(String url, String table, String collection) {
        // Whoever writes user and password before a host gets them back from drivers, as a host that isn't known.
        if (!url.matches("jdbc:(postgresql|mysql|mariadb):(?![^?]*@).+|jdbc:h2:.+|mongodb(\\+srv)?://.+")) {
            throw refused(url);
        }
        return new OpenStore(url, table, collection);
    }

    private static IllegalArgumentException refused(String url) {
        Matcher scheme = Pattern.compile("[a-z0-9+]{1,20}:([a-z0-9]{1,20}:)?").matcher(url);
        return new IllegalArgumentException("--url is '" + (scheme.lookingAt() ? scheme.group() : "") + "…'; " + URLS);
    }

    KeyStore<?> keys() {
        return keys;
    }

    private KeyStore<?> relational(String url, String table) {
        HikariConfig config = new HikariConfig();
        boolean isH2 = url.startsWith("jdbc:h2:");
        // H2 would make a database that isn't there, and refuses a setting that stands there twice.
        config.setJdbcUrl(isH2 ? url.replaceAll("(?i);IFEXISTS=[^;]*", "") + ";IFEXISTS=TRUE" : url);
        config.setMaximumPoolSize(CONNECTIONS);
        config.setConnectionTimeout(LONGEST_CONNECT.toMillis());
        if (!isH2 && !url.contains("socketTimeout")) {
            long unit = url.startsWith("jdbc:postgresql:") ? 1_000 : 1;
            config.addDataSourceProperty("socketTimeout", Long.toString(LONGEST_ANSWER.toMillis() / unit));
        }
        closing.push(pool(config, url));
        EntityManagerFactory factory = new HibernatePersistenceConfiguration("keys")
                .property("hibernate.connection.datasource", closing.peek())
                .createEntityManagerFactory();
        closing.push(factory);
        try {
            return JpaKeyStore.builder(factory).table(table).build();
        } catch (IllegalArgumentException | IllegalStateException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    private static HikariDataSource pool(HikariConfig config, String url) {
        try {
            return new HikariDataSource(config);
        } catch (PoolInitializationException e) {
            throw e;
        } catch (RuntimeException e) {
            // No driver takes it, and the reason has the URL.
            throw refused(url);
        }
    }

    private KeyStore<?> mongo(String url, String collection) {
        ConnectionString address;
        try {
            address = new ConnectionString(url);
        } catch (IllegalArgumentException e) {
            // The driver's reason may have a part of the URL.
            throw refused(url);
        }
        String database = address.getDatabase();
        if (database == null) {
            throw new IllegalArgumentException("--url names no database; allowed: mongodb://HOST:PORT/DATABASE");
        }
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(
                        cluster -> cluster.serverSelectionTimeout(LONGEST_CONNECT.toMillis(), TimeUnit.MILLISECONDS))
                .applyToSocketSettings(socket -> socket.readTimeout(LONGEST_ANSWER.toMillis(), TimeUnit.MILLISECONDS))
                .applyConnectionString(address)
                .build());
        closing.push(client);
        try {
            MongoKeyStore store = new MongoKeyStore(client, database, collection);
            // MongoDB reads a collection that isn't there as an empty one, as if there were no trouble.
            if (!client.getDatabase(database)
                    .listCollectionNames()
                    .authorizedCollections(true)
                    .into(new ArrayList<>())
                    .contains(collection)) {
                throw new Refused("the database " + database + " has no collection " + collection);
            }
            return store;
        } catch (IllegalArgumentException | IllegalStateException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    @Override
    public void close() {
        while (!closing.isEmpty()) {
            try {
                closing.pop().close();
            } catch (Exception e) {
                // The process ends, and with it whatever is left.
                System.getLogger(OpenStore.class.getName()).log(System.Logger.Level.DEBUG, "not closed cleanly", e);
            }
        }
    }
}
