package io.idempotencykey.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;
import org.HdrHistogram.Histogram;

/**
 * Runs sides in turn in short rounds, and compares each round with its neighbours. A disturbance of the machine that
 * lasts longer than a round affects all sides. The order changes from round to round.
 *
 * @param warmUpRequests that each side does before it is measured, for at least {@code warmUp} and at most three times
 *     that
 */
record Rounds(int count, Duration length, long warmUpRequests, Duration warmUp) {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    /** The longest latency that a histogram tells from longer ones. */
    private static final long LONGEST = Duration.ofMinutes(1).toNanos();

    /** How many times as long as it has to be a warm-up takes at most, to reach its number of requests. */
    private static final int LONGEST_WARM_UP = 3;

    /** How many times as many rounds there are at most, where they don't do. */
    private static final int MOST = 4;

    /** By how much rounds are shortened at most, since shorter ones say nothing. */
    private static final double SHORTEST = 0.25;

    /** How long a turn lasts: until the time is over and the requests are done, but not beyond the last time. */
    private record Length(Duration atLeast, long requests, Duration atMost) {}

    /** What one thread did in a turn. */
    private record Share(long done, long bytes, Histogram latencies) {}

    /** The same with a longer warm-up, for a process in which nothing is compiled yet. */
    Rounds afterColdStart() {
        return warmingUp(5);
    }

    /** The same with a warm-up that is so many times as long. */
    Rounds warmingUp(int times) {
        return new Rounds(count, length, warmUpRequests * times, warmUp.multipliedBy(times));
    }

    /** The same with so many times as many requests in the warm-up, which lasts no longer at most than it did. */
    Rounds warmingUpMore(int times) {
        return new Rounds(count, length, warmUpRequests * times, warmUp);
    }

    /** The same with rounds that are so many times as long. */
    Rounds lasting(double times) {
        return new Rounds(count, part(length, times), warmUpRequests, warmUp);
    }

    /** How long so many sides take at most, unless more rounds follow. */
    Duration longest(int sides) {
        return longest(sides, count);
    }

    /** How long so many sides take at most with so many rounds. */
    Duration longest(int sides, int rounds) {
        return warmUp.multipliedBy(LONGEST_WARM_UP)
                .plus(length.multipliedBy(rounds))
                .multipliedBy(sides);
    }

    /** The same, but shorter where so many sides would take longer than there is time. */
    Rounds within(Duration time, int sides) {
        double part = Math.max(
                SHORTEST, Math.min(1, (double) time.toNanos() / longest(sides).toNanos()));
        return new Rounds(count, part(length, part), (long) (warmUpRequests * part), part(warmUp, part));
    }

    private static Duration part(Duration whole, double part) {
        return Duration.ofNanos((long) (whole.toNanos() * part));
    }

    /**
     * Measures sides, whose server tells its time on a processor.
     *
     * @param enough whether what was measured will do; otherwise as many rounds follow, up to four times as many in all,
     *     and all of them count
     */
    List<SideTurns> measure(List<Contestant> sides, DoubleSupplier serverNanos, Predicate<List<SideTurns>> enough)
            throws Exception {
        List<List<Turn>> turns = new ArrayList<>();
        sides.forEach(side -> turns.add(new ArrayList<>()));
        long[] numbers = new long[sides.size()];
        int threads = sides.stream().mapToInt(Contestant::threads).max().orElse(1);
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            Length half = new Length(
                    warmUp.dividedBy(2),
                    warmUpRequests / 2,
                    warmUp.multipliedBy(LONGEST_WARM_UP).dividedBy(2));
            for (int again = 0; again < 2; again++) {
                for (int i = 0; i < sides.size(); i++) {
                    sides.get(i).renewal().renew();
                    Turn unused = beside(executor, sides.get(i), numbers, i, half, serverNanos);
                }
            }
            int round = 0;
            do {
                for (int i = 0; i < sides.size(); i++) {
                    int side = side(round, i, sides.size());
                    Length whole = new Length(length, 0, length);
                    sides.get(side).renewal().renew();
                    System.gc();
                    turns.get(side).add(beside(executor, sides.get(side), numbers, side, whole, serverNanos));
                }
                round++;
            } while (round % count != 0 || (round < MOST * count && !enough.test(measured(sides, turns))));
        } finally {
            executor.shutdownNow();
            // What the threads use is closed next.
            boolean unused = executor.awaitTermination(1, TimeUnit.MINUTES);
        }
        return measured(sides, turns);
    }

    /**
     * Which side has a place in a round: in twice as many rounds as there are sides each comes twice first, twice last,
     * and within a round twice after each other one. That is E. J. Williams' design for experiments in which one
     * treatment may bear on the next (1949): 0, 1, n-1, 2, n-2 and so on, each time from another side on, and
     * backwards.
     */
    private static int side(int round, int place, int sides) {
        int forward = round % 2 == 0 ? place : sides - 1 - place;
        int step = forward % 2 == 1 ? (forward + 1) / 2 : sides - forward / 2;
        return (step + round / 2) % sides;
    }

    private static List<SideTurns> measured(List<Contestant> sides, List<List<Turn>> turns) {
        List<SideTurns> measured = new ArrayList<>();
        for (int i = 0; i < sides.size(); i++) {
            measured.add(new SideTurns(sides.get(i).name(), sides.get(i).roundTrips(), List.copyOf(turns.get(i))));
        }
        return measured;
    }

    private static Turn beside(
            ExecutorService executor,
            Contestant side,
            long[] numbers,
            int index,
            Length length,
            DoubleSupplier serverNanos)
            throws Exception {
        long begin = System.nanoTime();
        Contestant.Ending ending = side.beside().begin();
        Turn turn;
        try {
            turn = turn(executor, side, numbers, index, length, serverNanos);
        } catch (Throwable e) {
            ending.endAfter(e);
            throw e;
        }
        long answered = ending.end();
        return turn.beside(answered * 1e9 / (System.nanoTime() - begin));
    }

    private static Turn turn(
            ExecutorService executor,
            Contestant side,
            long[] numbers,
            int index,
            Length length,
            DoubleSupplier serverNanos)
            throws Exception {
        double serverBefore = serverNanos.getAsDouble();
        long clientBefore = SYSTEM.getProcessCpuTime();
        long begin = System.nanoTime();
        List<Future<Share>> shares = new ArrayList<>();
        for (int thread = 0; thread < side.threads(); thread++) {
            long first = numbers[index] + thread;
            Callable<Share> loop = () -> share(side, first, begin, length);
            shares.add(executor.submit(loop));
        }
        long done = 0;
        long most = 0;
        long bytes = 0;
        Histogram latencies = new Histogram(LONGEST, 3);
        for (Future<Share> each : shares) {
            Share share = get(each);
            done += share.done;
            most = Math.max(most, share.done);
            bytes += share.bytes;
            latencies.add(share.latencies);
        }
        double nanos = System.nanoTime() - begin;
        double client = SYSTEM.getProcessCpuTime() - clientBefore;
        double server = serverNanos.getAsDouble() - serverBefore;
        // So that no number is used twice, whichever thread was ahead.
        numbers[index] += most * side.threads();
        return new Turn(
                done * 1e9 / nanos,
                latencies.getValueAtPercentile(50) / 1e3,
                latencies.getValueAtPercentile(99) / 1e3,
                (double) bytes / done,
                client / done / 1e3,
                server / done / 1e3,
                0);
    }

    /** What a thread did, or what it failed with. */
    private static Share get(Future<Share> future) throws Exception {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    private static Share share(Contestant side, long first, long begin, Length length) throws Exception {
        Histogram latencies = new Histogram(LONGEST, 3);
        long atLeast = length.atLeast.toNanos();
        long atMost = length.atMost.toNanos();
        long wanted = length.requests / side.threads();
        long number = first;
        long done = 0;
        long bytes = THREADS.getCurrentThreadAllocatedBytes();
        long now = System.nanoTime();
        do {
            side.task().run(number);
            number += side.threads();
            done++;
            long then = System.nanoTime();
            latencies.recordValue(Math.min(then - now, LONGEST));
            now = then;
        } while (now - begin < atMost && (now - begin < atLeast || done < wanted));
        return new Share(done, THREADS.getCurrentThreadAllocatedBytes() - bytes, latencies);
    }
}
