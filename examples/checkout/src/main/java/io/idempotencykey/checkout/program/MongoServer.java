package io.idempotencykey.checkout.program;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A server that stands in for MongoDB; tools/mongo-server starts it.
 *
 * <p>It ends with this process, however that ends, since its standard input is a pipe from here. Its data are in a
 * temporary folder, which it removes at its end.
 */
record MongoServer(Process process, String url) implements AutoCloseable {
    /** Starts a server with the tool's own options; returns when it takes connections. */
    static MongoServer start(String... options) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Objects.requireNonNullElse(System.getenv("PYTHON"), "python3"),
                tool().toString(),
                "--until-input-ends"));
        command.addAll(List.of(options));
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        } catch (IOException e) {
            throw new IOException(
                    "there is no Python 3.10 or newer to run tools/mongo-server: install it, or name it in PYTHON", e);
        }
        BufferedReader output = process.inputReader(StandardCharsets.UTF_8);
        String url = output.readLine();
        if (url == null) {
            throw new IOException("tools/mongo-server doesn't start");
        }
        return new MongoServer(process, url);
    }

    /** Finds the tool in the repository that this program is in, be it in a jar or in a folder. */
    private static Path tool() throws IOException {
        Path program;
        try {
            program = Path.of(MongoServer.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IOException(e);
        }
        for (Path folder = program; folder != null; folder = folder.getParent()) {
            Path tool = folder.resolve("tools").resolve("mongo-server");
            if (Files.exists(tool)) {
                return tool;
            }
        }
        throw new IOException("tools/mongo-server isn't in a folder above " + program);
    }

    /** Ends the server, and waits until it has removed its temporary folder. */
    @Override
    public void close() {
        process.destroy();
        process.onExit().join();
    }
}
