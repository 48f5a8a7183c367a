package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Request;
import io.idempotencykey.inmemory.InMemoryKeyStore;
import io.idempotencykey.jpa.JpaKeyStore;
import io.idempotencykey.mongo.MongoKeyStore;
import jakarta.persistence.EntityManagerFactory;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.ref.Reference;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What the library takes when it does nothing: the jars, the time to make a store, and the memory for each key. */
final class Footprint {
    private static final int KEYS = 100_000;
    private static final int STORES = 11;

    private Footprint() {}

    static void run(Server server, PrintStream out) throws Exception {
        for (Class<?> of : List.of(Request.class, InMemoryKeyStore.class, JpaKeyStore.class, MongoKeyStore.class)) {
            Path jar = jar(of);
            out.printf(Locale.ROOT, "%,9d bytes  %s%n", Files.size(jar), jar.getFileName());
        }
        out.printf(Locale.ROOT, "%,9.0f bytes  of the heap for each finished key in memory%n", bytesOfKey());
        List<Double> millis = new ArrayList<>();
        try (HikariDataSource pool = Server.pool(server.database(), 2);
                EntityManagerFactory factory = JpaApplication.factory(pool)) {
            for (int i = 0; i < STORES; i++) {
                millis.add(millisForStore(factory));
            }
        }
        out.printf(
                Locale.ROOT,
                "%,9.1f ms     to make a JpaKeyStore, with all that it checks; %,.1f for the process's first one%n",
                Ratios.median(millis.subList(1, STORES)),
                millis.get(0));
    }

    private static Path jar(Class<?> of) throws URISyntaxException {
        return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    /** Without the service that has made the keys, and what it remembers. */
    private static double bytesOfKey() {
        InMemoryKeyStore<Map<String, String>> store =
                new InMemoryKeyStore<>(new MemoryHouse.Unguarded(Map.of()), KEYS + 1, InstantSource.system());
        // So that what belongs to no key is there before.
        fill(store, 1);
        long before = used();
        try {
            fill(store, KEYS);
            return (double) (used() - before) / KEYS;
        } finally {
            Reference.reachabilityFence(store);
        }
    }

    /** By a service that is gone afterwards. */
    private static void fill(InMemoryKeyStore<Map<String, String>> store, int keys) {
        Library<Map<String, String>> library = new Library<>(store, (bookings, id, content) -> {});
        for (int i = 0; i < keys; i++) {
            library.stages(Example.newKey());
        }
    }

    private static long used() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    /** A store is made for each application, with its pool and its factory there already. */
    private static double millisForStore(EntityManagerFactory factory) {
        long begun = System.nanoTime();
        JpaKeyStore unused = new JpaKeyStore(factory);
        return (System.nanoTime() - begun) / 1e6;
    }
}
