package io.idempotencykey.benchmarks;

import java.util.concurrent.atomic.AtomicLong;

/**
 * One side of a cell.
 *
 * @param roundTrips to the server, for each request, by documentation; NaN where nobody says
 * @param threads by how many threads it is asked
 * @param renewal makes the side's data anew before each turn, where they would grow beyond their bounds
 * @param beside what goes on meanwhile, and isn't measured
 */
record Contestant(String name, double roundTrips, int threads, Task task, Renewal renewal, Beside beside) {
    /** A request; {@code number} counts all requests of the side. */
    @FunctionalInterface
    interface Task {
        void run(long number) throws Exception;

        /** The same with the requests of all threads counted together, and not by the threads' own numbers. */
        static Task inTurn(Task task) {
            AtomicLong next = new AtomicLong();
            return number -> task.run(next.getAndIncrement());
        }
    }

    /** What is done before each turn, and isn't measured. */
    @FunctionalInterface
    interface Renewal {
        void renew() throws Exception;
    }

    /** Something that begins before a turn. */
    @FunctionalInterface
    interface Beside {
        Ending begin() throws Exception;
    }

    /** Ends it after the turn, and says how many answers it got. */
    @FunctionalInterface
    interface Ending {
        long end() throws Exception;

        /** Ends it after something else has failed, to which its own failure is added. */
        default void endAfter(Throwable failure) {
            try {
                long unused = end();
            } catch (Exception e) {
                failure.addSuppressed(e);
            }
        }
    }

    Contestant(String name, double roundTrips, int threads, Task task, Renewal renewal) {
        this(name, roundTrips, threads, task, renewal, () -> () -> 0);
    }

    Contestant(String name, double roundTrips, int threads, Task task) {
        this(name, roundTrips, threads, task, () -> {});
    }
}
