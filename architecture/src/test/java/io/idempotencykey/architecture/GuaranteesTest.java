package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
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
            Pattern.compile("<testcase name=\"(\\w+)[^>]*? classname=\"[\\w.]*?(\\w+)\"[^>]*?(/>|>\\s*<(\\w[\\w-]*))");

    /** Non-guarantees that are other systems' to break. */
    private static final List<String> SHOWN_BY_NOTHING = List.of("N6", "N13");

    @Test
    void everyTestThatIsNamedExists() throws IOException {
        Map<String, String> sources = sources();
        for (MatchResult name : names(page())) {
            assertThat(sources).containsKey(name.group(1));
            if (name.group(2) != null) {
                assertThat(sources.get(name.group(1))).contains("void " + name.group(2) + "(");
            }
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

    /** CI asks at the end, when all modules' tests have run. A contract's cases run in the classes that extend it. */
    @EnabledIfSystemProperty(named = "guarantees.ran", matches = "true")
    @Test
    void everyTestThatIsNamedHasRunAndPassed() throws IOException {
        TreeSet<String> passed = new TreeSet<>();
        TreeSet<String> others = new TreeSet<>();
        for (Path report : reports()) {
            CASE.matcher(Files.readString(report)).results().forEach(result -> {
                String ending = String.valueOf(result.group(4));
                boolean isPassed = !ending.equals("failure") && !ending.equals("error") && !ending.equals("skipped");
                (isPassed ? passed : others).addAll(List.of(result.group(1), result.group(2)));
            });
        }

        for (MatchResult name : names(page())) {
            String test = name.group(2) == null ? name.group(1) : name.group(2);
            assertThat(passed).as("what has passed").contains(test);
            if (name.group(2) != null) {
                assertThat(others).as("what has not passed").doesNotContain(test);
            }
        }
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

    private static Map<String, String> sources() throws IOException {
        Map<String, String> sources = new TreeMap<>();
        for (Path file : DocumentationTest.files(ROOT, path -> path.toString().endsWith(".java"))) {
            // Two modules may have tests of one name.
            sources.merge(file.getFileName().toString().replace(".java", ""), Files.readString(file), String::concat);
        }
        return sources;
    }

    private static List<Path> reports() throws IOException {
        try (Stream<Path> files = Files.walk(ROOT)) {
            return files.filter(path -> path.getFileName().toString().matches("TEST-.*\\.xml"))
                    .toList();
        }
    }
}
