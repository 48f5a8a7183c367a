package io.idempotencykey.benchmarks;

import java.io.PrintStream;
import java.util.Locale;

/**
 * Measures replays: with a claim that finds the key taken, by reading the key alone, and of a request of one stage by
 * the call that would run it, against one read.
 */
final class Replay {
    private static final int KEYS = 1_000;
    private static final int[] THREADS = {1, 8};

    private Replay() {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        out.println("""

                Replay of a finished key, per second: the library against hand-written JDBC.
                The pool gives SERIALIZABLE; the library claims and retrieves in READ COMMITTED, all else runs as given.
                by                            threads   library/JDBC             library         JDBC""");
        for (int threads : THREADS) {
            try (Library library = new Library(server.database(), threads, Server.Given.SERIALIZABLE);
                    HandWritten handWritten = new HandWritten(server.database(), threads, Server.Given.SERIALIZABLE)) {
                for (int i = 0; i < KEYS; i++) {
                    library.request(key(i));
                    library.once(onceKey(i));
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
                Rounds.Result once = rounds.compare(
                        threads,
                        (thread, n) -> library.onceMore(onceKey(thread + n)),
                        (thread, n) -> handWritten.read(key(thread + n)));
                out.printf(Locale.ROOT, "%-28s %8d   %s%n", "once, against one read", threads, once);
            }
        }
    }

    private static String onceKey(long number) {
        return "once-" + key(number);
    }

    private static String key(long number) {
        return "key-" + number % KEYS;
    }
}
