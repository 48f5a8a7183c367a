package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What is published belongs together: one version, a BOM with every module, a section of the CHANGELOG. */
class ReleaseTest {
    private static final Path ROOT = Path.of("..");
    private static final Pattern OURS = Pattern.compile(
            "<groupId>io\\.idempotencykey</groupId>\\s*<artifactId>([\\w-]+)</artifactId>\\s*<version>([^<]+)</version>");
    private static final Pattern MODULE = Pattern.compile("<module>([^<]+)</module>");
    private static final Pattern NAME = Pattern.compile("<artifactId>(idempotencykey-[\\w-]+)</artifactId>");

    @Test
    void theBomNamesEveryModuleThatIsPublished() throws IOException {
        Set<String> published = new TreeSet<>();
        for (String module : all(MODULE, profilesApart(text("pom.xml")))) {
            String pom = text(module + "/pom.xml");
            if (!pom.contains("<maven.deploy.skip>true</maven.deploy.skip>") && !module.equals("bom")) {
                published.add(ownName(pom));
            }
        }
        String management = text("bom/pom.xml").split("<dependencyManagement>", 2)[1];

        assertThat(published).hasSizeGreaterThan(9);
        assertThat(all(NAME, management)).containsExactlyInAnyOrderElementsOf(published);
    }

    @Test
    void everyPomAndEveryPageNamesTheSameVersion() throws IOException {
        int named = 0;
        for (Path file : DocumentationTest.files(
                ROOT, path -> path.endsWith("pom.xml") || path.toString().endsWith(".md"))) {
            for (MatchResult ours :
                    OURS.matcher(Files.readString(file)).results().toList()) {
                assertThat(ours.group(2))
                        .as("the version of %s in %s", ours.group(1), file)
                        .isIn(version(), "${project.version}");
                named++;
            }
        }
        assertThat(named).isGreaterThan(40);
    }

    /** A version between two releases changes what is under "Unreleased". */
    @Test
    void theChangelogHasASectionForTheVersion() throws IOException {
        String section = version().endsWith("-SNAPSHOT")
                ? "Unreleased"
                : Pattern.quote(version()) + " \\(20\\d\\d-\\d\\d-\\d\\d\\)";

        assertThat(text("CHANGELOG.md")).containsPattern("(?m)^## " + section + "$");
    }

    @Test
    void theApiIsComparedWithTheLastReleaseOnceThereIsOne() throws IOException {
        String pom = text("pom.xml");
        String last = property("last-release.version", pom);
        boolean isFirst = version().matches("0\\.2\\.0(-SNAPSHOT)?");

        assertThat(property("japicmp.skip", pom)).isEqualTo(String.valueOf(isFirst));
        assertThat(last.isEmpty()).isEqualTo(isFirst);
        assertThat(last).isNotEqualTo(version());
    }

    private static String version() throws IOException {
        return OURS.matcher(text("pom.xml")).results().findFirst().orElseThrow().group(2);
    }

    private static String property(String name, String pom) {
        return all(Pattern.compile("<" + name + ">([^<]*)</" + name + ">"), pom).get(0);
    }

    private static String ownName(String pom) {
        return all(NAME, pom.replaceFirst("(?s)<parent>.*?</parent>", "")).get(0);
    }

    private static String profilesApart(String pom) {
        return pom.replaceFirst("(?s)<profiles>.*</profiles>", "");
    }

    private static List<String> all(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1)).collect(Collectors.toList());
    }

    private static String text(String file) throws IOException {
        return Files.readString(ROOT.resolve(file));
    }
}
