package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.Locale;

/** Compares claims, stages and replays in a table of a million finished keys with those in one of ten thousand. */
final class Growth {
    private static final int SMALL = 10_000;
    private static final int LARGE = 1_000_000;
    private static final int THREADS = 4;

    private Growth() {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        String smallUrl = server.database();
        String largeUrl = server.database();
        try (Library small = new Library(smallUrl, THREADS, Server.Given.SERIALIZABLE);
                Library large = new Library(largeUrl, THREADS, Server.Given.SERIALIZABLE)) {
            small.request("sample");
            large.request("sample");
            Keys.copySample(smallUrl, SMALL, "1 day");
            Keys.copySample(largeUrl, LARGE, "1 day");
            out.println("""

                    The cost among 1,000,000 finished keys over the cost among 10,000; 4 threads; the pool gives SERIALIZABLE.
                    operation                      cost of large/small             small        large""");
            print(
                    out,
                    "claim",
                    rounds.compare(
                            THREADS,
                            (t, n) -> small.claim(Throughput.newKey()),
                            (t, n) -> large.claim(Throughput.newKey())));
            print(
                    out,
                    "claim and stage",
                    rounds.compare(
                            THREADS,
                            (t, n) -> small.advance(small.claim(Throughput.newKey())),
                            (t, n) -> large.advance(large.claim(Throughput.newKey()))));
            print(
                    out,
                    "replay by claim",
                    rounds.compare(
                            THREADS,
                            (t, n) -> small.replay(Keys.copy(n * THREADS + t, SMALL)),
                            (t, n) -> large.replay(Keys.copy(n * THREADS + t, LARGE))));
        }
    }

    private static void print(PrintStream out, String operation, Rounds.Result result) {
        out.printf(Locale.ROOT, "%-29s  %s%n", operation, result);
    }
}
