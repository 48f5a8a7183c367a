package io.idempotencykey.samples;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The server that all tests share: that of {@code MONGODB_URI}, or else one of {@code tools/mongo-server}. It ends with
 * this JVM, however that ends, because its standard input is a pipe from here.
 */
final class MongoServer {
    private static final AtomicInteger DATABASES = new AtomicInteger();

    private MongoServer() {}

    private static final class Shared {
        static final String URL = Objects.requireNonNullElseGet(System.getenv("MONGODB_URI"), Shared::start);

        private static String start() {
            try {
                Process process = new ProcessBuilder(
                                Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"),
                                Path.of("..", "..", "tools", "mongo-server").toString(),
                                "--until-input-ends")
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
                Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
                BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
                return Objects.requireNonNull(output.readLine(), "tools/mongo-server doesn't start");
            } catch (IOException e) {
                throw new IllegalStateException(
                        "there is no Python 3.10 or newer to run tools/mongo-server: install it, name it in PYTHON, or"
                                + " set MONGODB_URI to a replica set of yours",
                        e);
            }
        }
    }

    /** The URL of a database that nobody has used. */
    static String newDatabase() {
        String name = "sample" + ProcessHandle.current().pid() + "_" + System.currentTimeMillis() + "_"
                + DATABASES.incrementAndGet();
        String[] parts = Shared.URL.split("\\?", 2);
        String host = parts[0].replaceFirst("(?<=[^/])/[^/]*$", "");
        return host + "/" + name + (parts.length < 2 ? "" : "?" + parts[1]);
    }
}
