package io.idempotencykey.benchmarks;

import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import io.idempotencykey.service.Completer;
import io.idempotencykey.service.Execution;
import io.idempotencykey.service.IdempotencyKeyService;
import io.idempotencykey.service.Operation;
import jakarta.persistence.EntityManager;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Compares eight completers with one. The stuck keys' last stage takes 20 ms; a completer takes one key at a time. */
final class Completing {
    private static final int STUCK = 2_000;
    private static final int COMPLETERS = 8;
    private static final long STAGE_MILLIS = 20;

    private Completing() {}

    static void run(Server server, PrintStream out) throws Exception {
        double eight = perSecond(server, COMPLETERS, STUCK);
        double one = perSecond(server, 1, STUCK / COMPLETERS);
        double eightAgain = perSecond(server, COMPLETERS, STUCK);
        out.println("""

                2,000 stuck keys, a stage that takes 20 ms, completers that each take one key at a time.""");
        out.printf(
                Locale.ROOT,
                "eight completers over one   %.2f, %.2f%nkeys per second: %.0f and %.0f by eight, %.0f by one%n",
                eight / one,
                eightAgain / one,
                eight,
                eightAgain,
                one);
    }

    /** Lets completers finish so many of the stuck keys. */
    private static double perSecond(Server server, int completers, int count) throws Exception {
        String url = server.database();
        try (JpaApplication application = new JpaApplication(url, 2 * COMPLETERS)) {
            IdempotencyKeyService<EntityManager> service = new IdempotencyKeyService<>(application.store());
            Operation<EntityManager> operation = service.operation("complete-cart")
                    .completeAfterFailure()
                    .respond(RecoveryPoint.STARTED, stage -> {
                        if (stage.key().id().value().equals(Keys.SAMPLE)) {
                            throw new IllegalStateException("stuck");
                        }
                        stage.transaction().persist(new Booking(stage.key().id().value(), "placed"));
                        pause();
                        return Response.of(201, "application/json", Example.BODY);
                    })
                    .build();
            stick(service, operation);
            Keys.copySample(url, STUCK, "-1 hour");
            ExecutorService executor = Executors.newFixedThreadPool(completers);
            AtomicInteger finished = new AtomicInteger();
            long begin = System.nanoTime();
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < completers; i++) {
                Completer<EntityManager> completer = Completer.builder(new IdempotencyKeyService<>(application.store()))
                        .operation(operation)
                        .abandonedAfter(Duration.ZERO)
                        .batchSize(20)
                        .build();
                running.add(executor.submit(() -> {
                    while (finished.get() < count) {
                        finished.addAndGet(completer.runOnce());
                    }
                }));
            }
            for (Future<?> each : running) {
                each.get();
            }
            double seconds = (System.nanoTime() - begin) / 1e9;
            executor.shutdown();
            // No key can have two rows, so it is enough to count them.
            if (Server.count(url, "booking") != finished.get()) {
                throw new IllegalStateException("not one row for each of " + finished + " keys");
            }
            return finished.get() / seconds;
        }
    }

    private static void stick(IdempotencyKeyService<EntityManager> service, Operation<EntityManager> operation) {
        try {
            Execution execution = service.run(operation, KeyId.of(Example.SCOPE, Keys.SAMPLE), Library.request());
            throw new IllegalStateException("not stuck: " + execution);
        } catch (IllegalStateException e) {
            if (!"stuck".equals(e.getMessage())) {
                throw e;
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(STAGE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
