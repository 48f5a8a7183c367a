package io.idempotencykey.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A server that an environment variable names, or else one that a program in {@code tools} starts. That ends with this
 * JVM, however this ends, because its standard input is a pipe from here.
 */
final class Tool implements AutoCloseable {
    private final @Nullable Process process;
    private final String url;

    private Tool(@Nullable Process process, String url) {
        this.process = process;
        this.url = url;
    }

    /**
     * Takes the server that is given, or starts one.
     *
     * @param variable of the environment, for a server's URL
     * @param arguments the program, and what it is told
     */
    static Tool start(String variable, String... arguments) throws IOException {
        String given = System.getenv(variable);
        if (given != null) {
            return new Tool(null, given);
        }
        List<String> command = new ArrayList<>();
        command.add(Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"));
        command.add(
                Path.of(System.getProperty("tools", "../tools"), arguments[0]).toString());
        command.addAll(List.of(arguments).subList(1, arguments.length));
        command.add("--until-input-ends");
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
        String ready =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)).readLine();
        if (ready == null) {
            throw new IOException("tools/" + arguments[0] + " doesn't start; its output above says why, and that "
                    + variable + " may be set instead");
        }
        return new Tool(process, ready.split(" ", 2)[0]);
    }

    /** Whether it is somebody else's server. */
    boolean isGiven() {
        return process == null;
    }

    String url() {
        return url;
    }

    /** The server's time on a processor so far; NaN if somebody else has started it. */
    double nanos() {
        return process == null ? Double.NaN : ProcessTree.nanos(process.pid());
    }

    @Override
    public void close() {
        if (process != null) {
            process.destroy();
            try {
                Process unused =
                        process.onExit().orTimeout(30, TimeUnit.SECONDS).join();
            } catch (CompletionException e) {
                throw new IllegalStateException("the server doesn't end", e);
            }
        }
    }
}
