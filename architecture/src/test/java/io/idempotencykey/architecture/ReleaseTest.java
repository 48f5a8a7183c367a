package io.idempotencykey.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
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
    void everyPomNamesTheVersion() throws IOException {
        assertThat(versionsIn(path -> path.endsWith("pom.xml")))
                .hasSizeGreaterThan(40)
                .containsOnly(version(), "${project.version}");
    }

    /** Pages are for users, who find no version that isn't released. */
    @Test
    void everyPageNamesTheVersionThatIsReleased() throws IOException {
        assertThat(versionsIn(path -> path.toString().endsWith(".md")))
                .hasSizeGreaterThan(3)
                .containsOnly(isBetweenReleases() ? property("last-release.version") : version());
    }

    @Test
    void theChangelogHasASectionForTheVersionWithTheJarsDate() throws IOException {
        String date = property("project.build.outputTimestamp").substring(0, "yyyy-mm-dd".length());
        String section = isBetweenReleases() ? "Unreleased" : version() + " (" + date + ")";

        assertThat(text("CHANGELOG.md").lines()).contains("## " + section);
    }

    @Test
    void theApiOfAllThatIsPublishedIsComparedWithTheLastReleaseOnceThereIsOne() throws IOException {
        boolean isFirst = version().matches("0\\.2\\.0(-SNAPSHOT)?");

        assertThat(property("japicmp.skip")).isEqualTo(isFirst ? "true" : "${maven.deploy.skip}");
        assertThat(property("last-release.version").isEmpty()).isEqualTo(isFirst);
        assertThat(property("last-release.version")).isNotEqualTo(version());
    }

    @Test
    void aPatchBreaksNoApi() throws IOException {
        boolean isPatch = !version().matches("\\d+\\.\\d+\\.0(-SNAPSHOT)?");

        assertThat(property("api.compatible")).isIn("true", isPatch ? "true" : "false");
    }

    private static List<String> versionsIn(Predicate<Path> wanted) throws IOException {
        List<String> versions = new ArrayList<>();
        for (Path file : DocumentationTest.files(ROOT, wanted)) {
            OURS.matcher(Files.readString(file)).results().forEach(ours -> versions.add(ours.group(2)));
        }
        return versions;
    }

    private static boolean isBetweenReleases() throws IOException {
        return version().endsWith("-SNAPSHOT");
    }

    private static String version() throws IOException {
        return OURS.matcher(text("pom.xml")).results().findFirst().orElseThrow().group(2);
    }

    private static String property(String name) throws IOException {
        return all(Pattern.compile("<" + name + ">([^<]*)</" + name + ">"), text("pom.xml"))
                .get(0);
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
