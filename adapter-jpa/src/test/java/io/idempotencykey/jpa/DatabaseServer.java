package io.idempotencykey.jpa;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A server of MySQL or MariaDB for tests, by its URL, which names a user and no database. */
final class DatabaseServer {
    private static final Pattern URL = Pattern.compile("(jdbc:\\w+:)(//[^/?]+)/?(\\?.+)");

    private final String scheme;
    private final String address;
    private final String parameters;
    private final boolean shared;

    private DatabaseServer(String scheme, String address, String parameters, boolean shared) {
        this.scheme = scheme;
        this.address = address;
        this.parameters = parameters;
        this.shared = shared;
    }

    private static DatabaseServer of(String url, boolean shared) {
        Matcher parts = URL.matcher(url);
        if (!parts.matches()) {
            throw new IllegalArgumentException(
                    "not the URL of a server without a database, such as jdbc:mysql://localhost:3306/?user=root: "
                            + url);
        }
        return new DatabaseServer(parts.group(1), parts.group(2), parts.group(3), shared);
    }

    /** A server of somebody's, where tests leave nothing. */
    static DatabaseServer given(String url) {
        return of(url, true);
    }

    /** A server that ends with this JVM, with its data. */
    static DatabaseServer own(String url) {
        return of(url, false);
    }

    /**
     * Starts the server of a script in {@code tools}. It ends with this JVM, however that ends, because its standard
     * input is a pipe from here.
     */
    static DatabaseServer start(String script, String version) {
        try {
            Process process = new ProcessBuilder(
                            Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"),
                            Path.of("..", "tools", script).toString(),
                            version,
                            "--until-input-ends")
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
            String ready = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
                    .readLine();
            if (ready == null) {
                throw new IllegalStateException("tools/" + script + " " + version
                        + " doesn't start; its output above says why, and what may be set instead");
            }
            return own(ready.split(" ", 2)[0]);
        } catch (IOException e) {
            throw new IllegalStateException(
                    "there is no Python 3.10 or newer to run tools/" + script + ": install it, or name it in PYTHON",
                    e);
        }
    }

    /** The same server through another driver. */
    DatabaseServer through(String otherScheme) {
        return new DatabaseServer(otherScheme, address, parameters, shared);
    }

    /** Creates a database; returns its URL. */
    String newDatabase(String name) throws SQLException {
        String own = shared ? name + "_" + ProcessHandle.current().pid() + "_" + System.currentTimeMillis() : name;
        TestDatabase.execute(url(""), "create database " + own + " character set utf8mb4");
        if (shared) {
            Leftovers.DROPS.add(() -> TestDatabase.execute(url(""), "drop database " + own));
        }
        return url(own);
    }

    private String url(String database) {
        return scheme + address + "/" + database + parameters;
    }

    /** What is dropped when this JVM ends. */
    private static final class Leftovers {
        static final ConcurrentLinkedQueue<Drop> DROPS = new ConcurrentLinkedQueue<>();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(Leftovers::drop));
        }

        private static void drop() {
            for (Drop drop : List.copyOf(DROPS)) {
                try {
                    drop.run();
                } catch (SQLException e) {
                    System.err.println("a test's database stays: " + e);
                }
            }
        }
    }

    @FunctionalInterface
    private interface Drop {
        void run() throws SQLException;
    }
}
