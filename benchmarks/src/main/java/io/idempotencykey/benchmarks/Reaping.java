package io.idempotencykey.benchmarks;

import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.Reaper;
import jakarta.persistence.EntityManager;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Compares claims while the reaper removes a million expired keys with claims while it rests. */
final class Reaping {
    private static final int EXPIRED = 1_000_000;
    private static final int THREADS = 4;

    private Reaping() {}

    private record Round(double medianMicros, double claims, double deleted) {}

    static void run(Server server, Rounds rounds, PrintStream out) throws Exception {
        String url = server.database();
        ExecutorService executor = Executors.newFixedThreadPool(THREADS + 1);
        try (JpaApplication application = new JpaApplication(url, THREADS + 1)) {
            Library<EntityManager> library = application.library();
            library.stages(Keys.SAMPLE);
            Keys.copySample(url, EXPIRED, "-1 day");
            Reaper reaper = new Reaper(library.service());
            round(executor, library, null, rounds);
            List<Round> resting = new ArrayList<>();
            List<Round> reaping = new ArrayList<>();
            List<Double> slower = new ArrayList<>();
            List<Double> faster = new ArrayList<>();
            for (int i = 0; i < rounds.count(); i++) {
                Round without = round(executor, library, null, rounds);
                Round with = round(executor, library, reaper, rounds);
                resting.add(without);
                reaping.add(with);
                slower.add(with.medianMicros / without.medianMicros);
                faster.add(with.deleted / with.claims);
            }
            out.println("""

                    Claims by 4 threads while the reaper works through 1,000,000 expired keys.""");
            out.printf("median latency of a claim, with the reaper over without   %s%n", Ratios.shown(slower));
            out.printf("keys deleted over keys claimed meanwhile                  %s%n", Ratios.shown(faster));
            out.printf(
                    Locale.ROOT,
                    "a claim takes %.0f µs with, %.0f µs without; %,.0f claims/s, %,.0f deletions/s%n",
                    Ratios.median(reaping.stream().map(Round::medianMicros).toList()),
                    Ratios.median(resting.stream().map(Round::medianMicros).toList()),
                    Ratios.median(reaping.stream().map(Round::claims).toList()),
                    Ratios.median(reaping.stream().map(Round::deleted).toList()));
        } finally {
            executor.shutdownNow();
        }
    }

    private static Round round(
            ExecutorService executor, Library<EntityManager> library, @Nullable Reaper reaper, Rounds rounds)
            throws Exception {
        long begin = System.nanoTime();
        long end = begin + rounds.length().toNanos();
        AtomicInteger deleted = new AtomicInteger();
        Future<?> reaping = reaper == null
                ? null
                : executor.submit(() -> {
                    while (System.nanoTime() < end) {
                        deleted.addAndGet(reaper.runOnce());
                    }
                });
        List<Future<List<Long>>> claiming = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            Callable<List<Long>> claims = () -> {
                List<Long> nanos = new ArrayList<>();
                while (System.nanoTime() < end) {
                    long before = System.nanoTime();
                    HeldKey unused = library.claim(Example.newKey());
                    nanos.add(System.nanoTime() - before);
                }
                return nanos;
            };
            claiming.add(executor.submit(claims));
        }
        List<Long> nanos = new ArrayList<>();
        for (Future<List<Long>> each : claiming) {
            nanos.addAll(each.get());
        }
        double claims = nanos.size() * 1e9 / (System.nanoTime() - begin);
        if (reaping != null) {
            reaping.get();
        }
        double deletions = deleted.get() * 1e9 / (System.nanoTime() - begin);
        Collections.sort(nanos);
        return new Round(nanos.get(nanos.size() / 2) / 1e3, claims, deletions);
    }
}
