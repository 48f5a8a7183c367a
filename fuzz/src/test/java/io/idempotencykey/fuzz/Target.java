package io.idempotencykey.fuzz;

import io.idempotencykey.FingerprintTarget;
import io.idempotencykey.HeaderTarget;
import io.idempotencykey.JsonTarget;
import io.idempotencykey.StoredHeadersTarget;
import io.idempotencykey.jpa.RowTarget;
import io.idempotencykey.mongo.DocumentTarget;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.function.ThrowingConsumer;

/** All that is fuzzed. Each keeps its corpus, one file per input, in a folder of its name. */
enum Target {
    HEADER(HeaderTarget.class, HeaderTarget::fuzzerTestOneInput),
    JSON(JsonTarget.class, JsonTarget::fuzzerTestOneInput),
    STORED_HEADERS(StoredHeadersTarget.class, StoredHeadersTarget::fuzzerTestOneInput),
    FINGERPRINT(FingerprintTarget.class, FingerprintTarget::fuzzerTestOneInput),
    ROW(RowTarget.class, RowTarget::fuzzerTestOneInput),
    DOCUMENT(DocumentTarget.class, DocumentTarget::fuzzerTestOneInput);

    /** What one input may take, on a machine that is busy; it is some milliseconds. */
    static final int MOST_SECONDS = 20;

    final Class<?> type;

    @SuppressWarnings("ImmutableEnumChecker") // A method without state.
    final ThrowingConsumer<byte[]> run;

    Target(Class<?> type, ThrowingConsumer<byte[]> run) {
        this.type = type;
        this.run = run;
    }

    Path corpus() {
        return Path.of("corpus", type.getSimpleName());
    }

    List<Path> inputs() {
        try (Stream<Path> files = Files.list(corpus())) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new IllegalStateException("the corpus can't be read", e);
        }
    }
}
