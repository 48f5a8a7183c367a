package io.idempotencykey.checkout.data;

import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Sorts.ascending;

import com.mongodb.ErrorCategory;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoException;
import com.mongodb.MongoWriteException;
import com.mongodb.ReadConcern;
import com.mongodb.ReadPreference;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.MongoDatabase;
import com.mongodb.client.model.ReplaceOptions;
import io.idempotencykey.checkout.CartId;
import io.idempotencykey.checkout.Order;
import io.idempotencykey.checkout.Reservation;
import io.idempotencykey.checkout.Review;
import io.idempotencykey.checkout.ShopData;
import io.idempotencykey.checkout.TaxLine;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bson.Document;
import org.jspecify.annotations.Nullable;

/** The shop's data as documents, which are written with the stage's own session to the keys' database. */
public final class MongoShopData implements ShopData<ClientSession> {
    private static final int NAMESPACE_EXISTS = 48;

    private final MongoDatabase database;
    private final MongoCollection<Document> reservations;
    private final MongoCollection<Document> orders;
    private final MongoCollection<Document> reviews;

    public MongoShopData(MongoDatabase database) {
        this.database = database;
        // Reads outside a stage see only what is committed for good, whatever the URL asks for.
        MongoDatabase committed =
                database.withReadConcern(ReadConcern.MAJORITY).withReadPreference(ReadPreference.primary());
        reservations = committed.getCollection("reservations");
        orders = committed.getCollection("orders");
        reviews = committed.getCollection("reviews");
    }

    /** Makes the collections before any transaction does, since two transactions that make one collection collide. */
    public void createCollections() {
        create(reservations);
        create(orders);
        create(reviews);
    }

    private void create(MongoCollection<Document> collection) {
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
                // Another transaction has committed a reservation since this one began. The label makes the library run
                // the stage again, which then finds it.
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

    /** Orders and reviews are sorted by their ids, which begin with the time. */
    @Override
    public List<Order> orders() {
        return orders.find().sort(ascending("_id")).map(MongoShopData::order).into(new ArrayList<>());
    }

    @Override
    public void add(ClientSession transaction, Review review) {
        reviews.insertOne(
                transaction,
                new Document("id", review.id())
                        .append("shop", review.shop())
                        .append("sku", review.sku())
                        .append("stars", review.stars())
                        .append("text", review.text()));
    }

    @Override
    public List<Review> reviews() {
        return reviews.find().sort(ascending("_id")).map(MongoShopData::review).into(new ArrayList<>());
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

    private static Review review(Document document) {
        return new Review(
                document.getString("id"),
                document.getString("shop"),
                document.getString("sku"),
                document.getLong("stars"),
                document.getString("text"));
    }
}
