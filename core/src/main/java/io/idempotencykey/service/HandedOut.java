package io.idempotencykey.service;

import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
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
    private final Set<Runnable> notBegun = new LinkedHashSet<>();
    private int underWay;

    /** Work for an executor, which may drop some of it or is known to begin all. */
    HandedOut(Executor executor, boolean mayDrop) {
        this.executor = executor;
        this.mayDrop = mayDrop;
    }

    /** Hands out a piece of work that doesn't throw; what the executor refuses is withdrawn. */
    void add(Runnable work) {
        synchronized (this) {
            notBegun.add(work);
        }
        try {
            executor.execute(() -> {
                if (begin(work)) {
                    run(work);
                }
            });
        } catch (RejectedExecutionException e) {
            withdraw(work);
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
            withdrawAll();
            Thread.currentThread().interrupt();
        }
    }

    /** What this thread begins now, nobody else having anything under way; {@code null} if all has ended. */
    private synchronized @Nullable Runnable next() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        while (underWay > 0 || !(mayDrop || notBegun.isEmpty())) {
            wait();
        }
        Iterator<Runnable> left = notBegun.iterator();
        if (!left.hasNext()) {
            return null;
        }
        Runnable next = left.next();
        left.remove();
        underWay++;
        return next;
    }

    private synchronized boolean begin(Runnable work) {
        boolean begins = notBegun.remove(work);
        underWay += begins ? 1 : 0;
        return begins;
    }

    private void run(Runnable work) {
        try {
            work.run();
        } finally {
            end();
        }
    }

    private synchronized void end() {
        underWay--;
        notifyAll();
    }

    private synchronized void withdraw(Runnable work) {
        notBegun.remove(work);
    }

    private synchronized void withdrawAll() {
        notBegun.clear();
    }
}
