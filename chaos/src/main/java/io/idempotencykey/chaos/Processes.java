package io.idempotencykey.chaos;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Starts processes that end with this one, however it ends, in a folder that is removed then.
 *
 * <p>The kernel kills each of them when the thread that started it has ended, which is why one thread starts them all.
 */
final class Processes implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 180;

    private final ExecutorService starter = Executors.newSingleThreadExecutor(work -> {
        Thread thread = new Thread(work, "starter");
        thread.setDaemon(true);
        return thread;
    });
    private final Set<Child> running = ConcurrentHashMap.newKeySet();
    private final Path folder;
    private final Process remover;

    Processes() throws IOException {
        folder = Files.createTempDirectory("chaos-");
        // It waits for this process's end, and by then all others have been killed.
        String script = "trap '' INT TERM HUP; cat >/dev/null; sleep 0.2; umount -l \"$1\"/disk 2>/dev/null;"
                + " rm -rf \"$1\"; [ -e \"$1\" ] && sleep 2 && rm -rf \"$1\"; true";
        remover = new ProcessBuilder("sh", "-c", script, "remover", folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    /** A folder for everything, which is removed at the end. */
    Path folder() {
        return folder;
    }

    /** A process that was started here; what it says as an error goes to its log. */
    final class Child {
        private final Process process;
        private final CompletableFuture<String> firstLine = new CompletableFuture<>();

        private Child(Process process) {
            this.process = process;
            Thread reader = new Thread(this::read, "what a process says");
            reader.setDaemon(true);
            reader.start();
            CompletableFuture<Boolean> unused = process.onExit().thenApply(ended -> running.remove(this));
        }

        private void read() {
            try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
                String line = reader.readLine();
                if (line != null) {
                    firstLine.complete(line);
                    while (reader.readLine() != null) {
                        // Nobody wants the rest, but the process must be able to write it.
                    }
                }
            } catch (IOException e) {
                // The process has ended.
            }
            firstLine.completeExceptionally(new IOException("the process ended before it said anything"));
        }

        /** Waits for the first line that it prints. */
        String firstLine() throws IOException, InterruptedException {
            try {
                return firstLine.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw new IOException(String.valueOf(e.getCause()), e);
            } catch (TimeoutException e) {
                throw new IOException("a process says nothing within " + PATIENCE_SECONDS + " s", e);
            }
        }

        boolean isAlive() {
            return process.isAlive();
        }

        void signal(String name) throws IOException, InterruptedException {
            Processes.run("kill", "-" + name, Long.toString(process.pid()));
        }

        /** Sends SIGKILL, and waits for the end. */
        void kill() throws IOException, InterruptedException {
            process.destroyForcibly();
            awaitEnd();
        }

        void awaitEnd() throws IOException, InterruptedException {
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException("a process doesn't end within " + PATIENCE_SECONDS + " s");
            }
        }

        /** Waits for an end that nobody has asked for. */
        void awaitAnyEnd() throws InterruptedException {
            int unused = process.waitFor();
        }
    }

    /** Starts a process that may run as anyone. */
    Child start(Path log, List<String> command) throws IOException, InterruptedException {
        return start(log, List.of(), command);
    }

    /** Starts a process that refuses to run as root: for it, root is someone else. */
    Child startAsNobody(Path log, List<String> command) throws IOException, InterruptedException {
        return start(log, isRoot() ? List.of("unshare", "--user") : List.of(), command);
    }

    private Child start(Path log, List<String> before, List<String> command) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(before);
        all.addAll(List.of("setpriv", "--pdeathsig", "KILL"));
        all.addAll(command);
        ProcessBuilder builder = new ProcessBuilder(all).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        try {
            Child child = new Child(starter.submit(builder::start).get());
            running.add(child);
            return child;
        } catch (ExecutionException e) {
            throw new IOException("'" + String.join(" ", all) + "' can't be started: " + e.getCause(), e);
        }
    }

    static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    /** Runs a command to its end, and returns what it said. */
    static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IOException("'" + String.join(" ", command) + "' failed: " + said.strip());
        }
        return said;
    }

    /** The command that runs a script of the repository's folder {@code tools}. */
    static List<String> tool(String name) throws IOException {
        Path program = program();
        for (Path above = program; above != null; above = above.getParent()) {
            Path tool = above.resolve("tools").resolve(name);
            if (Files.exists(tool)) {
                return List.of(Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"), tool.toString());
            }
        }
        throw new IOException("tools/" + name + " isn't in a folder above " + program);
    }

    /** The jar, or the folder, that this class is in. */
    static Path program() throws IOException {
        try {
            return Path.of(Processes.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IOException(e);
        }
    }

    /** A program of this class path. */
    static List<String> java(String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Xmx256m",
                "-cp",
                System.getProperty("java.class.path")));
        command.addAll(List.of(arguments));
        return command;
    }

    /** Kills all that still runs, and removes the folder. */
    @Override
    public void close() {
        for (Child child : running) {
            child.process.destroyForcibly();
        }
        try {
            for (Child child : running) {
                child.awaitEnd();
            }
            remover.getOutputStream().close();
            boolean unused = remover.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (IOException e) {
            System.err.println("chaos: something is left in " + folder + ": " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        starter.shutdown();
    }
}
