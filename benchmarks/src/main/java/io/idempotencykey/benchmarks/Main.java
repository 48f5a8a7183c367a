package io.idempotencykey.benchmarks;

import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Measures what is named, each place in a process of its own, and shows what came out. */
public final class Main {
    /** What prints its own figures, on a PostgreSQL of its own. */
    private static final Map<String, Benchmark> PRINTING = new LinkedHashMap<>();

    static {
        PRINTING.put("completing", (server, rounds, out) -> Completing.run(server, out));
        PRINTING.put("reaping", Reaping::run);
        PRINTING.put("footprint", (server, rounds, out) -> Footprint.run(server, out));
    }

    private Main() {}

    @FunctionalInterface
    private interface Benchmark {
        void run(Server server, Rounds rounds, PrintStream out) throws Exception;
    }

    /**
     * Measures, writes files into the folder that the system property {@code results} names, and prints a table last.
     *
     * @param arguments as {@code run --help} says
     * @throws Exception if the results can't be written, or a benchmark that prints its own figures fails
     */
    public static void main(String[] arguments) throws Exception {
        System.setProperty("org.jboss.logging.provider", "slf4j");
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        List<String> names = List.of(arguments);
        Benchmark printing = names.size() == 1 ? PRINTING.get(names.get(0)) : null;
        Plan plan;
        try {
            Mode.checkOptions();
            plan = Plan.of(printing == null ? names : List.of());
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage() + "; see run --help");
            System.exit(2);
            return;
        }
        if (printing != null) {
            try (Server server = Server.start()) {
                printing.run(server, Mode.FULL.rounds(), out);
            }
            return;
        }
        System.exit(run(plan, names, out) ? 0 : 1);
    }

    /** All names that the arguments may have. */
    static List<String> names() {
        return Stream.of(
                        Stream.of("quick", "full"),
                        Stream.of(Place.values()).map(Place::shown),
                        Stream.of(Workload.values()).map(Workload::shown),
                        Stream.of(Plan.THROUGHPUT),
                        PRINTING.keySet().stream())
                .flatMap(each -> each)
                .toList();
    }

    /** Returns whether nothing failed or is missed by far. */
    private static boolean run(Plan plan, List<String> names, PrintStream out) throws Exception {
        Path folder = Files.createDirectories(Path.of(System.getProperty("results", "results")));
        Instant begun = Instant.now();
        Rounds rounds = plan.mode().rounds();
        List<Measured> measured = new ArrayList<>();
        Instant end = begun.plus(plan.mode().deadline());
        boolean ended = true;
        List<Place> places = plan.places();
        for (int i = 0; i < places.size(); i++) {
            Place place = places.get(i);
            Path file = folder.resolve(place.shown() + ".json");
            Files.deleteIfExists(file);
            String why = Measuring.OVER;
            Duration left = Duration.between(Instant.now(), end);
            if (!left.isNegative()) {
                // On a busy machine one place isn't to take the time of the others.
                Instant deadline = Instant.now().plus(left.dividedBy(places.size() - i));
                int status = measure(file, deadline, end, place, names);
                why = "not run: the place's process ended with " + status;
                if (status != 0) {
                    out.printf("%s: the process ended with %d%n", place.shown(), status);
                    ended = false;
                }
            }
            List<Measured> found = Files.exists(file) ? Results.read(file).measured() : List.of();
            measured.addAll(complete(plan.in(place), found, why));
        }
        Results results = new Results(
                begun.truncatedTo(ChronoUnit.SECONDS).toString(),
                "commit " + System.getProperty("commit", "unknown") + ", "
                        + Runtime.getRuntime().availableProcessors() + " processors, Java " + Runtime.version(),
                rounds.count() + " rounds of " + rounds.length().toMillis()
                        + " ms, shorter where the time got short, more where a mark was missed by far",
                measured);
        results.write(folder.resolve("results.json"));
        Files.writeString(folder.resolve("index.html"), Page.of(results));
        Report report = Report.of(measured);
        out.printf(
                "%n%s; %s; medians of ratios, with least and greatest. Plots: %s%n%n",
                results.machine(), results.rounds(), folder.resolve("index.html"));
        report.print(out);
        return ended && !report.isBad();
    }

    /** The cells as planned, with a reason for those that are missing. */
    static List<Measured> complete(List<Cell> planned, List<Measured> found, String why) {
        Map<Cell, Measured> byCell = found.stream().collect(Collectors.toMap(Measured::cell, each -> each));
        return planned.stream()
                .map(cell -> byCell.getOrDefault(cell, Measured.failed(cell, why)))
                .toList();
    }

    private static int measure(Path file, Instant deadline, Instant end, Place place, List<String> names)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of(
                "-cp",
                new File(System.getProperty("java.class.path")).getPath(),
                Measuring.class.getName(),
                file.toString(),
                deadline.toString(),
                end.toString(),
                place.name()));
        command.addAll(names);
        Process process = new ProcessBuilder(command).inheritIO().start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
        return process.waitFor();
    }
}
