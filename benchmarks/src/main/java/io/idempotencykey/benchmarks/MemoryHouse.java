package io.idempotencykey.benchmarks;

import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.inmemory.InMemoryTransactions;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** The store in memory against a map; a row of the application's is an entry of another map on either side. */
final class MemoryHouse implements House {
    /** So many that no key of a turn is refused for want of room. */
    static final int MOST_KEYS = 100_000_000;

    @Override
    public Contest contest(Cell cell) {
        Contest contest = new Contest();
        if (cell.workload() == Workload.SCALING) {
            contest.add(library(cell, Marks.LIBRARY + Marks.TWO_THREADS, 2));
            contest.add(library(cell, Marks.LIBRARY + Marks.ONE_THREAD, 1));
            contest.add(map(cell, Marks.MAP + Marks.TWO_THREADS, 2, false));
            contest.add(map(cell, Marks.MAP + Marks.ONE_THREAD, 1, false));
            contest.add(digests(Marks.DIGESTS + Marks.TWO_THREADS, 2));
            contest.add(digests(Marks.DIGESTS + Marks.ONE_THREAD, 1));
            return contest;
        }
        contest.add(library(cell, Marks.LIBRARY, cell.threads()));
        contest.add(map(cell, Marks.MAP, cell.threads(), false));
        if (cell.workload() == Workload.REPLAY || cell.workload() == Workload.REFUSED) {
            contest.add(map(cell, Marks.MAP_READ_FIRST, cell.threads(), true));
        }
        return contest;
    }

    private static Contestant library(Cell cell, String name, int threads) {
        return contestant(cell, name, threads, () -> {
            Map<String, String> bookings = new ConcurrentHashMap<>();
            InMemoryKeyStore<Map<String, String>> store =
                    new InMemoryKeyStore<>(new Unguarded(bookings), MOST_KEYS, InstantSource.system());
            // Another service than the one that is measured makes the keys.
            Library<Map<String, String>> filling = new Library<>(store, Map::put);
            fill(cell.workload(), filling::stages, filling::hold);
            return new Library<>(store, Map::put).readyFor(cell.workload());
        });
    }

    private static Contestant map(Cell cell, String name, int threads, boolean readsFirst) {
        return contestant(cell, name, threads, () -> {
            HandWrittenMap map = new HandWrittenMap(readsFirst);
            fill(cell.workload(), map::stages, map::hold);
            return map;
        });
    }

    /** What the machine's processors make of threads that share nothing, and leave nothing in memory. */
    private static Contestant digests(String name, int threads) {
        byte[] text = new byte[4_096];
        return new Contestant(name, 0, threads, number -> {
            if (Example.sha256().digest(text).length != 32) {
                throw new IllegalStateException("a digest has 32 bytes");
            }
        });
    }

    /** New keys would fill the memory, so they have a new store in each turn. */
    private static Contestant contestant(Cell cell, String name, int threads, Supplier<Requests> making) {
        Renewed task = new Renewed(
                () -> cell.workload().task(making.get(), cell.workload().stored()));
        return new Contestant(name, 0, threads, task, cell.workload().makesKeys() ? task::renew : () -> {});
    }

    private static void fill(Workload workload, Consumer<String> finish, Consumer<String> hold) {
        if (!workload.makesKeys()) {
            for (int i = 0; i < workload.stored(); i++) {
                (workload == Workload.REFUSED ? hold : finish).accept(Example.storedKey(i, workload.stored()));
            }
        }
    }

    /** Commits by having written, as the map on the other side does. */
    record Unguarded(Map<String, String> bookings) implements InMemoryTransactions<Map<String, String>> {
        @Override
        public Map<String, String> begin() {
            return bookings;
        }

        @Override
        public void commit(Map<String, String> transaction) {}

        @Override
        public void rollback(Map<String, String> transaction) {
            throw new IllegalStateException("no stage is expected to fail");
        }
    }

    @Override
    public double serverNanos() {
        return Double.NaN;
    }

    @Override
    public void close() {}
}
