package io.idempotencykey.checkout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;

/** Where files go: the directory that was asked for, or a temporary one that is gone after a clean stop. */
record DataDirectory(Path path, boolean temporary) implements AutoCloseable {
    static DataDirectory of(Options options) throws IOException {
        Optional<Path> asked = options.directory("data");
        return asked.isPresent()
                ? new DataDirectory(Files.createDirectories(asked.get()), false)
                : new DataDirectory(Files.createTempDirectory("checkout"), true);
    }

    @Override
    public void close() {
        if (!temporary) {
            return;
        }
        try (Stream<Path> files = Files.list(path)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(path);
        } catch (IOException e) {
            // The system cleans up its temporary files some day; what else has to be closed goes first.
            LoggerFactory.getLogger(DataDirectory.class).warn("a temporary directory was not removed", e);
        }
    }
}
