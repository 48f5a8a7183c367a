package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The exceptions in the shops' logs: how often each type came, and those which no fault explains.
 *
 * <p>A fault explains the library's own exceptions, the shop's, and those of JPA, JDBC and MongoDB's driver. Any other
 * may be a mistake of a driver that can't deal with a cut connection: it is counted, and a finding only if code of the
 * library or of the shop has thrown it.
 *
 * <p>A standby that lagged and is promoted explains one kind more: a stage that goes on from a commit that was lost finds
 * the rows of before, and may throw what it likes, before its own commit is fenced off. So what the shop's own code has
 * thrown while a worker may have held such a key is only counted.
 */
record Failures(Map<String, Long> counts, List<Checker.Anomaly> unexplained) {
    private static final Pattern LOGGED =
            Pattern.compile("([-0-9]{10} [:.0-9]{12}) \\[.*] (?:WARN|ERROR) io\\.idempotencykey\\S* - (.*)");
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS");
    private static final Pattern EXCEPTION = Pattern.compile("((?:[a-z]\\w*\\.)+[A-Z][\\w$]*)(?::.*)?");
    private static final Pattern EXPLAINED = Pattern.compile(
            "(io\\.idempotencykey\\.IdempotencyException\\$|io\\.idempotencykey\\.checkout\\.|jakarta\\.persistence\\."
                    + "|org\\.hibernate\\.|java\\.sql\\.|com\\.mongodb\\.).*");
    private static final Pattern COMPLETION = Pattern.compile("CompletionFailed\\[.*, ([\\w.$]+)]");
    private static final int MOST_FRAMES = 20;

    /**
     * Reads the logs of a folder.
     *
     * @param promotions of standbys that may have lagged
     */
    static Failures of(Path folder, List<Checker.Promotion> promotions) throws IOException {
        List<String> lines = new ArrayList<>();
        try (var logs = Files.newDirectoryStream(folder, "shop-*.log")) {
            for (Path log : logs) {
                lines.addAll(Files.readAllLines(log, StandardCharsets.ISO_8859_1));
            }
        }
        return of(lines, promotions);
    }

    static Failures of(List<String> lines, List<Checker.Promotion> promotions) {
        Map<String, Long> counts = new TreeMap<>();
        List<Checker.Anomaly> unexplained = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            Matcher logged = LOGGED.matcher(lines.get(i));
            if (!logged.matches()) {
                continue;
            }
            Matcher completion = COMPLETION.matcher(logged.group(2));
            if (completion.matches()) {
                counts.merge("a completion failed: " + completion.group(1), 1L, Long::sum);
                continue;
            }
            Matcher exception = EXCEPTION.matcher(i + 1 < lines.size() ? lines.get(i + 1) : "");
            if (exception.matches()) {
                String type = exception.group(1);
                counts.merge(logged.group(2) + ": " + type, 1L, Long::sum);
                List<String> stack = lines.subList(i, Math.min(lines.size(), i + MOST_FRAMES));
                if (!EXPLAINED.matcher(type).matches()
                        && isThrownHere(stack, "io.idempotencykey.")
                        && !(isThrownHere(stack, "io.idempotencykey.checkout.")
                                && isSoonAfter(promotions, logged.group(1)))) {
                    unexplained.add(new Checker.Anomaly(
                            Checker.Kind.EXCEPTION_UNEXPLAINED, type, lines.get(i + 1), List.copyOf(stack)));
                }
            }
        }
        return new Failures(counts, unexplained);
    }

    private static boolean isSoonAfter(List<Checker.Promotion> promotions, String logged) {
        Instant time =
                LocalDateTime.parse(logged, TIME).atZone(ZoneId.systemDefault()).toInstant();
        return promotions.stream().anyMatch(each -> each.mayHaveLostWhatIsHeld(time));
    }

    /** Whether the first frame outside of Java's own code is in a package of that name. */
    private static boolean isThrownHere(List<String> stack, String name) {
        return stack.stream()
                .map(String::strip)
                .filter(line -> line.startsWith("at ") && !line.startsWith("at java"))
                .findFirst()
                .filter(line -> line.startsWith("at " + name))
                .isPresent();
    }
}
