package io.idempotencykey.compatibility;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** A server of one of the scripts in {@code tools}. It ends with this JVM, however that ends. */
record ToolServer(Process process, String url) implements AutoCloseable {
    private static final long LONGEST_SECONDS = 120;

    static ToolServer start(String tool) throws IOException {
        Process process = new ProcessBuilder(
                        Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"),
                        Path.of("..", "tools", tool).toString(),
                        "--until-input-ends")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
        String line = output.readLine();
        if (line == null) {
            throw new IOException("tools/" + tool + " doesn't start");
        }
        return new ToolServer(process, line.split(" ", 2)[0]);
    }

    @Override
    public void close() throws IOException {
        process.getOutputStream().close();
        try {
            if (process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        process.destroyForcibly();
    }
}
