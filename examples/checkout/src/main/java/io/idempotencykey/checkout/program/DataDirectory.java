package io.idempotencykey.checkout.program;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;

/** The directory for files: the one that the options name, or a temporary one that a clean stop removes. */
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
            // The system removes its temporary files some day, and whatever else has to be closed must still be closed.
            LoggerFactory.getLogger(DataDirectory.class).warn("a temporary directory was not removed", e);
        }
    }
}
