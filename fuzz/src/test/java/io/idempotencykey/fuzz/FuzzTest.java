package io.idempotencykey.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Jazzer looks for input that a target can't handle, each in a process of its own. */
@Tag("fuzz")
class FuzzTest {
    private static final int SECONDS = Integer.getInteger("fuzz.seconds");

    @ParameterizedTest
    @EnumSource
    void noInputIsFoundThatIsNotHandled(Target target) throws Exception {
        Path work = Files.createDirectories(Path.of("target", "fuzz", target.type.getSimpleName()));
        Path found = Files.createDirectories(work.resolve("corpus"));
        Process jazzer = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx1g",
                        "-Djava.util.logging.config.file=" + System.getProperty("java.util.logging.config.file"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        "com.code_intelligence.jazzer.Jazzer",
                        "--target_class=" + target.type.getName(),
                        "--instrumentation_includes=io.idempotencykey.**",
                        "--custom_hook_includes=io.idempotencykey.**",
                        "--reproducer_path=" + work,
                        "-artifact_prefix=" + work + File.separator,
                        "-dict=" + Path.of("dictionaries", target.type.getSimpleName()),
                        "-timeout=" + Target.MOST_SECONDS,
                        "-print_final_stats=1",
                        "-max_total_time=" + SECONDS,
                        found.toString(),
                        target.corpus().toString()))
                .redirectErrorStream(true)
                .redirectOutput(work.resolve("log").toFile())
                .start();
        try {
            boolean ended = jazzer.waitFor(SECONDS + 120L, TimeUnit.SECONDS);
            assertThat(ended && jazzer.exitValue() == 0)
                    .as("see %s", work.toAbsolutePath())
                    .isTrue();
        } finally {
            jazzer.destroyForcibly();
        }
    }
}
