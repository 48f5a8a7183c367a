package io.idempotencykey.architecture;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The types that the sources of all modules declare, and which of them run the tests of which. */
record TestSources(List<Type> types) {
    private static final Pattern PACKAGE = Pattern.compile("(?m)^package ([\\w.]+);");

    /**
     * The first type of a file.
     *
     * @param name the whole one, as reports have it, because two modules may have a test of the same simple name
     * @param isRun whether the build runs it by itself: the name of such a class ends in {@code Test}
     * @param parents the simple names of what it extends and implements
     */
    record Type(String name, boolean isRun, Set<String> parents, String source) {
        String simpleName() {
            return name.substring(name.lastIndexOf('.') + 1);
        }
    }

    static TestSources of(Path root) throws IOException {
        List<Type> types = new ArrayList<>();
        for (Path file : DocumentationTest.files(root, path -> path.toString().endsWith(".java"))) {
            String simpleName = file.getFileName().toString().replace(".java", "");
            String source = Files.readString(file);
            Matcher itsPackage = PACKAGE.matcher(source);
            Matcher header = Pattern.compile("(?m)^((?:\\w+ )*)(class|interface) " + simpleName + "\\b([^{]*)\\{")
                    .matcher(source);
            if (itsPackage.find() && header.find()) {
                boolean isRun = header.group(2).equals("class")
                        && !header.group(1).contains("abstract")
                        && simpleName.endsWith("Test");
                String name = itsPackage.group(1) + "." + simpleName;
                types.add(new Type(name, isRun, parents(header.group(3)), source));
            }
        }
        return new TestSources(types);
    }

    private static Set<String> parents(String header) {
        String plain = header;
        for (String before = ""; !before.equals(plain); ) {
            before = plain;
            plain = plain.replaceAll("<[^<>]*>", "");
        }
        return Arrays.stream(plain.split("[\\s,]+")).collect(Collectors.toCollection(TreeSet::new));
    }

    /** The types of a simple name that declare a test of this name; all of them if none is given. */
    List<Type> declaring(String simpleName, @Nullable String test) {
        return types.stream()
                .filter(type -> type.simpleName().equals(simpleName))
                .filter(type -> test == null || type.source().contains("void " + test + "("))
                .toList();
    }

    /** The names of the classes whose reports show a test: that which declares it, or each that extends that. */
    Set<String> running(String simpleName, @Nullable String test) {
        Set<String> running = new TreeSet<>();
        for (Type type : declaring(simpleName, test)) {
            add(type, running);
        }
        return running;
    }

    private void add(Type type, Set<String> running) {
        if (type.isRun()) {
            running.add(type.name());
        }
        for (Type each : types) {
            if (each.parents().contains(type.simpleName())) {
                add(each, running);
            }
        }
    }
}
