package io.idempotencykey.chaos;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One scenario from its server's start to the check. */
final class Run {
    /** What the end of a scenario usually takes. */
    private static final Duration END = Duration.ofSeconds(8);

    private static final Duration LEAST = Duration.ofSeconds(10);

    /** When faults have ceased, everything has to end within this; MongoDB ends what the dead left in a minute. */
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static final Duration PATIENCE_MONGODB = Duration.ofSeconds(150);

    private static final Duration STILL_BUSY = Duration.ofSeconds(15);

    private static final int ASKED_AGAIN = 300;

    /** What counts the requests that have an answer. */
    static final String ANSWERED = "requests with an answer";

    private static final Pattern CHARGE =
            Pattern.compile("\"id\":\"([^\"]+)\",\"key\":\"([^\"]+)\",\"cart\":\"([^\"]+)\",\"amount\":([0-9]+)");

    private final Scenario scenario;
    private final Set<Fault> wanted;
    private final long seed;
    private final long begin = System.nanoTime();
    private final Processes processes;
    private final Path folder;
    private final Disk disk;

    private Run(Scenario scenario, Set<Fault> wanted, long seed, Processes processes)
            throws IOException, InterruptedException {
        this.scenario = scenario;
        this.wanted = wanted;
        this.seed = seed;
        this.processes = processes;
        folder = processes.folder();
        disk = new Disk(folder.resolve("disk"));
    }

    /** Runs a scenario for about so long. */
    static Outcome of(Scenario scenario, Set<Fault> wanted, long seed, Duration share, Optional<Path> logs)
            throws IOException, InterruptedException, SQLException {
        try (Processes processes = new Processes()) {
            Shops.prepare(processes);
            Run run = new Run(scenario, wanted, seed, processes);
            try (Store store = run.open()) {
                return run.run(store, share);
            } finally {
                run.disk.remove();
                if (logs.isPresent()) {
                    run.keepLogs(logs.get());
                }
            }
        }
    }

    private Store open() throws IOException, InterruptedException {
        return switch (scenario) {
            case POSTGRESQL, PGBOUNCER -> new Postgresql(processes, folder, disk.folder(), Postgresql.Replication.NONE);
            case SYNCHRONOUS -> new Postgresql(processes, folder, disk.folder(), Postgresql.Replication.SYNCHRONOUS);
            case ASYNCHRONOUS -> new Postgresql(processes, folder, disk.folder(), Postgresql.Replication.ASYNCHRONOUS);
            case MARIADB -> new Mysql(processes, folder, disk.folder(), true);
            case MYSQL -> new Mysql(processes, folder, disk.folder(), false);
            case MONGODB -> new Mongodb(processes, folder, disk.folder());
        };
    }

    private Outcome run(Store store, Duration share) throws IOException, InterruptedException, SQLException {
        store.start();
        String version = store.version();
        Optional<Pooler> pooler = Optional.empty();
        if (scenario == Scenario.PGBOUNCER) {
            Pooler made = new Pooler(processes, folder, store.port());
            made.start();
            pooler = Optional.of(made);
            version += " behind PgBouncer";
        }
        int port = pooler.isPresent() ? pooler.get().port() : store.port();
        try (FaultProxy proxy = new FaultProxy(port);
                Shops shops = new Shops(processes, folder, store, proxy.port())) {
            // A review of a shop that died would keep its key for a minute, until MongoDB ends its transaction.
            Clients clients = new Clients(shops, scenario != Scenario.MONGODB, seed);
            Faults faults = faults(store, proxy, shops, clients, pooler);
            long faultsBegin = System.nanoTime();
            faults.begin(wanted, List.of(Scenario.values()).indexOf(scenario));
            Duration left = share.minusNanos(System.nanoTime() - begin).minus(END);
            Thread.sleep((left.compareTo(LEAST) < 0 ? LEAST : left).toMillis());
            faults.awaitEnough();
            faults.end();
            long faultsEnd = System.nanoTime();
            return settle(store, shops, clients, faults, version, seconds(faultsBegin, faultsEnd));
        }
    }

    private Faults faults(Store store, FaultProxy proxy, Shops shops, Clients clients, Optional<Pooler> pooler) {
        Faults faults = new Faults(processes, folder, clients, seed);
        faults.addShops(shops);
        faults.addProxy(proxy);
        faults.addStore(store);
        Optional<String> foreign = store instanceof Mongodb mongodb ? mongodb.problem() : Optional.empty();
        if (foreign.isPresent()) {
            faults.impossible(Fault.SERVER, foreign.get());
            faults.impossible(Fault.DISK, foreign.get());
        } else {
            faults.addServer(store);
            Optional<String> problem = scenario == Scenario.MARIADB
                    ? Optional.of("MariaDB loses committed rows by itself when its disk is full (GUARANTEES.md, N13)")
                    : disk.problem();
            if (problem.isPresent()) {
                faults.impossible(Fault.DISK, problem.get());
            } else {
                faults.addDisk(disk, store);
            }
        }
        pooler.ifPresent(each -> faults.add(Fault.POOLER, () -> {
            each.kill();
            Thread.sleep(faults.random().nextInt(1_000));
            each.start();
            return 1;
        }));
        if (scenario.isReplicated() && store instanceof Postgresql postgresql) {
            faults.add(Fault.PROMOTION, () -> {
                postgresql.promote(proxy, faults.random());
                return 1;
            });
        }
        return faults;
    }

    private Outcome settle(
            Store store, Shops shops, Clients clients, Faults faults, String version, long secondsOfFaults)
            throws IOException, InterruptedException, SQLException {
        long quiet = System.nanoTime();
        Duration patience = scenario == Scenario.MONGODB ? PATIENCE_MONGODB : PATIENCE;
        Faults.mend(store);
        clients.end(patience);
        shops.awaitAll();
        Contents unused = settled(store, patience);
        long secondsToSettle = seconds(quiet, System.nanoTime());
        List<Checker.Promotion> promotions = scenario == Scenario.ASYNCHRONOUS && store instanceof Postgresql postgresql
                ? postgresql.promotions()
                : List.of();
        Checker.Result checked = check(clients, store, patience, promotions);
        // Whatever was lost would run anew now.
        List<Sent> old = new ArrayList<>(clients.sent().stream()
                .filter(sent -> !sent.answers().isEmpty() && !checked.lost().contains(sent.key()))
                .toList());
        Collections.shuffle(old, new Random(seed));
        List<Sent> unanswered = clients.askAgain(old.subList(0, Math.min(ASKED_AGAIN, old.size())), patience);
        List<Checker.Anomaly> again =
                check(clients, store, patience, promotions).anomalies();
        Contents last = settled(store, patience);
        Failures failures = Failures.of(folder, promotions);
        // What was wrong before may have been mended by asking again.
        List<Checker.Anomaly> anomalies = new ArrayList<>(again.isEmpty() ? checked.anomalies() : again);
        anomalies.addAll(Checker.notAnsweredAgain(unanswered, last, promotions));
        anomalies.addAll(failures.unexplained());
        Map<String, Long> requests = new TreeMap<>(clients.counts());
        requests.put("requests", (long) clients.sent().size());
        requests.put(
                ANSWERED,
                clients.sent().stream()
                        .filter(sent -> !sent.answers().isEmpty())
                        .count());
        requests.put("orders", (long) last.orders().size());
        requests.put("charges", (long) last.charges().size());
        requests.put("reviews", (long) last.reviews().size());
        List<String> problems = store instanceof Postgresql postgresql && postgresql.isHalfPromoted()
                ? List.of("a promotion failed when its primary had been killed")
                : List.of();
        return new Outcome(
                scenario.text(),
                version,
                seed,
                secondsOfFaults,
                secondsToSettle,
                requests,
                failures.counts(),
                faults.made(),
                checked.lost(),
                anomalies,
                problems);
    }

    /** What is wrong for so long that no shop can still be busy with it, as with a request whose client has gone. */
    private Checker.Result check(Clients clients, Store store, Duration patience, List<Checker.Promotion> promotions)
            throws IOException, InterruptedException, SQLException {
        long end = System.nanoTime() + STILL_BUSY.toNanos();
        Checker.Result result = Checker.check(clients.sent(), settled(store, patience), promotions);
        while (!result.anomalies().isEmpty() && System.nanoTime() < end) {
            Thread.sleep(500);
            result = Checker.check(clients.sent(), settled(store, patience), promotions);
        }
        return result;
    }

    /** What there is as soon as no key is in progress, or when that has taken too long; the charges are read last. */
    private Contents settled(Store store, Duration patience) throws IOException, InterruptedException, SQLException {
        long end = System.nanoTime() + patience.toNanos();
        Contents contents = store.contents();
        while (contents.keys().stream().anyMatch(Contents.Key::isInProgress) && System.nanoTime() < end) {
            Thread.sleep(200);
            contents = store.contents();
        }
        return withCharges(contents);
    }

    private Contents withCharges(Contents stored) throws IOException {
        List<Contents.Charge> charges = new ArrayList<>();
        Matcher line = CHARGE.matcher(Files.readString(folder.resolve("payments.journal")));
        while (line.find()) {
            charges.add(
                    new Contents.Charge(line.group(1), line.group(2), line.group(3), Long.parseLong(line.group(4))));
        }
        return new Contents(stored.keys(), stored.reservations(), stored.orders(), stored.reviews(), charges);
    }

    private void keepLogs(Path target) throws IOException, InterruptedException {
        Files.createDirectories(target);
        try (var logs = Files.newDirectoryStream(folder, "*.log")) {
            for (Path log : logs) {
                Processes.run("cp", log.toString(), target.toString());
            }
        }
    }

    private static long seconds(long from, long until) {
        return Duration.ofNanos(until - from).toSeconds();
    }
}
