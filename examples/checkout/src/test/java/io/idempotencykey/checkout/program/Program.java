package io.idempotencykey.checkout.program;

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

/** The program as a process, which ends with the test at the latest. */
final class Program implements AutoCloseable {
    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        // A test that is given up may leave its programs running.
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
        // The files that a killed program leaves are removed along with the test's directory.
        command.addAll(List.of("-Djava.io.tmpdir=" + directory, Main.class.getName()));
        command.addAll(List.of(arguments));
        return new Program(new ProcessBuilder(command).start());
    }

    /** A program's output. All of it is read, and its beginning is kept. */
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
                // The program has ended.
            }
            firstLine.complete(text());
            all.complete(text());
        }

        String text() {
            return kept.toString(StandardCharsets.UTF_8);
        }
    }

    /** Waits until the program listens, and returns where. */
    URI url() {
        String line = Patience.await(output.firstLine);
        assertThat(line).as(errors()).matches("listening on http://127\\.0\\.0\\.1:[0-9]+");
        return URI.create(line.substring("listening on ".length()));
    }

    /** Waits until the program has said a line, which isn't its first. */
    void awaitLine(String line) throws Exception {
        Patience.await(() -> {
            assertThat(process.isAlive()).as("the program runs").isTrue();
            return output.text().contains('\n' + line + System.lineSeparator());
        });
    }

    /** Waits for the program's end, and returns its output. */
    String output() throws InterruptedException {
        awaitEnd();
        return Patience.await(output.all);
    }

    /** Waits for the program's end, which has this code. */
    void endsWith(int exitCode) throws InterruptedException {
        String said = output() + errors();
        assertThat(process.exitValue())
                .as("exit code of a program that said: " + said)
                .isEqualTo(exitCode);
    }

    private void awaitEnd() throws InterruptedException {
        assertThat(process.waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
    }

    /** The program's standard error, until now or until its end. */
    String errors() {
        return process.isAlive() ? errors.text() : Patience.await(errors.all);
    }

    /** Sends SIGTERM by the handle, since the process itself would close the program's output, too. */
    void stop() {
        assertThat(process.toHandle().destroy()).isTrue();
    }

    /** Sends another signal by its name. */
    void signal(String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
        assertThat(kill.waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(kill.exitValue()).isZero();
    }

    /** Sends SIGKILL, and waits for the end. */
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
