package io.idempotencykey.service;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/** Runs the same work on as many threads as the simulation may use at once. */
final class Lanes {
    private static final int COUNT = Math.min(2, Runtime.getRuntime().availableProcessors());

    private Lanes() {}

    static void run(Runnable work) throws InterruptedException {
        AtomicReference<Throwable> broken = new AtomicReference<>();
        List<Thread> lanes = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            Thread lane = new Thread(work, "simulation " + i);
            lane.setUncaughtExceptionHandler((thread, failure) -> broken.set(failure));
            lane.start();
            lanes.add(lane);
        }
        for (Thread lane : lanes) {
            lane.join();
        }
        Throwable failure = broken.get();
        if (failure != null) {
            throw new AssertionError("a lane broke", failure);
        }
    }
}
