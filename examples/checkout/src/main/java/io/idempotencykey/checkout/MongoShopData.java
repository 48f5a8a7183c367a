package io.idempotencykey.checkout;

import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Sorts.ascending;

import com.mongodb.ConnectionString;
import com.mongodb.ErrorCategory;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoException;
import com.mongodb.MongoNamespace;
import com.mongodb.MongoTimeoutException;
import com.mongodb.MongoWriteException;
import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.ReplaceOptions;
import io.idempotencykey.mongo.MongoKeyStore;
import io.idempotencykey.port.StoreFailure;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.bson.Document;
import org.jspecify.annotations.Nullable;

/** The shop's data as documents, written with the stage's own session, in the database of the keys. */
final class MongoShopData implements ShopData<ClientSession> {
    private static final String URLS = "mongodb://HOST:PORT/DATABASE?replicaSet=NAME";
    private static final String KEYS = "idempotency_keys";
    private static final String DEFAULT_DATABASE = "checkout";

    /** How long a server is looked for, unless the URL says it. */
    private static final int PATIENCE_SECONDS = 10;

    private static final int NAMESPACE_EXISTS = 48;

    private final MongoCollection<Document> reservations;
    private final MongoCollection<Document> orders;

    private MongoShopData(MongoDatabase database) {
        // What is read outside a stage is committed for good, whatever the URL asks for.
        MongoDatabase committed =
                database.withReadConcern(ReadConcern.MAJORITY).withReadPreference(ReadPreference.primary());
        reservations = committed.getCollection("reservations");
        orders = committed.getCollection("orders");
    }

    /** Opens the shop's store; its collections and indexes are made if they aren't there. */
    static Store<ClientSession> open(Options options) throws IOException {
        return connect(options, true);
    }

    /** Opens the store that a running shop may have open, without making anything. */
    static Store<ClientSession> join(Options options) throws IOException {
        return connect(options, false);
    }

    private static Store<ClientSession> connect(Options options, boolean make) throws IOException {
        ConnectionString url = url(options);
        String name = Objects.requireNonNullElse(url.getDatabase(), DEFAULT_DATABASE);
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS))
                .applyConnectionString(url)
                .build());
        try {
            MongoKeyStore keys = new MongoKeyStore(client, name, KEYS);
            MongoDatabase database = client.getDatabase(name);
            MongoShopData shop = new MongoShopData(database);
            if (make) {
                keys.createIndexes();
                create(database, shop.reservations);
                create(database, shop.orders);
            } else if (!database.listCollectionNames().into(new ArrayList<>()).contains(KEYS)) {
                throw new IllegalArgumentException(
                        "no shop has served from '" + name + "', since it has no collection " + KEYS);
            }
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
            // Without what follows, and without the driver's reason: either may have a password.
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

    /** Before any transaction writes to it: two transactions that make one collection are in each other's way. */
    private static void create(MongoDatabase database, MongoCollection<Document> collection) {
        try {
            database.createCollection(collection.getNamespace().getCollectionName());
        } catch (MongoCommandException e) {
            if (e.getCode() != NAMESPACE_EXISTS) {
                throw e;
            }
        }
    }

    @Override
    public Optional<Reservation> find(ClientSession transaction, CartId cart) {
        return reservation(reservations.find(transaction, eq(id(cart))).first());
    }

    @Override
    public Optional<Reservation> find(CartId cart) {
        return reservation(reservations.find(eq(id(cart))).first());
    }

    @Override
    public void save(ClientSession transaction, Reservation reservation) {
        Document document = new Document("_id", id(reservation.cart()))
                .append("heldBy", reservation.heldBy())
                .append(
                        "taxLines",
                        reservation.taxLines().stream()
                                .map(line -> new Document("sku", line.sku())
                                        .append("quantity", line.quantity())
                                        .append("net", line.net())
                                        .append("tax", line.tax()))
                                .toList())
                .append("payment", reservation.payment().orElse(null));
        try {
            reservations.replaceOne(transaction, eq(document.get("_id")), document, new ReplaceOptions().upsert(true));
        } catch (MongoWriteException e) {
            if (e.getError().getCategory() == ErrorCategory.DUPLICATE_KEY) {
                // Committed since this transaction began: with the label the stage is run again, and finds it.
                MongoException conflict = new MongoException("another transaction has reserved the cart", e);
                conflict.addLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL);
                throw conflict;
            }
            throw e;
        }
    }

    @Override
    public void release(ClientSession transaction, CartId cart) {
        reservations.deleteOne(transaction, eq(id(cart)));
    }

    @Override
    public void add(ClientSession transaction, Order order) {
        orders.insertOne(
                transaction,
                new Document("id", order.id())
                        .append("shop", order.cart().shop())
                        .append("cart", order.cart().name())
                        .append("email", order.email())
                        .append("total", order.total())
                        .append("payment", order.payment()));
    }

    /** In the order of their ids, which begin with the time. */
    @Override
    public List<Order> orders() {
        return orders.find().sort(ascending("_id")).map(MongoShopData::order).into(new ArrayList<>());
    }

    private static Document id(CartId cart) {
        return new Document("shop", cart.shop()).append("cart", cart.name());
    }

    private static Optional<Reservation> reservation(@Nullable Document document) {
        return Optional.ofNullable(document).map(found -> {
            Document id = found.get("_id", Document.class);
            return new Reservation(
                    new CartId(id.getString("shop"), id.getString("cart")),
                    found.getString("heldBy"),
                    found.getList("taxLines", Document.class).stream()
                            .map(line -> new TaxLine(
                                    line.getString("sku"),
                                    line.getInteger("quantity"),
                                    line.getLong("net"),
                                    line.getLong("tax")))
                            .toList(),
                    Optional.ofNullable(found.getString("payment")));
        });
    }

    private static Order order(Document document) {
        return new Order(
                document.getString("id"),
                new CartId(document.getString("shop"), document.getString("cart")),
                document.getString("email"),
                document.getLong("total"),
                document.getString("payment"));
    }
}
