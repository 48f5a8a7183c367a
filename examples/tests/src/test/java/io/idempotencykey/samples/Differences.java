package io.idempotencykey.samples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The lines in which two folders differ, as {@code diff -r} finds them, without what was built in them. */
final class Differences {
    private Differences() {}

    /**
     * Lists the lines that were added or changed. Of a block of lines in which some went and others came, the larger
     * number counts.
     */
    static List<String> between(Path before, Path after) {
        TreeSet<Path> names = new TreeSet<>(files(before));
        names.addAll(files(after));
        List<String> found = new ArrayList<>();
        for (Path name : names) {
            compare(lines(before.resolve(name)), lines(after.resolve(name)), found);
        }
        return found;
    }

    private static List<Path> files(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(folder::relativize)
                    .filter(name -> !name.startsWith("target") && !name.startsWith("target-quick"))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.exists(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Walks along a longest common subsequence. */
    private static void compare(List<String> before, List<String> after, List<String> found) {
        int[][] common = new int[before.size() + 1][after.size() + 1];
        for (int i = before.size() - 1; i >= 0; i--) {
            for (int j = after.size() - 1; j >= 0; j--) {
                common[i][j] = before.get(i).equals(after.get(j))
                        ? common[i + 1][j + 1] + 1
                        : Math.max(common[i + 1][j], common[i][j + 1]);
            }
        }
        List<String> gone = new ArrayList<>();
        List<String> come = new ArrayList<>();
        int i = 0;
        int j = 0;
        while (i < before.size() || j < after.size()) {
            boolean mayGo = i < before.size();
            boolean mayCome = j < after.size();
            if (mayGo && mayCome && before.get(i).equals(after.get(j))) {
                found.addAll(come.size() >= gone.size() ? come : gone);
                gone.clear();
                come.clear();
                i++;
                j++;
            } else if (mayGo && (!mayCome || common[i + 1][j] >= common[i][j + 1])) {
                gone.add(before.get(i++));
            } else {
                come.add(after.get(j++));
            }
        }
        found.addAll(come.size() >= gone.size() ? come : gone);
    }
}
