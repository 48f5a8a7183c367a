package io.idempotencykey.samples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** An application from its jar, as a process on a free port of the loopback interface, with a client. */
final class Sample implements AutoCloseable {
    private static final Pattern LISTENS =
            Pattern.compile("(?:Tomcat started on port |Listening on: http://127\\.0\\.0\\.1:)(\\d+)");
    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        // A test that is given up may leave its samples running.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> RUNNING.forEach(Process::destroyForcibly)));
    }

    private final Process process;
    private final CompletableFuture<Integer> port = new CompletableFuture<>();

    private Sample(Process process) {
        this.process = process;
        RUNNING.add(process);
        Thread reader = new Thread(this::read, "what a sample says");
        reader.setDaemon(true);
        reader.start();
    }

    /**
     * Starts a sample, and waits until it takes requests.
     *
     * @param name its folder, such as {@code orders-jpa/after}
     * @param temporary where its temporary files go
     * @param properties what differs here from the sample's own properties
     */
    static Sample start(String name, Path temporary, String... properties) {
        try {
            Sample sample = new Sample(new ProcessBuilder(command(name, temporary, 0, properties))
                    .redirectErrorStream(true)
                    .start());
            try {
                assertThat(sample.port()).isPositive();
                return sample;
            } catch (Throwable e) {
                sample.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What starts a sample on a port. */
    static List<String> command(String name, Path temporary, int port, String... properties) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "-Djava.io.tmpdir=" + temporary));
        Path target = Path.of("..", name, "target");
        if (name.endsWith("quarkus")) {
            command.addAll(List.of("-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=" + port));
            Stream.of(properties).map(property -> "-D" + property).forEach(command::add);
            command.addAll(List.of(
                    "-jar", target.resolve("quarkus-app/quarkus-run.jar").toString()));
        } else {
            String jar = name.replace('/', '-') + "-0.1.0-SNAPSHOT.jar";
            command.addAll(List.of("-jar", target.resolve(jar).toString()));
            command.addAll(List.of("--server.address=127.0.0.1", "--server.port=" + port));
            Stream.of(properties).map(property -> "--" + property).forEach(command::add);
        }
        return command;
    }

    /** The property that gives a sample a relational database. */
    static String database(String name, String url) {
        return (name.endsWith("quarkus") ? "quarkus.datasource.jdbc.url=" : "spring.datasource.url=") + url;
    }

    /** Reads all that the sample says, and keeps it until it listens. */
    private void read() {
        StringBuilder said = new StringBuilder();
        try (BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                Matcher listens = LISTENS.matcher(line);
                if (listens.find()) {
                    port.complete(Integer.valueOf(listens.group(1)));
                }
                if (!port.isDone()) {
                    said.append(line).append('\n');
                }
            }
        } catch (IOException e) {
            said.append(e);
        }
        port.completeExceptionally(new AssertionError("the sample has ended:\n" + said));
    }

    private int port() {
        try {
            return port.get(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError("the sample doesn't start", e.getCause());
        } catch (TimeoutException e) {
            throw new AssertionError("the sample doesn't listen", e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends JSON; the headers are names and values. */
    HttpResponse<String> post(String path, String json, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri(path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json));
        return send(headers.length == 0 ? request : request.headers(headers));
    }

    /** How many elements of the list at the path have a member with a text. */
    int count(String path, String member, String text) {
        HttpResponse<String> list = send(HttpRequest.newBuilder(uri(path)));
        assertThat(list.statusCode()).isEqualTo(200);
        String wanted = "\"" + member + "\":\"" + text + "\"";
        return Math.toIntExact(Pattern.compile(Pattern.quote(wanted))
                .matcher(list.body())
                .results()
                .count());
    }

    private URI uri(String path) {
        return URI.create("http://127.0.0.1:" + port() + path);
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return HTTP.send(request.timeout(Patience.LONGEST).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends SIGKILL, and waits for the end. */
    void kill() {
        try {
            assertThat(process.destroyForcibly().waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS))
                    .isTrue();
            RUNNING.remove(process);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        kill();
    }
}
