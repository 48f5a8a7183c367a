package io.idempotencykey.benchmarks;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Runs sides in turn in short rounds, and compares each round with its neighbours. A disturbance of the machine that
 * lasts longer than a round affects all sides.
 */
record Rounds(int count, Duration length) {
    private static final int WARM_UP = 4;

    /** A task that several threads do again and again; {@code number} counts the runs of a thread in a round. */
    @FunctionalInterface
    interface Task {
        void run(int thread, long number) throws Exception;
    }

    /** The rates of both sides in each round. */
    record Result(List<Double> first, List<Double> second) {
        /** The first side's rate divided by the second's, for each round. */
        List<Double> ratios() {
            List<Double> ratios = new ArrayList<>();
            for (int i = 0; i < first.size(); i++) {
                ratios.add(first.get(i) / second.get(i));
            }
            return ratios;
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT, "%-20s %,10.0f/s %,10.0f/s", shown(ratios()), median(first), median(second));
        }
    }

    /** Measures how often per second the tasks are done. */
    Result compare(int threads, Task first, Task second) throws Exception {
        List<List<Double>> rates = rates(threads, List.of(first, second));
        return new Result(rates.get(0), rates.get(1));
    }

    /** Measures each task's rate in each round; the first rounds are for warming up, and every second one goes back. */
    List<List<Double>> rates(int threads, List<Task> tasks) throws Exception {
        List<List<Double>> rates = new ArrayList<>();
        tasks.forEach(task -> rates.add(new ArrayList<>()));
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            for (int round = -WARM_UP; round < count; round++) {
                for (int i = 0; i < tasks.size(); i++) {
                    int task = round % 2 == 0 ? i : tasks.size() - 1 - i;
                    double rate = rate(executor, threads, tasks.get(task));
                    if (round >= 0) {
                        rates.get(task).add(rate);
                    }
                }
            }
        } finally {
            executor.shutdownNow();
        }
        return rates;
    }

    /** Measures how often per second a task is done. */
    double rate(ExecutorService executor, int threads, Task task) throws InterruptedException, ExecutionException {
        long begin = System.nanoTime();
        long end = begin + length.toNanos();
        List<Future<Long>> counts = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int thread = i;
            Callable<Long> loop = () -> {
                long done = 0;
                while (System.nanoTime() < end) {
                    task.run(thread, done++);
                }
                return done;
            };
            counts.add(executor.submit(loop));
        }
        long done = 0;
        for (Future<Long> each : counts) {
            done += each.get();
        }
        return done * 1e9 / (System.nanoTime() - begin);
    }

    /** The median, with the least and the greatest. */
    static String shown(List<Double> ratios) {
        return String.format(
                Locale.ROOT, "%.2f (%.2f–%.2f)", median(ratios), Collections.min(ratios), Collections.max(ratios));
    }

    static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }
}
