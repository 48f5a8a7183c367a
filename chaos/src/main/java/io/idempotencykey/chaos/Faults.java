package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.IntSupplier;
import java.util.stream.Stream;

/** Makes faults one after another on two threads, one for the shops and one for all else, until it is told to end. */
final class Faults {
    private static final int MOST_PAUSE_MILLIS = 1_000;
    /** Shops take some time until they serve again. */
    private static final int MOST_PAUSE_MILLIS_OF_SHOPS = 5_000;

    /** A commit that is caught may take two seconds until it arrives. */
    private static final int MOST_TRAPPED_MILLIS = 4_000;

    private static final int BUSY_THREADS = 40;
    /** So many kinds each thread makes in each scenario, and so many further the next scenario begins. */
    private static final int LEAST_KINDS = 2;

    /** Makes a fault, and undoes it; returns on how many things it had an effect. */
    @FunctionalInterface
    interface Action {
        int make() throws IOException, InterruptedException, SQLException;
    }

    /** What became of a kind of fault; it is not possible if it can't be made here, and {@code problem} says why. */
    record Made(
            String fault,
            String meaning,
            boolean possible,
            long made,
            long withoutEffect,
            long failed,
            long affected,
            String affectedWhat,
            long refusalsMeanwhile,
            String problem) {}

    private static final class Tally {
        private boolean possible = true;
        private long made;
        private long withoutEffect;
        private long failed;
        private long effects;
        private long refusals;
        private String problem = "";

        synchronized void made(int effect, long refused) {
            made++;
            effects += effect;
            refusals += refused;
            if (effect == 0) {
                withoutEffect++;
            }
        }

        synchronized void failed(String why, long refused) {
            failed++;
            refusals += refused;
            problem = why;
        }

        synchronized void impossible(String why) {
            possible = false;
            problem = why;
        }

        synchronized Made made(Fault fault) {
            return new Made(
                    fault.text(),
                    fault.description(),
                    possible,
                    made,
                    withoutEffect,
                    failed,
                    effects,
                    fault.unit(),
                    refusals,
                    problem);
        }
    }

    private final Processes processes;
    private final Path folder;
    private final Clients clients;
    private final Map<Fault, Tally> tallies = Collections.synchronizedMap(new EnumMap<>(Fault.class));
    private final Map<Fault, Action> ofShops = new EnumMap<>(Fault.class);
    private final Map<Fault, Action> ofAllElse = new EnumMap<>(Fault.class);
    private final List<Thread> threads = new ArrayList<>();
    private final List<CountDownLatch> enough = new ArrayList<>();
    private final Random shopRandom;
    private final Random otherRandom;
    private volatile boolean ending;

    Faults(Processes processes, Path folder, Clients clients, long seed) {
        this.processes = processes;
        this.folder = folder;
        this.clients = clients;
        shopRandom = new Random(seed);
        otherRandom = new Random(seed + 1);
    }

    void addShops(Shops shops) {
        ofShops.put(Fault.KILL, () -> {
            boolean served = shops.serving(shopRandom).kill();
            return served ? 1 : 0;
        });
        ofShops.put(
                Fault.STOP,
                () -> shops.serving(shopRandom).pause(Shops.LEASE_MILLIS * 3 / 2 + shopRandom.nextInt(2_500)) ? 1 : 0);
        ofShops.put(Fault.BUSY, () -> {
            Processes.Child busy = processes.start(
                    folder.resolve("busy.log"), Processes.java(Busy.class.getName(), "" + BUSY_THREADS));
            try {
                String unused = busy.firstLine();
                Thread.sleep(2_000 + shopRandom.nextInt(3_000));
            } finally {
                busy.kill();
            }
            return BUSY_THREADS;
        });
    }

    void addProxy(FaultProxy proxy) {
        ofAllElse.put(Fault.CUT, () -> proxy.cutHalf(otherRandom));
        ofAllElse.put(Fault.HALF_OPEN, () -> proxy.swallowHalf(otherRandom));
        ofAllElse.put(Fault.LOST, () -> trap(proxy::loseNext, proxy::lost));
        ofAllElse.put(Fault.LATE, () -> trap(proxy::delayNext, proxy::late));
        ofAllElse.put(Fault.LATENCY, () -> proxy.slowDown(100, 1_000 + otherRandom.nextInt(2_000)));
        ofAllElse.put(Fault.POOL, () -> proxy.slowDown(3_000, 3_000));
    }

    /** Sets some traps, waits for a while, and returns how many were sprung. */
    private int trap(IntConsumer set, IntSupplier sprung) throws InterruptedException {
        int count = 1 + otherRandom.nextInt(5);
        int before = sprung.getAsInt();
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(MOST_TRAPPED_MILLIS);
        set.accept(count);
        while (sprung.getAsInt() - before < count && System.nanoTime() < end) {
            Thread.sleep(5);
        }
        set.accept(0);
        return sprung.getAsInt() - before;
    }

    void addServer(Store store) {
        ofAllElse.put(Fault.SERVER, () -> {
            store.kill();
            Thread.sleep(otherRandom.nextInt(1_000));
            store.start();
            return 1;
        });
    }

    void addStore(Store store) {
        ofAllElse.put(Fault.BACKEND, () -> store.endConnections(otherRandom));
        ofAllElse.put(Fault.READ_ONLY, () -> {
            store.setReadOnly(true);
            try {
                Thread.sleep(500 + otherRandom.nextInt(2_000));
            } finally {
                writeAgain(store);
            }
            return 1;
        });
    }

    private static void writeAgain(Store store) throws InterruptedException, SQLException {
        for (int tries = 1; ; tries++) {
            try {
                store.setReadOnly(false);
                return;
            } catch (SQLException | RuntimeException e) {
                if (tries == 20) {
                    throw e;
                }
                Thread.sleep(500);
            }
        }
    }

    void addDisk(Disk disk, Store store) {
        ofAllElse.put(Fault.DISK, () -> {
            disk.fill();
            try {
                Thread.sleep(1_000 + otherRandom.nextInt(2_000));
            } finally {
                disk.empty();
            }
            mend(store);
            return 1;
        });
    }

    /** Starts a server again that has ended, or that hangs. */
    static void mend(Store store) throws IOException, InterruptedException, SQLException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
        while (!store.answers()) {
            if (System.nanoTime() > end) {
                store.kill();
                store.start();
                return;
            }
            Thread.sleep(100);
        }
    }

    void add(Fault fault, Action action) {
        ofAllElse.put(fault, action);
    }

    /** Says of a fault that it can't be made here. */
    void impossible(Fault fault, String why) {
        ofAllElse.remove(fault);
        tally(fault).impossible(why);
        System.out.println("  " + fault.text() + " can't be made here: " + why);
    }

    Random random() {
        return otherRandom;
    }

    private Tally tally(Fault fault) {
        return tallies.computeIfAbsent(fault, none -> new Tally());
    }

    /** Begins with the faults that are wanted, with others than in the turn before. */
    void begin(Set<Fault> wanted, int turn) {
        tallies.keySet().retainAll(wanted);
        begin(ofShops, wanted, shopRandom, MOST_PAUSE_MILLIS_OF_SHOPS, turn);
        begin(ofAllElse, wanted, otherRandom, MOST_PAUSE_MILLIS, turn);
    }

    private void begin(Map<Fault, Action> actions, Set<Fault> wanted, Random random, int mostPause, int turn) {
        actions.keySet().retainAll(wanted);
        actions.keySet().forEach(this::tally);
        if (!actions.isEmpty()) {
            CountDownLatch left = new CountDownLatch(LEAST_KINDS + own(actions).size());
            enough.add(left);
            Thread thread = new Thread(() -> run(actions, random, mostPause, turn, left), "faults");
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
    }

    /**
     * Makes all of them in one order, then in another; what only this scenario has comes early. The first order is the
     * same in all scenarios but for where it begins, and so all are made in some scenario.
     */
    private void run(Map<Fault, Action> actions, Random random, int mostPause, int turn, CountDownLatch left) {
        List<Fault> own = own(actions);
        List<Fault> common = new ArrayList<>(actions.keySet());
        common.removeAll(own);
        Collections.shuffle(common, random);
        Collections.rotate(common, -LEAST_KINDS * turn);
        try {
            while (true) {
                List<Fault> order = new ArrayList<>(common);
                order.addAll(Math.min(LEAST_KINDS, order.size()), own);
                for (Fault fault : order) {
                    Thread.sleep(random.nextInt(mostPause));
                    if (ending) {
                        return;
                    }
                    make(fault, Objects.requireNonNull(actions.get(fault)));
                    left.countDown();
                }
                Collections.shuffle(common, random);
            }
        } catch (InterruptedException e) {
            // It is over.
        }
    }

    /** What only this scenario has. */
    private static List<Fault> own(Map<Fault, Action> actions) {
        return Stream.of(Fault.POOLER, Fault.PROMOTION)
                .filter(actions::containsKey)
                .toList();
    }

    /** Waits, within a bound, until so many faults were made that all scenarios together have each kind. */
    void awaitEnough() throws InterruptedException {
        for (CountDownLatch each : enough) {
            boolean unused = each.await(1, TimeUnit.MINUTES);
        }
    }

    private void make(Fault fault, Action action) throws InterruptedException {
        long before = clients.refusals();
        try {
            int effect = action.make();
            tally(fault).made(effect, clients.refusals() - before);
        } catch (IOException | SQLException | RuntimeException e) {
            System.out.println("  " + fault.text() + " failed: " + e);
            tally(fault).failed(e.toString(), clients.refusals() - before);
        }
    }

    /** Ends with the faults that are being made, which are undone. */
    void end() throws IOException, InterruptedException {
        ending = true;
        for (Thread thread : threads) {
            thread.join(TimeUnit.MINUTES.toMillis(3));
            if (thread.isAlive()) {
                throw new IOException("a fault isn't undone after three minutes");
            }
        }
    }

    /** What became of each kind that is wanted, also of one that was never made. */
    List<Made> made() {
        List<Made> list = new ArrayList<>();
        for (Fault fault : Fault.values()) {
            if (tallies.containsKey(fault)) {
                list.add(tally(fault).made(fault));
            }
        }
        return list;
    }
}
