package io.idempotencykey.inmemory;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** jcstress runs {@link Publication} in processes of its own, as long as the build says. */
@Tag("jcstress")
class PublicationTest {
    @Test
    void whatIsStoredIsSeenWholeAndWithWhatWasWrittenBefore() throws Exception {
        Path work = Files.createDirectories(Path.of("target", "jcstress"));
        Path log = work.resolve("log");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "org.openjdk.jcstress.Main",
                "-r",
                "report"));
        command.addAll(List.of(System.getProperty("jcstress.options").split(" ")));
        Process jcstress = new ProcessBuilder(command)
                // Where it writes what it has found so far.
                .directory(work.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertThat(jcstress.waitFor(30, TimeUnit.MINUTES)).isTrue();
        } finally {
            jcstress.destroyForcibly();
        }

        String told = Files.readString(log);
        assertThat(jcstress.exitValue())
                .as("%s: %s", log.toAbsolutePath(), told)
                .isZero();
        assertThat(told)
                .contains("Failed tests: No matches.", "Error tests: No matches.", "All remaining tests: 3 matching");
    }
}
