package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.Locale;

/** Measures replays: with a claim that finds the key taken, and by reading the key alone. */
final class Replay {
    private static final int KEYS = 1_000;
    private static final int[] THREADS = {1, 8};

    private Replay() {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        out.println("""

                Replay of a finished key, per second: the library against hand-written JDBC.
                The pool gives SERIALIZABLE; the library's statements run in READ COMMITTED, JDBC's as the pool gives.
                by                            threads   library/JDBC             library         JDBC""");
        for (int threads : THREADS) {
            try (Library library = new Library(server.database(), threads, Server.Given.SERIALIZABLE);
                    HandWritten handWritten = new HandWritten(server.database(), threads, Server.Given.SERIALIZABLE)) {
                for (int i = 0; i < KEYS; i++) {
                    library.request(key(i));
                    handWritten.request(key(i));
                }
                Rounds.Result claim = rounds.compare(
                        threads,
                        (thread, n) -> library.replay(key(thread + n)),
                        (thread, n) -> handWritten.replay(key(thread + n)));
                out.printf(Locale.ROOT, "%-28s %8d   %s%n", "claim", threads, claim);
                Rounds.Result retrieve = rounds.compare(
                        threads,
                        (thread, n) -> library.retrieve(key(thread + n)),
                        (thread, n) -> handWritten.retrieve(key(thread + n)));
                out.printf(Locale.ROOT, "%-28s %8d   %s%n", "retrieve", threads, retrieve);
            }
        }
    }

    private static String key(long number) {
        return "key-" + number % KEYS;
    }
}
