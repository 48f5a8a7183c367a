package io.idempotencykey.checkout.program;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/**
 * An archive of the program's classes as the JVM has them in memory (class-data sharing). A JVM with such an archive
 * starts in half the time, and the tests start more than a hundred JVMs.
 *
 * <p>The JVM archives classes from jars only, so the folders of the class path are packed into jars. If the JVM can't
 * make the archive, the tests run without it.
 */
final class ClassArchive {
    private static final String JAVA =
            Path.of(System.getProperty("java.home"), "bin", "java").toString();

    /** The programs live only for a short time. */
    private static final List<String> OPTIONS = List.of(
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
            // Otherwise the JVM writes warnings about the archive to the program's output.
            "-Xlog:disable");

    private ClassArchive() {}

    /** Makes the archive when the first program is started; the program that makes the archive never loads this. */
    private static final class Made {
        static final List<String> COMMAND = make();
    }

    /** The beginning of a program's command line: the JVM, its options, and the class path. */
    static List<String> java() {
        return Made.COMMAND;
    }

    private static List<String> make() {
        try {
            // The folder is within the repository, since the program looks for its tools in the folders above itself.
            Path folder = Files.createDirectories(Path.of(Main.class
                            .getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .resolveSibling("class-archive"));
            String classPath = jars(folder);
            Path archive = folder.resolve("classes.jsa");
            Files.deleteIfExists(archive);
            List<String> training = command("-XX:ArchiveClassesAtExit=" + archive, "-cp", classPath);
            training.addAll(List.of(
                    ClassArchive.class.getName(),
                    "--store jpa",
                    "--url " + PostgresqlServer.newDatabase(),
                    String.join(" ", MongoDatabases.newDatabase())));
            Process process = new ProcessBuilder(training)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("training.txt").toFile())
                    .start();
            if (!process.waitFor(Patience.LONGEST.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
            return Files.exists(archive)
                    ? command("-XX:SharedArchiveFile=" + archive, "-cp", classPath)
                    : command("-cp", classPath);
        } catch (IOException | URISyntaxException | InterruptedException e) {
            throw new IllegalStateException("the program's classes can't be archived", e);
        }
    }

    private static List<String> command(String... more) {
        List<String> command = new ArrayList<>();
        command.add(JAVA);
        command.addAll(OPTIONS);
        command.addAll(List.of(more));
        return command;
    }

    private static String jars(Path folder) throws IOException {
        List<String> all = new ArrayList<>();
        for (String each : System.getProperty("java.class.path").split(System.getProperty("path.separator"), -1)) {
            Path path = Path.of(each);
            all.add(Files.isDirectory(path) ? jar(path, folder.resolve(all.size() + ".jar")) : each);
        }
        return String.join(System.getProperty("path.separator"), all);
    }

    private static String jar(Path classes, Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar);
                JarOutputStream entries = new JarOutputStream(out);
                Stream<Path> files = Files.walk(classes)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                entries.putNextEntry(
                        new JarEntry(classes.relativize(file).toString().replace('\\', '/')));
                Files.copy(file, entries);
                entries.closeEntry();
            }
        }
        return jar.toString();
    }

    /** Loads the classes for the archive, by completing a cart in a shop with each of the given options. */
    public static void main(String[] shops) throws IOException {
        for (String options : shops) {
            try (RunningShop shop = new RunningShop((point, key) -> {}, options.split(" ", -1))) {
                shop.runInBackground();
                shop.complete("cart", "key", RunningShop.ONE_MUG);
                shop.get("/orders");
                shop.get("/keys/key");
            }
        }
    }
}
