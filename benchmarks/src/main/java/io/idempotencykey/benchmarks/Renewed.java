package io.idempotencykey.benchmarks;

import java.util.function.Supplier;

/** A side's task that can be made anew. */
final class Renewed implements Contestant.Task {
    private final Supplier<Contestant.Task> making;
    private volatile Contestant.Task task;

    Renewed(Supplier<Contestant.Task> making) {
        this.making = making;
        this.task = making.get();
    }

    void renew() {
        task = making.get();
    }

    @Override
    public void run(long number) throws Exception {
        task.run(number);
    }
}
