package io.idempotencykey.mongo;

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoDatabase;
import com.mongodb.connection.ServerMonitoringMode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * A server for tests: that of {@code MONGODB_URI}, or else one of {@code tools/mongo-server}, which starts when it is
 * first asked for. It ends with this JVM, however that ends, because its standard input is a pipe from here.
 */
final class TestServer implements AutoCloseable {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final Process process;
    private final String url;

    private TestServer(Process process, String url) {
        this.process = process;
        this.url = url;
    }

    /** The URL of the server that all tests of this JVM share. */
    static String url() {
        String given = System.getenv("MONGODB_URI");
        return given == null ? Shared.SERVER.url : given;
    }

    private static final class Shared {
        static final TestServer SERVER = start();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(SERVER::close));
        }
    }

    /** Starts another server. */
    static TestServer start(String... options) {
        List<String> command = new ArrayList<>(List.of(
                Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"),
                Path.of("..", "tools", "mongo-server").toString(),
                "--until-input-ends"));
        command.addAll(List.of(options));
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            BufferedReader output =
                    new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
            String url = output.readLine();
            if (url == null) {
                throw new IllegalStateException("the test server doesn't start; its output above says what to install");
            }
            return new TestServer(process, url);
        } catch (IOException e) {
            throw new IllegalStateException(
                    "there is no Python 3.10 or newer to run the test server: install it, name it in PYTHON, or set"
                            + " MONGODB_URI to a replica set of yours",
                    e);
        }
    }

    String ownUrl() {
        return url;
    }

    @Override
    public void close() {
        process.destroy();
    }

    /** Waits until a closed server's process has ended. */
    void awaitEnd() {
        process.onExit().orTimeout(30, TimeUnit.SECONDS).join();
    }

    /** Removes a test's database. The stand-in's databases go when it ends, which is faster. */
    static void drop(MongoDatabase database) {
        if (System.getenv("MONGODB_URI") != null) {
            database.drop();
        }
    }

    static String newName() {
        return "test" + ProcessHandle.current().pid() + "_" + System.currentTimeMillis() + "_"
                + NUMBER.incrementAndGet();
    }

    static MongoClient client() {
        return client(settings -> {});
    }

    static MongoClient client(Consumer<MongoClientSettings.Builder> settings) {
        return client(url(), settings);
    }

    static MongoClient client(String url, Consumer<MongoClientSettings.Builder> settings) {
        MongoClientSettings.Builder builder =
                MongoClientSettings.builder().applyConnectionString(new ConnectionString(url));
        // After an error that says that the primary is gone, a client that polls asks for the new one at once. One that
        // streams waits up to ten seconds for news, which a fail point doesn't make.
        builder.applyToServerSettings(server -> server.serverMonitoringMode(ServerMonitoringMode.POLL)
                .minHeartbeatFrequency(50, TimeUnit.MILLISECONDS));
        settings.accept(builder);
        return MongoClients.create(builder.build());
    }
}
