package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class HexagonTest {
    private static final Hexagon HEXAGON = new Hexagon("io.idempotencykey", List.of("inmemory", "jpa", "mongo"));
    private static final JavaClasses CLASSES = new ClassFileImporter()
            // In the quick build's folder as well, which ArchUnit's own option doesn't know.
            .withImportOption(location -> !location.contains("/test-classes/"))
            .importPackages("io.idempotencykey");

    private static final Hexagon BROKEN_HEXAGON =
            new Hexagon("io.idempotencykey.architecture.broken", List.of("memory", "disk"));
    private static final JavaClasses BROKEN_CLASSES =
            new ClassFileImporter().importPackages("io.idempotencykey.architecture.broken");

    static Stream<Named<Function<Hexagon, ArchRule>>> rules() {
        return Stream.of(
                Named.of("core knows no adapter and no driver", Hexagon::coreKnowsNoAdapterAndNoDriver),
                Named.of("adapters meet core at its port only", Hexagon::adaptersMeetCoreAtItsPortOnly),
                Named.of("adapters do not know each other", Hexagon::adaptersDoNotKnowEachOther),
                Named.of("dialects know JDBC only", Hexagon::dialectsKnowJdbcOnly),
                Named.of("packages have no cycles", Hexagon::packagesHaveNoCycles),
                Named.of("no method is synchronized", Hexagon::noMethodIsSynchronized),
                Named.of("nobody asks the clock", Hexagon::nobodyAsksTheClock));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void theProjectKeepsTheRule(Function<Hexagon, ArchRule> rule) {
        rule.apply(HEXAGON).check(CLASSES);
    }

    @ParameterizedTest
    @MethodSource("rules")
    void theRuleFailsWhereItIsBroken(Function<Hexagon, ArchRule> rule) {
        assertThat(rule.apply(BROKEN_HEXAGON).evaluate(BROKEN_CLASSES).hasViolation())
                .isTrue();
    }

    @Test
    void coreStaysUnderFortyPublicTypes() {
        assertThat(publicTypes(HEXAGON.isCore()::test)).hasSizeBetween(20, 39);
    }

    @ParameterizedTest
    @ValueSource(strings = {"inmemory", "jpa", "mongo"})
    void anAdapterStaysUnderFourPublicTypes(String adapter) {
        String name = "io.idempotencykey." + adapter;

        assertThat(publicTypes(type -> type.getPackageName().equals(name))).hasSizeBetween(1, 3);
    }

    private static List<String> publicTypes(Function<JavaClass, Boolean> where) {
        return CLASSES.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC) && type.isTopLevelClass())
                .filter(type -> !type.getPackageName().endsWith(".internal")
                        && !type.getSimpleName().equals("package-info"))
                .filter(where::apply)
                .map(JavaClass::getSimpleName)
                .sorted()
                .toList();
    }

    /** Class files don't tell where a synchronized block is; the sources do. */
    @Test
    void noSourceHasASynchronizedBlock() throws IOException {
        Pattern block = Pattern.compile("\\bsynchronized\\s*\\(");
        assertThat(block.matcher("synchronized (this) {").find()).isTrue();
        List<Path> sources = new ArrayList<>();
        for (String module :
                List.of("core", "adapter-inmemory", "adapter-jpa", "adapter-mongo", "spring", "spring-boot-starter")) {
            try (Stream<Path> files = Files.walk(Path.of("..", module, "src", "main", "java"))) {
                files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
            }
        }
        assertThat(sources)
                .hasSizeGreaterThan(30)
                .allSatisfy(source -> assertThat(Files.readString(source)).doesNotContainPattern(block));
    }
}
