package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.Locale;
import java.util.UUID;

/** Measures new requests: a claim and two stages, each with one row of the application's. */
final class Throughput {
    private static final int[] THREADS = {1, 8, 32};

    private Throughput() {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        out.println("""

                Claim and two stages, a row each, per second: the library against hand-written JDBC.
                Whatever the pool doesn't give, both sides set for each stage; the time-out, only the library.
                pool gives                    threads   library/JDBC             library         JDBC""");
        for (Server.Given given : Server.Given.values()) {
            for (int threads : THREADS) {
                try (Library library = new Library(server.database(), threads, given);
                        HandWritten handWritten = new HandWritten(server.database(), threads, given)) {
                    Rounds.Result result = rounds.compare(
                            threads,
                            (thread, n) -> library.request(newKey()),
                            (thread, n) -> handWritten.request(newKey()));
                    out.printf(Locale.ROOT, "%-28s %8d   %s%n", given.shown(), threads, result);
                }
            }
        }
    }

    static String newKey() {
        return UUID.randomUUID().toString();
    }
}
