package io.idempotencykey.checkout.program;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoException;
import com.mongodb.MongoNamespace;
import com.mongodb.MongoTimeoutException;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import io.idempotencykey.checkout.data.MongoShopData;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.StoreFailure;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** Connects to the MongoDB that {@code --store mongo} keeps keys and orders in. */
final class MongoStore {
    private static final String URLS = "mongodb://HOST:PORT/DATABASE?replicaSet=NAME";
    private static final String KEYS = "idempotency_keys";
    private static final String DEFAULT_DATABASE = "checkout";

    /** Maximum wait for a server, unless the URL sets another one. */
    private static final int PATIENCE_SECONDS = 10;

    private MongoStore() {}

    /** Opens the shop's store, and makes its collections and indexes if they aren't there. */
    static Store<ClientSession> open(Options options) throws IOException {
        ConnectionString url = url(options);
        String name = Objects.requireNonNullElse(url.getDatabase(), DEFAULT_DATABASE);
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .applyConnectionString(url)
                .build());
        try {
            MongoKeyStore keys = new MongoKeyStore(client, name, KEYS);
            MongoShopData shop = new MongoShopData(client.getDatabase(name));
            keys.createIndexes();
            shop.createCollections();
            return new Store<>(keys, shop, client::close);
        } catch (StoreFailure | MongoException | IllegalArgumentException e) {
            client.close();
            throw new IOException("the database can't be used: " + reason(e, url), e);
        }
    }

    private static ConnectionString url(Options options) {
        String text = options.value("url")
                .orElseThrow(() -> new Options.Refused("--store mongo needs --url; allowed: " + URLS
                        + ". tools/mongo-server starts a server for trying it out, and prints its URL"));
        try {
            ConnectionString url = new ConnectionString(text);
            MongoNamespace.checkDatabaseNameValidity(Objects.requireNonNullElse(url.getDatabase(), DEFAULT_DATABASE));
            return url;
        } catch (IllegalArgumentException e) {
            // The message leaves out the rest and the driver's reason, since either may hold a password.
            throw new Options.Refused(
                    "--url is '" + text.replaceAll("(?<=//|\\?).*", "…") + "'; allowed with --store mongo: " + URLS);
        }
    }

    private static String reason(RuntimeException thrown, ConnectionString url) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof MongoTimeoutException) {
                return "no MongoDB server, or no replica set of that name, answers at "
                        + String.join(",", url.getHosts());
            }
            if (cause instanceof MongoException) {
                return String.valueOf(cause.getMessage());
            }
        }
        return String.valueOf(thrown.getMessage());
    }
}
