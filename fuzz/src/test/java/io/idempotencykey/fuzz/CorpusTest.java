package io.idempotencykey.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What fuzzing has found worth keeping is handled still. */
class CorpusTest {
    private static final Duration BOUND = Duration.ofSeconds(Target.MOST_SECONDS);

    @ParameterizedTest
    @EnumSource
    void everyInputThatIsKeptIsHandled(Target target) throws Exception {
        assertThat(target.inputs()).hasSizeGreaterThan(5);
        // What a target starts with, such as a database, isn't what an input takes.
        Class<?> unused = Class.forName(target.type.getName());
        for (Path input : target.inputs()) {
            byte[] bytes = Files.readAllBytes(input);
            try {
                assertTimeoutPreemptively(BOUND, () -> target.run.accept(bytes));
            } catch (Throwable e) {
                throw new AssertionError("the input " + input, e);
            }
        }
    }
}
