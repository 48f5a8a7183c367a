package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import io.idempotencykey.Response;
import io.idempotencykey.service.HeldKey;
import io.idempotencykey.service.StageOutcome;
import io.idempotencykey.service.StageResult;
import jakarta.persistence.EntityManager;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ordinary traffic of one process while others ask it for a key that it is running: alone, with askers that pause for
 * 100 ms, and with askers that don't.
 */
final class HotKey {
    private static final int ORDINARY = 8;
    /** A pool as an application has it, which both kinds of traffic share. */
    static final int CONNECTIONS = 32;

    private static final Duration PAUSE = Duration.ofMillis(100);

    private HotKey() {}

    static List<Contestant> library(Library<EntityManager> library, int askers) {
        return sides(Marks.LIBRARY, library, pause -> {
            String key = Example.newKey();
            Running running = new Running(library, key);
            Askers asking = new Askers(askers, pause, () -> library.refused(key));
            return () -> {
                long answers;
                try {
                    answers = asking.end();
                } catch (Throwable e) {
                    running.endAfter(e);
                    throw e;
                }
                return answers + running.end();
            };
        });
    }

    static List<Contestant> handWritten(HikariDataSource pool, int askers) {
        HandWritten handWritten = new HandWritten(pool, BookingRows.statements(), true, Columns.NEEDED);
        return sides(Marks.JDBC, handWritten, pause -> {
            String key = Example.newKey();
            handWritten.hold(key);
            return new Askers(askers, pause, () -> handWritten.refused(key));
        });
    }

    @FunctionalInterface
    private interface Asking {
        Contestant.Ending begin(Duration pause) throws Exception;
    }

    private static List<Contestant> sides(String name, Requests requests, Asking asking) {
        return List.of(
                side(name, requests, () -> () -> 0),
                side(name + Marks.ASKED_WITH_PAUSES, requests, () -> asking.begin(PAUSE)),
                side(name + Marks.ASKED, requests, () -> asking.begin(Duration.ZERO)));
    }

    private static Contestant side(String name, Requests requests, Contestant.Beside beside) {
        return new Contestant(
                name, Double.NaN, ORDINARY, number -> requests.stages(Example.newKey()), () -> {}, beside);
    }

    /** A request of the process itself, in a stage that takes as long as it is wanted. */
    private static final class Running implements Contestant.Ending {
        private final CountDownLatch begun = new CountDownLatch(1);
        private final CountDownLatch end = new CountDownLatch(1);
        private final CompletableFuture<StageResult> stage;

        Running(Library<EntityManager> library, String key) throws InterruptedException {
            HeldKey held = library.claim(key);
            this.stage = CompletableFuture.supplyAsync(
                    () -> library.service().workStage(held, context -> {
                        begun.countDown();
                        if (!end.await(1, TimeUnit.MINUTES)) {
                            throw new IllegalStateException("nobody ends the stage");
                        }
                        return StageOutcome.respond(Response.of(201, "application/json", Example.BODY));
                    }),
                    task -> new Thread(task, "running").start());
            if (!begun.await(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("the stage doesn't begin");
            }
        }

        /** It asks for nothing. */
        @Override
        public long end() throws Exception {
            end.countDown();
            StageResult unused = stage.get(1, TimeUnit.MINUTES);
            return 0;
        }
    }
}
