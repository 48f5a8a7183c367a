package io.idempotencykey.service;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Threads that play the workers of one run after another, of which only one moves at a time: whoever has the turn.
 *
 * <p>A run's first worker is played by the thread that asks for the run. Threads are made when a run needs more of them
 * than any before, and end when the crew is closed.
 */
final class Crew implements AutoCloseable {
    /** No run takes as long, unless something waits for ever. */
    private static final long MOST_NANOS = 60_000_000_000L;

    private final List<Player> players = new ArrayList<>();
    private final Thread owner = Thread.currentThread();
    private volatile Thread turn = owner;
    private volatile boolean closed;
    private long switches;

    /** A thread, and what it has to do. */
    private final class Player implements Runnable {
        final Thread thread;
        volatile @Nullable Runnable work;

        Player(int number) {
            thread = new Thread(this, "simulated worker " + number);
            thread.setDaemon(true);
        }

        @Override
        public void run() {
            while (true) {
                awaitTurn();
                Runnable next = work;
                if (closed || next == null) {
                    return;
                }
                work = null;
                next.run();
            }
        }
    }

    /**
     * Lets a thread play a worker, once it gets the turn. The last thing that the work does is to give the turn to
     * another one.
     */
    Thread play(int number, Runnable work) {
        while (players.size() <= number) {
            Player player = new Player(players.size());
            players.add(player);
            player.thread.start();
        }
        Player player = players.get(number);
        player.work = work;
        return player.thread;
    }

    /** Gives the turn away; the caller goes on to {@link #awaitTurn}, or ends. */
    void give(Thread to) {
        if (to != Thread.currentThread()) {
            switches++;
        }
        turn = to;
        LockSupport.unpark(to);
    }

    /** Waits until this thread has the turn. */
    void awaitTurn() {
        Thread me = Thread.currentThread();
        if (turn == me) {
            return;
        }
        long begin = System.nanoTime();
        while (turn != me) {
            LockSupport.parkNanos(this, MOST_NANOS);
            if (closed) {
                return;
            }
            if (me == owner && System.nanoTime() - begin > MOST_NANOS) {
                throw new AssertionError("the run did not end");
            }
        }
    }

    /** Who asks for the runs, and plays the first worker of each. */
    Thread owner() {
        return owner;
    }

    /** How often the turn went to another thread. */
    long switches() {
        return switches;
    }

    @Override
    public void close() {
        closed = true;
        players.forEach(player -> LockSupport.unpark(player.thread));
    }
}
