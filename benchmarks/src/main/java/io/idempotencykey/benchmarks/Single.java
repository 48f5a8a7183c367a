package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Measures new requests of one stage, each with a key and a row of the application's, done in several ways in turn. What
 * a way guarantees is said where it is written; the library's single way guarantees what the staged one does, except
 * that nobody completes a request whose client stays away.
 */
final class Single {
    private static final int[] THREADS = {1, 8, 32};
    private static final List<Server.Given> GIVEN =
            List.of(Server.Given.SERIALIZABLE_AND_TIMEOUTS, Server.Given.NOTHING);

    private Single() {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        out.println("""

                A request of one stage with one row, per second: the library in one transaction against other ways.
                Where the pool gives nothing, library and JDBC set SERIALIZABLE and time-outs; the others, nothing.
                pool gives                    threads   against              single/other        single       other""");
        for (Server.Given given : GIVEN) {
            for (int threads : THREADS) {
                compare(server, rounds, given, threads, out);
            }
        }
    }

    private static void compare(Server server, Rounds rounds, Server.Given given, int threads, PrintStream out)
            throws Exception {
        try (Library single = new Library(server.database(), threads, given);
                Library staged = new Library(server.database(), threads, given);
                HandWrittenSingle handWritten = new HandWrittenSingle(server.database(), threads, given, false);
                HandWrittenSingle entities = new HandWrittenSingle(server.database(), threads, given, true);
                SpringIntegration springIntegration = new SpringIntegration(server.database(), threads, given);
                ShedLock shedLock = new ShedLock(server.database(), threads, given);
                Camel camel = new Camel(server.database(), threads, given)) {
            Map<String, Rounds.Task> ways = new LinkedHashMap<>();
            ways.put("single", (thread, n) -> single.once(Throughput.newKey()));
            ways.put("staged", (thread, n) -> staged.staged(Throughput.newKey()));
            ways.put("JDBC", (thread, n) -> handWritten.request(Throughput.newKey()));
            ways.put("JDBC with entities", (thread, n) -> entities.request(Throughput.newKey()));
            ways.put("Spring Integration", (thread, n) -> springIntegration.request(Throughput.newKey()));
            ways.put("ShedLock", (thread, n) -> shedLock.request(Throughput.newKey()));
            ways.put("Camel", (thread, n) -> camel.request(Throughput.newKey()));
            List<String> names = List.copyOf(ways.keySet());
            List<List<Double>> rates = rounds.rates(threads, List.copyOf(ways.values()));
            for (int i = 1; i < names.size(); i++) {
                Rounds.Result result = new Rounds.Result(rates.get(0), rates.get(i));
                out.printf(Locale.ROOT, "%-28s %8d   %-18s   %s%n", given.shown(), threads, names.get(i), result);
            }
        }
    }
}
