package io.idempotencykey.checkout;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** The program in a process of its own, which ends with the test at the latest. */
final class Program implements AutoCloseable {
    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        // For those whose test was given up.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> RUNNING.forEach(Process::destroyForcibly)));
    }

    private final Process process;
    private final Said output;
    private final Said errors;

    private Program(Process process) {
        this.process = process;
        this.output = new Said(process.getInputStream());
        this.errors = new Said(process.getErrorStream());
        RUNNING.add(process);
    }

    /** Starts the program; its temporary files go to the directory. */
    static Program start(Path directory, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(ClassArchive.java());
        // What a killed program leaves goes with the directory.
        command.addAll(List.of("-Djava.io.tmpdir=" + directory, Main.class.getName()));
        command.addAll(List.of(arguments));
        return new Program(new ProcessBuilder(command).start());
    }

    /** What a program says: all of it is read, and its beginning is kept. */
    private static final class Said {
        private static final int MOST = 1024 * 1024;

        private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
        private final CompletableFuture<String> firstLine = new CompletableFuture<>();
        private final CompletableFuture<String> all = new CompletableFuture<>();

        Said(InputStream in) {
            Thread reader = new Thread(() -> read(in), "what a program says");
            reader.setDaemon(true);
            reader.start();
        }

        private void read(InputStream in) {
            byte[] buffer = new byte[8192];
            try (in) {
                for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    kept.write(buffer, 0, Math.min(n, MOST - kept.size()));
                    int end = firstLine.isDone() ? -1 : text().indexOf('\n');
                    if (end >= 0) {
                        firstLine.complete(text().substring(0, end));
                    }
                }
            } catch (IOException e) {
                // Its end.
            }
            firstLine.complete(text());
            all.complete(text());
        }

        String text() {
            return kept.toString(StandardCharsets.UTF_8);
        }
    }

    /** Waits until the program listens. */
    URI url() {
        String line = Patience.await(output.firstLine);
        assertThat(line).as(errors()).matches("listening on http://127\\.0\\.0\\.1:[0-9]+");
        return URI.create(line.substring("listening on ".length()));
    }

    /** Waits for the end and returns what the program said. */
    String output() throws InterruptedException {
        exitCode();
        return Patience.await(output.all);
    }

    int exitCode() throws InterruptedException {
        assertThat(process.waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
        return process.exitValue();
    }

    /** What the program has said to its standard error, until now or until its end. */
    String errors() {
        return process.isAlive() ? errors.text() : Patience.await(errors.all);
    }

    /** SIGTERM. By the handle: the process itself would no longer tell what the program says. */
    void stop() {
        assertThat(process.toHandle().destroy()).isTrue();
    }

    /** Another signal, by its name. */
    void signal(String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
        assertThat(kill.waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(kill.exitValue()).isZero();
    }

    /** SIGKILL. */
    void kill() {
        boolean unused = process.toHandle().destroyForcibly();
        Process ended = Patience.await(process.onExit());
        assertThat(ended.isAlive()).isFalse();
        RUNNING.remove(process);
    }

    @Override
    public void close() {
        kill();
    }
}
