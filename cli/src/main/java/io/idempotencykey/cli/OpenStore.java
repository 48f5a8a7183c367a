package io.idempotencykey.cli;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.KeyStore;
import jakarta.persistence.EntityManagerFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.hibernate.jpa.HibernatePersistenceConfiguration;

/** A store that a URL names. It makes no table, collection or index, and may be in use by others. */
final class OpenStore implements AutoCloseable {
    /** One to read, and one more for what is read meanwhile. */
    private static final int CONNECTIONS = 2;

    private static final long PATIENCE_MILLISECONDS = 10_000;

    static {
        // Hibernate reads this when its first class is loaded; else it prints what it does.
        if (System.getProperty("org.jboss.logging.provider") == null) {
            System.setProperty("org.jboss.logging.provider", "slf4j");
        }
    }

    private final Deque<AutoCloseable> closing = new ArrayDeque<>();
    private final KeyStore<?> keys;

    private OpenStore(String url, String table, String collection) {
        keys = url.startsWith("jdbc:") ? relational(url, table) : mongo(url, collection);
    }

    /**
     * Opens the store.
     *
     * @throws IllegalArgumentException if the URL is none of a store's; the message has no more of it than its scheme
     */
    static OpenStore of(String url, String table, String collection) {
        if (!url.matches("(jdbc:(postgresql|mysql|mariadb|h2):|mongodb(\\+srv)?://).+")) {
            // A URL may hold a password.
            throw new IllegalArgumentException("--url is '" + url.replaceAll("(?<=:).*", "…")
                    + "'; allowed: jdbc:postgresql:…, jdbc:mysql:…, jdbc:mariadb:…, jdbc:h2:… and"
                    + " mongodb://HOST:PORT/DATABASE");
        }
        return new OpenStore(url, table, collection);
    }

    KeyStore<?> keys() {
        return keys;
    }

    private KeyStore<?> relational(String url, String table) {
        HikariConfig pool = new HikariConfig();
        pool.setJdbcUrl(url);
        pool.setMaximumPoolSize(CONNECTIONS);
        pool.setConnectionTimeout(PATIENCE_MILLISECONDS);
        HikariDataSource dataSource = new HikariDataSource(pool);
        closing.push(dataSource);
        try {
            EntityManagerFactory factory = new HibernatePersistenceConfiguration("keys")
                    .property("hibernate.connection.datasource", dataSource)
                    .createEntityManagerFactory();
            closing.push(factory);
            return JpaKeyStore.builder(factory).table(table).build();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private KeyStore<?> mongo(String url, String collection) {
        ConnectionString address = new ConnectionString(url);
        String database = address.getDatabase();
        if (database == null) {
            throw new IllegalArgumentException("--url names no database; allowed: mongodb://HOST:PORT/DATABASE");
        }
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(
                        cluster -> cluster.serverSelectionTimeout(PATIENCE_MILLISECONDS, TimeUnit.MILLISECONDS))
                .applyConnectionString(address)
                .build());
        closing.push(client);
        try {
            MongoKeyStore store = new MongoKeyStore(client, database, collection);
            // MongoDB reads a collection that isn't there as an empty one, as if there were no trouble.
            if (!client.getDatabase(database)
                    .listCollectionNames()
                    .into(new ArrayList<>())
                    .contains(collection)) {
                throw new MissingKeys("the database " + database + " has no collection " + collection);
            }
            return store;
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Where the keys should be, nothing is. */
    static final class MissingKeys extends RuntimeException {
        private static final long serialVersionUID = 1L;

        MissingKeys(String message) {
            super(message);
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
