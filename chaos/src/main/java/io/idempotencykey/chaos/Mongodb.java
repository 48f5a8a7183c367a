package io.idempotencykey.chaos;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoException;
import com.mongodb.ServerAddress;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoDatabase;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.bson.Document;
import org.bson.UuidRepresentation;
import org.bson.types.Binary;
import org.jspecify.annotations.Nullable;

/** The MongoDB that {@code MONGODB_URI} names, or its stand-in, which {@code tools/mongo-server} starts. */
final class Mongodb implements Store {
    private static final String SHOP = "shop";

    private final Processes processes;
    private final Path folder;
    private final Path data;
    private final Optional<String> given = Optional.ofNullable(System.getenv("MONGODB_URI"));
    private final String database = "chaos-" + UUID.randomUUID();
    private int port = Postgresql.freePort();
    private Processes.@Nullable Child server;
    private @Nullable MongoClient client;

    Mongodb(Processes processes, Path folder, Path disk) throws IOException {
        this.processes = processes;
        this.folder = folder;
        this.data = disk.resolve("data");
    }

    /** Why its server can't be killed, nor its disk filled, unless it can. */
    Optional<String> problem() {
        return given.map(url -> "the server is that of MONGODB_URI");
    }

    @Override
    public void start() throws IOException, InterruptedException {
        if (given.isEmpty()) {
            List<String> command = new ArrayList<>(Processes.tool("mongo-server"));
            command.addAll(List.of("--port", "" + port, "--data", data.toString()));
            Processes.Child started = processes.start(folder.resolve("server.log"), command);
            server = started;
            String unused = started.firstLine();
        }
        if (client == null) {
            String url = given.orElse("mongodb://127.0.0.1:" + port + "/?directConnection=true");
            MongoClient made = MongoClients.create(MongoClientSettings.builder()
                    .applyConnectionString(new ConnectionString(url))
                    .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, TimeUnit.SECONDS))
                    .applyToSocketSettings(socket -> socket.readTimeout(10, TimeUnit.SECONDS))
                    .uuidRepresentation(UuidRepresentation.STANDARD)
                    .build());
            client = made;
            if (given.isPresent()) {
                Document hello = made.getDatabase("admin").runCommand(new Document("hello", 1));
                port = new ServerAddress(hello.getString("primary")).getPort();
            }
        }
    }

    private MongoClient client() {
        return Objects.requireNonNull(client);
    }

    private Document admin(Document command) {
        return client().getDatabase("admin").runCommand(command);
    }

    @Override
    public void kill() throws IOException, InterruptedException {
        Objects.requireNonNull(server).kill();
    }

    @Override
    public boolean answers() {
        try {
            client().getDatabase(database).getCollection("alive").insertOne(new Document());
            return true;
        } catch (MongoException e) {
            return false;
        }
    }

    @Override
    public String version() {
        return (given.isPresent() ? "MongoDB " : "the stand-in for MongoDB, ")
                + admin(new Document("buildInfo", 1)).getString("version");
    }

    @Override
    public int port() {
        return port;
    }

    @Override
    public List<String> options(int through, int connections) {
        return List.of(
                "--store",
                "mongo",
                "--url",
                "mongodb://127.0.0.1:" + through + "/" + database + "?directConnection=true&appName=" + SHOP
                        + "&maxPoolSize=" + connections
                        + "&waitQueueTimeoutMS=1000&connectTimeoutMS=2000&socketTimeoutMS=3000"
                        + "&serverSelectionTimeoutMS=2000");
    }

    @Override
    public int endConnections(Random random) {
        // Sessions are what it ends; their transactions end with them.
        Document answer = admin(new Document("killAllSessions", List.of()));
        return answer.get("ok", Number.class).intValue();
    }

    /** Lets every write be refused as by a server that is no primary any more. */
    @Override
    public void setReadOnly(boolean readOnly) {
        Document command = new Document("configureFailPoint", "failCommand");
        if (readOnly) {
            command.append("mode", "alwaysOn")
                    .append(
                            "data",
                            new Document("errorCode", 10107)
                                    .append("appName", SHOP)
                                    .append(
                                            "failCommands",
                                            List.of(
                                                    "insert",
                                                    "update",
                                                    "delete",
                                                    "findAndModify",
                                                    "commitTransaction")));
        } else {
            command.append("mode", "off");
        }
        Document unused = admin(command);
    }

    @Override
    public Contents contents() {
        MongoDatabase shop = client().getDatabase(database);
        return new Contents(
                shop.getCollection("idempotency_keys")
                        .find()
                        .map(key -> {
                            String id = key.getString("_id");
                            @Nullable Document response = key.get("response", Document.class);
                            return new Contents.Key(
                                    id.substring(id.indexOf(' ') + 1),
                                    key.get("creationId", UUID.class).toString(),
                                    key.getString("state"),
                                    response == null ? 0 : response.getInteger("status"),
                                    Contents.Key.headers(response == null ? null : response.getString("headers")),
                                    response == null
                                            ? ""
                                            : new String(
                                                    response.get("body", Binary.class)
                                                            .getData(),
                                                    StandardCharsets.ISO_8859_1));
                        })
                        .into(new ArrayList<>()),
                shop.getCollection("reservations")
                        .find()
                        .map(found -> new Contents.Reservation(
                                found.get("_id", Document.class).getString("cart"),
                                found.getString("heldBy"),
                                found.getString("payment")))
                        .into(new ArrayList<>()),
                shop.getCollection("orders")
                        .find()
                        .map(order -> new Contents.Order(
                                order.getString("id"),
                                order.getString("cart"),
                                order.getLong("total"),
                                order.getString("payment")))
                        .into(new ArrayList<>()),
                shop.getCollection("reviews")
                        .find()
                        .map(review -> new Contents.Review(review.getString("id"), review.getString("text")))
                        .into(new ArrayList<>()),
                List.of());
    }

    @Override
    public void close() {
        try {
            if (client != null) {
                if (given.isPresent()) {
                    client.getDatabase(database).drop();
                }
                client.close();
            }
            if (server != null) {
                server.kill();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
