package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs the named benchmarks, or all of them, on a database server that it starts. */
public final class Main {
    private static final Rounds ROUNDS =
            new Rounds(Integer.getInteger("rounds", 11), Duration.ofMillis(Integer.getInteger("millis", 2_000)));

    private static final Map<String, Benchmark> BENCHMARKS = new LinkedHashMap<>();

    static {
        BENCHMARKS.put("throughput", (server, out) -> Throughput.run(server, ROUNDS, out));
        BENCHMARKS.put("single", (server, out) -> Single.run(server, ROUNDS, out));
        BENCHMARKS.put("replay", (server, out) -> Replay.run(server, ROUNDS, out));
        BENCHMARKS.put("growth", (server, out) -> Growth.run(server, ROUNDS, out));
        BENCHMARKS.put("reaping", (server, out) -> Reaping.run(server, ROUNDS, out));
        BENCHMARKS.put("completing", Completing::run);
    }

    private Main() {}

    @FunctionalInterface
    private interface Benchmark {
        void run(Server server, PrintStream out) throws Exception;
    }

    /**
     * Runs benchmarks and prints what they measured.
     *
     * @param arguments their names; none for all
     * @throws Exception if one fails
     */
    public static void main(String[] arguments) throws Exception {
        System.setProperty("org.jboss.logging.provider", "slf4j");
        List<String> names = arguments.length == 0 ? List.copyOf(BENCHMARKS.keySet()) : List.of(arguments);
        if (!BENCHMARKS.keySet().containsAll(names)) {
            System.err.println("usage: run [NAME…], where NAME is one of " + String.join(", ", BENCHMARKS.keySet()));
            System.exit(2);
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.printf(
                "%d processors; %d rounds of %d ms for each side in turn; medians of ratios, with least and greatest.%n",
                Runtime.getRuntime().availableProcessors(),
                ROUNDS.count(),
                ROUNDS.length().toMillis());
        for (Map.Entry<String, Benchmark> benchmark : BENCHMARKS.entrySet()) {
            if (names.contains(benchmark.getKey())) {
                try (Server server = Server.start()) {
                    benchmark.getValue().run(server, out);
                }
            }
        }
    }
}
