package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Each rule of docs/PROTOCOL.md is kept in one place of core, whose Javadoc names its number. */
class RulesTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern ROW = Pattern.compile("(?m)^\\| (\\d+) \\| .* \\| `([\\w.]+)` \\|$");

    /** A Javadoc comment that names a rule, and the name of what it stands before. */
    private static final Pattern JAVADOC = Pattern.compile(
            "/\\*\\*((?:(?!\\*/).)*?[Rr]ule (\\d+):(?:(?!\\*/).)*)\\*/\\s*(?:@\\w+\\s+)*"
                    + "[^;{=]*?(?:(?:interface|class|record|enum) (\\w+)|(\\w+)\\s*\\()",
            Pattern.DOTALL);

    private static Map<Integer, List<String>> rows(String page) {
        Map<Integer, List<String>> places = new TreeMap<>();
        Matcher row = ROW.matcher(page);
        while (row.find()) {
            places.computeIfAbsent(Integer.valueOf(row.group(1)), rule -> new ArrayList<>())
                    .add(row.group(2));
        }
        return places;
    }

    /** Where sources say that a rule is kept, by the name of the type and, if it isn't the type itself, the method. */
    private static void addPlaces(String type, String source, Map<Integer, List<String>> places) {
        Matcher javadoc = JAVADOC.matcher(source);
        while (javadoc.find()) {
            String place = javadoc.group(3) != null ? javadoc.group(3) : type + "." + javadoc.group(4);
            places.computeIfAbsent(Integer.valueOf(javadoc.group(2)), rule -> new ArrayList<>())
                    .add(place);
        }
    }

    private static Map<Integer, List<String>> places() throws IOException {
        Map<Integer, List<String>> places = new TreeMap<>();
        try (Stream<Path> files = Files.walk(ROOT.resolve("core/src/main/java"))) {
            for (Path file : files.filter(path -> path.toString().endsWith(".java"))
                    .sorted()
                    .toList()) {
                String type = file.getFileName().toString().replace(".java", "");
                addPlaces(type, Files.readString(file), places);
            }
        }
        return places;
    }

    @Test
    void eachRuleIsKeptWhereThePageSaysAndNowhereElse() throws IOException {
        assertThat(places()).isEqualTo(rows(Files.readString(ROOT.resolve("docs/PROTOCOL.md"))));
    }

    @Test
    void theRulesAreNumberedWithoutAGap() throws IOException {
        Map<Integer, List<String>> rows = rows(Files.readString(ROOT.resolve("docs/PROTOCOL.md")));

        assertThat(rows.keySet())
                .containsExactlyElementsOf(
                        IntStream.rangeClosed(1, rows.size()).boxed().toList());
        assertThat(rows).hasSizeGreaterThan(15);
    }

    @Test
    void aRuleThatIsKeptElsewhereIsNoticed() {
        Map<Integer, List<String>> places = new TreeMap<>();
        addPlaces("Engine", """
                /** Rule 7: one. */
                @Override
                public <R> Optional<R> one(int a) {}

                /** No rule. */
                void none() {}

                /**
                 * Two. Rule 8: two.
                 */
                final class Two {}
                """, places);

        assertThat(places).isEqualTo(Map.of(7, List.of("Engine.one"), 8, List.of("Two")));
        assertThat(rows("| 7 | says | `Engine.one` |\n| 8 | says | `Two` |\n")).isEqualTo(places);
    }
}
