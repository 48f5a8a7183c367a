package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** The JPA adapter on PostgreSQL, against hand-written JDBC. */
final class JpaHouse implements House {
    private final Server server;

    JpaHouse() throws Exception {
        this.server = Server.start();
    }

    @Override
    public Contest contest(Cell cell) throws Exception {
        return Contest.prepared(contest -> {
            switch (cell.workload()) {
                case HOTKEY -> addHotKey(contest, cell.threads());
                case RIVALS -> addRivals(contest, cell);
                case SHAPE -> addShapes(contest, cell.threads());
                case GROWTH -> addGrowth(contest, cell.threads(), 1_000_000);
                case GROWTH_TO_5_MILLION -> addGrowth(contest, cell.threads(), 5_000_000);
                case STAGES, SINGLE, REPLAY, RETRIEVE, REFUSED, OWN, SCALING -> add(contest, cell);
            }
            server.checkpoint();
        });
    }

    private void add(Contest contest, Cell cell) throws Exception {
        Workload workload = cell.workload();
        contest.add(library(contest, cell, Marks.LIBRARY));

        String url = database(contest);
        HikariDataSource pool = contest.closing(Server.pool(url, cell.threads()));
        HandWritten handWritten = new HandWritten(pool, BookingRows.statements());
        fill(url, workload, handWritten::stages, handWritten::hold);
        contest.add(contestant(cell, Marks.JDBC, roundTrips(workload), handWritten));
        boolean claimsAgain = workload == Workload.REPLAY || workload == Workload.REFUSED;
        if (claimsAgain) {
            HandWritten inOne = new HandWritten(pool, BookingRows.statements(), true, Columns.NEEDED);
            contest.add(contestant(cell, Marks.JDBC_IN_ONE, 1, inOne));
        }
        if (claimsAgain || workload == Workload.RETRIEVE) {
            HandWritten whole = new HandWritten(pool, BookingRows.statements(), true, Columns.WHOLE);
            contest.add(contestant(cell, Marks.JDBC_WHOLE, 1, whole));
        }

        if (workload == Workload.SINGLE) {
            pool = contest.closing(Server.pool(database(contest), cell.threads()));
            HandWrittenSingle unlocked = new HandWrittenSingle(pool, BookingRows.statements(), false);
            contest.add(new Contestant(
                    Marks.JDBC_UNLOCKED, 2, cell.threads(), number -> unlocked.request(Example.newKey())));
        }

        if (workload.makesKeys()) {
            pool = contest.closing(Server.pool(database(contest), cell.threads()));
            EntityManagerFactory factory = contest.closing(JpaApplication.factoryWithinTransactions(pool));
            HandWritten entities = new HandWritten(pool, BookingRows.entities(factory));
            contest.add(contestant(cell, Marks.ENTITIES, roundTrips(workload), entities));
        }
    }

    private Contestant library(Contest contest, Cell cell, String name) throws Exception {
        Workload workload = cell.workload();
        String url = database(contest);
        JpaApplication application = contest.closing(new JpaApplication(url, cell.threads()));
        // Another service than the one that is measured makes the keys.
        Library<EntityManager> filling = application.library();
        fill(url, workload, filling::stages, filling::hold);
        return contestant(
                cell, name, roundTripsOfLibrary(workload), application.library().readyFor(workload));
    }

    private void addHotKey(Contest contest, int askers) throws Exception {
        JpaApplication application = contest.closing(new JpaApplication(database(contest), HotKey.CONNECTIONS));
        HikariDataSource pool = contest.closing(Server.pool(database(contest), HotKey.CONNECTIONS));
        HotKey.library(application.library(), askers).forEach(contest::add);
        HotKey.handWritten(pool, askers).forEach(contest::add);
    }

    private void addRivals(Contest contest, Cell cell) throws Exception {
        Set<Workload> closest = EnumSet.noneOf(Workload.class);
        for (Rival rival : Rival.ALL) {
            if (closest.add(rival.closest())) {
                contest.add(library(
                        contest, new Cell(cell.place(), rival.closest(), cell.threads()), Marks.libraryFor(rival)));
            }
            String url = database(contest);
            HikariDataSource pool = contest.closing(Server.usualPool(url, cell.threads()));
            contest.add(
                    new Contestant(rival.title(), rival.roundTrips(), cell.threads(), rival.open(url, pool, contest)));
        }
    }

    private void addShapes(Contest contest, int threads) throws Exception {
        int stored = Workload.SHAPE.stored();
        for (Shape shape : Shape.ALL) {
            String url = database(contest);
            Library<EntityManager> library =
                    contest.closing(new JpaApplication(url, threads)).library();
            String urlByHand = database(contest);
            HikariDataSource pool = contest.closing(Server.pool(urlByHand, threads));
            HandWritten handWritten = new HandWritten(pool, BookingRows.statements());
            fill(url, stored, library::stages);
            fill(urlByHand, stored, handWritten::stages);
            // A claim; and for each stage its row, and its fence with the commit.
            double roundTrips = 1 + 2.0 * shape.stages();
            contest.add(new Contestant(
                    shape.of(Marks.LIBRARY),
                    roundTrips,
                    threads,
                    number -> library.staged(Example.keyAmong(stored), shape),
                    () -> removeClaimed(url)));
            contest.add(new Contestant(
                    shape.of(Marks.JDBC),
                    roundTrips,
                    threads,
                    number -> handWritten.staged(Example.keyAmong(stored), shape),
                    () -> removeClaimed(urlByHand)));
        }
    }

    /** Otherwise long responses would fill the disk, and after a few turns a checkpoint would fall into one of them. */
    private void removeClaimed(String url) throws SQLException {
        Keys.removeClaimed(url);
        server.checkpoint();
    }

    private void addGrowth(Contest contest, int threads, int many) throws Exception {
        addGrown(contest, threads, 10_000, Marks.SMALL, Keys::removeClaimed);
        addGrown(contest, threads, many, Marks.LARGE, url -> {});
    }

    /** How a database is made as it was before a turn; among many keys those that are claimed can't be seen. */
    @FunctionalInterface
    interface Renewing {
        void renew(String url) throws SQLException;
    }

    private void addGrown(Contest contest, int threads, int stored, String among, Renewing renewing) throws Exception {
        String url = database(contest);
        Library<EntityManager> library =
                contest.closing(new JpaApplication(url, threads)).library();
        fill(url, stored, library::stages);
        List<Contestant.Task> tasks = List.of(
                number -> library.claim(Example.keyAmong(stored)),
                number -> library.advance(library.claim(Example.keyAmong(stored))),
                // No replay, which goes another way for the keys that the service has seen lately: it knows a part of
                // the few, and hardly any of the many. A prime, lest neighbours in time be neighbours in the table.
                number -> library.retrieve(Example.storedKey(number * 7_919, stored)));
        for (int i = 0; i < tasks.size(); i++) {
            contest.add(new Contestant(
                    Marks.GROWING.get(i) + among, Double.NaN, threads, tasks.get(i), () -> renewing.renew(url)));
        }
    }

    private static Contestant contestant(Cell cell, String name, double roundTrips, Requests requests) {
        return new Contestant(
                name,
                roundTrips,
                cell.threads(),
                cell.workload().task(requests, cell.workload().stored()));
    }

    private String database(Contest contest) throws Exception {
        String url = server.database();
        AutoCloseable unused = contest.closing(() -> server.drop(url));
        return url;
    }

    /** How a side makes a key that is then copied. */
    @FunctionalInterface
    interface Making {
        void make(String key) throws Exception;
    }

    private static void fill(String url, Workload workload, Making finished, Making held) throws Exception {
        if (!workload.makesKeys()) {
            fill(url, workload.stored(), workload == Workload.REFUSED ? held : finished);
        }
    }

    private static void fill(String url, int stored, Making making) throws Exception {
        making.make(Keys.SAMPLE);
        Keys.copySample(url, stored, "1 day");
    }

    /** As docs/PROTOCOL.md says. */
    private static double roundTripsOfLibrary(Workload workload) {
        return switch (workload) {
            case OWN -> 0;
            case REPLAY, REFUSED -> 1;
            case STAGES, SCALING, SINGLE, RETRIEVE, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS ->
                roundTrips(workload);
        };
    }

    /** By hand. */
    private static double roundTrips(Workload workload) {
        return switch (workload) {
            case STAGES, SCALING -> 5;
            case SINGLE -> 3;
            case REPLAY, REFUSED, OWN -> 2;
            case RETRIEVE -> 1;
            case HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> Double.NaN;
        };
    }

    @Override
    public double serverNanos() {
        return server.nanos();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
