package io.idempotencykey.service;

import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What one run of a completer has handed to its executor.
 *
 * <p>Each piece of work is begun once, by whoever comes first: the executor, or the thread that waits for the end of
 * all. That one takes a piece where none is under way, because a piece that the executor has dropped can't be told from
 * one that it will begin later. So the wait lasts as long as the work does, whatever the executor drops.
 */
final class HandedOut {
    private final Executor executor;
    private final boolean mayDrop;
    private final Lock lock = new ReentrantLock();
    private final Condition ended = lock.newCondition();
    private final Set<Runnable> notBegun = new LinkedHashSet<>();
    private int underWay;

    /** Work for an executor, which may drop some of it or is known to begin all. */
    HandedOut(Executor executor, boolean mayDrop) {
        this.executor = executor;
        this.mayDrop = mayDrop;
    }

    /** Hands out a piece of work that doesn't throw; what the executor refuses is withdrawn. */
    void add(Runnable work) {
        locked(() -> notBegun.add(work));
        try {
            executor.execute(() -> {
                if (locked(() -> begins(work))) {
                    run(work);
                }
            });
        } catch (Throwable e) {
            // A pool that gets no further thread throws an error, and nobody would begin the work then either.
            locked(() -> notBegun.remove(work));
            if (!(e instanceof RejectedExecutionException)) {
                throw e;
            }
        }
    }

    /**
     * Waits until all of it has ended, and begins what nobody else does. If the thread is interrupted, which it then
     * still is, it waits no longer, and nothing is begun any more.
     */
    void await() {
        try {
            for (Runnable next = next(); next != null; next = next()) {
                run(next);
            }
        } catch (InterruptedException e) {
            locked(() -> notBegun.retainAll(Set.of()));
            Thread.currentThread().interrupt();
        }
    }

    /** What this thread begins now, nobody else having anything under way; {@code null} if all has ended. */
    private @Nullable Runnable next() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (underWay > 0 || !(mayDrop || notBegun.isEmpty())) {
                ended.await();
            }
            Runnable next = notBegun.stream().findFirst().orElse(null);
            return next != null && begins(next) ? next : null;
        } finally {
            lock.unlock();
        }
    }

    private boolean begins(Runnable work) {
        boolean begins = notBegun.remove(work);
        underWay += begins ? 1 : 0;
        return begins;
    }

    private void run(Runnable work) {
        try {
            work.run();
        } finally {
            locked(() -> {
                underWay--;
                ended.signalAll();
                return true;
            });
        }
    }

    private boolean locked(BooleanSupplier change) {
        lock.lock();
        try {
            return change.getAsBoolean();
        } finally {
            lock.unlock();
        }
    }
}
