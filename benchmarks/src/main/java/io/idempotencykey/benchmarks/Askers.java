package io.idempotencykey.benchmarks;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Clients that ask for one thing again and again, each after a pause, until they are ended. */
final class Askers implements Contestant.Ending {
    private final CountDownLatch end = new CountDownLatch(1);
    private final List<Future<Long>> asking = new ArrayList<>();
    private final ExecutorService executor;

    /** Asks once. */
    @FunctionalInterface
    interface Question {
        void ask() throws Exception;
    }

    Askers(int count, Duration pause, Question question) {
        this.executor = Executors.newFixedThreadPool(count);
        Callable<Long> asker = () -> {
            long asked = 0;
            do {
                question.ask();
                asked++;
            } while (!end.await(pause.toNanos(), TimeUnit.NANOSECONDS));
            return asked;
        };
        for (int i = 0; i < count; i++) {
            asking.add(executor.submit(asker));
        }
    }

    /** Ends them all; fails as the first of them that has failed. */
    @Override
    public long end() throws Exception {
        end.countDown();
        executor.shutdown();
        // What they use is closed next.
        boolean unused = executor.awaitTermination(1, TimeUnit.MINUTES);
        long answers = 0;
        for (Future<Long> each : asking) {
            try {
                answers += each.get();
            } catch (ExecutionException e) {
                throw e.getCause() instanceof Exception cause ? cause : e;
            }
        }
        return answers;
    }
}
