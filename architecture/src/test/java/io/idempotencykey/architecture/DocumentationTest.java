package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The Java code in the documentation stands in sources that the build compiles and, in tests, runs. */
class DocumentationTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern JAVA_BLOCK = Pattern.compile("```java\\R(.*?)```", Pattern.DOTALL);
    private static final Pattern LINK = Pattern.compile("]\\(([^)#:]+)(?:#[^)]*)?\\)");

    static List<Path> pages() throws IOException {
        return files(ROOT, path -> path.toString().endsWith(".md"));
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyJavaBlockStandsInACompiledSource(Path page) throws IOException {
        List<String> sources = sources();
        Matcher block = JAVA_BLOCK.matcher(Files.readString(page));
        while (block.find()) {
            String code = normalized(block.group(1));
            assertThat(sources)
                    .as("a source that contains, in %s:%n%s", page, code)
                    .anyMatch(s -> s.contains(code));
        }
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyRelativeLinkLeadsSomewhere(Path page) throws IOException {
        Matcher link = LINK.matcher(Files.readString(page));
        while (link.find()) {
            Path target = page.resolveSibling(link.group(1));
            assertThat(target).as("linked from %s", page).exists();
        }
    }

    @Test
    void theReadmeHasJavaBlocksAndIsShort() throws IOException {
        String readme = Files.readString(ROOT.resolve("README.md"));

        assertThat(JAVA_BLOCK.matcher(readme).results()).hasSizeGreaterThan(2);
        assertThat(readme.lines()).hasSizeLessThan(190);
    }

    @Test
    void aBlockThatIsNowhereIsNoticed() throws IOException {
        String nowhere = normalized("int " + "nowhere = 1;");

        assertThat(sources()).noneMatch(source -> source.contains(nowhere));
    }

    private static List<String> sources() throws IOException {
        List<String> sources = new ArrayList<>();
        for (Path file : files(ROOT, path -> path.toString().endsWith(".java"))) {
            sources.add(normalized(Files.readString(file)));
        }
        return sources;
    }

    /** Without indentation and blank lines, which differ between a page and a class. */
    private static String normalized(String code) {
        return code.lines().map(String::strip).filter(line -> !line.isEmpty()).collect(Collectors.joining("\n"));
    }

    /** All files of a folder but those that a build makes. */
    static List<Path> files(Path root, Predicate<Path> wanted) throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(wanted)
                    .filter(file -> Stream.of("target", "target-quick", ".git", ".venv")
                            .noneMatch(name -> root.relativize(file).startsWith(name)
                                    || root.relativize(file).toString().contains("/" + name + "/")))
                    .sorted()
                    .toList();
        }
    }
}
