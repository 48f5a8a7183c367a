package io.idempotencykey.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a run has measured, as it is written to a file.
 *
 * @param begun when, in UTC
 * @param machine of which commit, on how many processors, and by which Java
 * @param rounds as they were, since system properties may have changed them
 */
record Results(String begun, String machine, String rounds, List<Measured> measured) {
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    void write(Path file) throws IOException {
        // The file is whole at any time, also if the process ends while it writes.
        Path whole = file.resolveSibling(file.getFileName() + ".new");
        Files.writeString(whole, JSON.writeValueAsString(this));
        Files.move(whole, file, StandardCopyOption.REPLACE_EXISTING);
    }

    static Results read(Path file) throws IOException {
        return JSON.readValue(Files.readString(file), Results.class);
    }
}
