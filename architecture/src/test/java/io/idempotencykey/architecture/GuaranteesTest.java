package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The page of guarantees names tests that exist, and that have run and passed. */
class GuaranteesTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern ROW = Pattern.compile("(?m)^\\| ([GN]\\d+) \\|.*\\|$");
    private static final Pattern NAME = Pattern.compile("`([A-Z]\\w+(?:Test|Cases|Contract))(?:\\.(\\w+))?`");
    private static final Pattern CASE =
            Pattern.compile("<testcase name=\"(\\w+)[^>]*? classname=\"([\\w.]+)\"[^>]*?(/>|>\\s*<(\\w[\\w-]*))");

    /** Non-guarantees that are other systems' to break. */
    private static final List<String> SHOWN_BY_NOTHING = List.of("N6", "N13");

    @Test
    void everyTestThatIsNamedExistsOnce() throws IOException {
        TestSources sources = TestSources.of(ROOT);
        for (MatchResult name : names(page())) {
            assertThat(sources.declaring(name.group(1), name.group(2)))
                    .as(name.group())
                    .hasSize(1);
        }
    }

    @Test
    void everyRowNamesATest() throws IOException {
        List<MatchResult> rows = ROW.matcher(page()).results().toList();

        assertThat(rows).hasSizeGreaterThan(20);
        for (MatchResult row : rows) {
            assertThat(names(row.group()).isEmpty())
                    .as("nothing shows %s", row.group(1))
                    .isEqualTo(SHOWN_BY_NOTHING.contains(row.group(1)));
        }
    }

    /** "On every store" is thereby shown by each of them. */
    @Test
    void eachStoreHasATestThatRunsTheContract() throws IOException {
        assertThat(TestSources.of(ROOT).running("CommitCases", "aStageWhoseKeyChangesMeanwhileIsNotCommitted"))
                .contains(
                        "io.idempotencykey.inmemory.InMemoryContractTest",
                        "io.idempotencykey.jpa.H2ContractTest",
                        "io.idempotencykey.jpa.MariadbContractTest",
                        "io.idempotencykey.jpa.MysqlContractTest",
                        "io.idempotencykey.jpa.PostgresqlContractTest",
                        "io.idempotencykey.mongo.MongoContractTest")
                .doesNotContain("io.idempotencykey.contract.KeyStoreContract");
    }

    /**
     * CI asks at the end, when all modules' tests have run, and says since when, in seconds: older reports are of other
     * runs. A contract's cases have to have passed in each class that extends it.
     */
    @EnabledIfSystemProperty(named = "guarantees.since", matches = "\\d+")
    @Test
    void everyTestThatIsNamedHasRunAndPassed() throws IOException {
        TestSources sources = TestSources.of(ROOT);
        Map<String, Set<String>> passed = new TreeMap<>();
        Map<String, Set<String>> others = new TreeMap<>();
        for (Path report : reports(since())) {
            CASE.matcher(Files.readString(report)).results().forEach(result -> {
                String ending = String.valueOf(result.group(4));
                boolean isPassed = !ending.equals("failure") && !ending.equals("error") && !ending.equals("skipped");
                (isPassed ? passed : others)
                        .computeIfAbsent(result.group(2), type -> new TreeSet<>())
                        .add(result.group(1));
            });
        }

        for (MatchResult name : names(page())) {
            Set<String> running = sources.running(name.group(1), name.group(2));
            assertThat(running).as(name.group()).isNotEmpty();
            for (String type : running) {
                Predicate<String> isIts =
                        test -> name.group(2) == null || name.group(2).equals(test);
                assertThat(passed.getOrDefault(type, Set.of()))
                        .as("what has passed of %s", type)
                        .anyMatch(isIts);
                assertThat(others.getOrDefault(type, Set.of()))
                        .as("what has not passed of %s", type)
                        .noneMatch(isIts);
            }
        }
    }

    private static Instant since() {
        return Instant.ofEpochSecond(Long.parseLong(Objects.requireNonNull(System.getProperty("guarantees.since"))));
    }

    private static String page() throws IOException {
        return Files.readString(ROOT.resolve("docs/GUARANTEES.md"));
    }

    private static List<MatchResult> names(String text) {
        return NAME.matcher(text)
                .results()
                .filter(name -> !name.group(1).equals(GuaranteesTest.class.getSimpleName()))
                .toList();
    }

    private static List<Path> reports(Instant since) throws IOException {
        try (Stream<Path> files = Files.walk(ROOT)) {
            return files.filter(path -> path.getFileName().toString().matches("TEST-.*\\.xml"))
                    .filter(path -> path.toFile().lastModified() >= since.toEpochMilli())
                    .toList();
        }
    }
}
