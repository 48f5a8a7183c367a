package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;

/** The JPA adapter on PostgreSQL, against hand-written JDBC; each side has a database and a pool of its own. */
final class JpaHouse implements House {
    /** More than a service remembers to have seen, so that asking for one after the other is asking the store. */
    private static final int STORED = 32_768;

    private final Server server;

    JpaHouse() throws Exception {
        this.server = Server.start();
    }

    @Override
    public Contest contest(Cell cell) throws Exception {
        Contest contest = new Contest();
        try {
            add(contest, cell);
            server.checkpoint();
            return contest;
        } catch (Exception e) {
            contest.close();
            throw e;
        }
    }

    private void add(Contest contest, Cell cell) throws Exception {
        Workload workload = cell.workload();
        boolean isOwn = workload == Workload.OWN;
        String url = database(contest);
        JpaApplication application = contest.closing(new JpaApplication(url, cell.threads()));
        // Another service than the one that is measured makes the keys.
        Library<EntityManager> filling = application.library(false);
        fill(url, workload, filling::stages, filling::hold);
        contest.add(contestant(cell, Marks.LIBRARY, isOwn ? 0 : roundTrips(workload), application.library(isOwn)));

        url = database(contest);
        HikariDataSource pool = contest.closing(Server.pool(url, cell.threads()));
        HandWritten handWritten = new HandWritten(pool, BookingRows.statements());
        fill(url, workload, handWritten::stages, handWritten::hold);
        contest.add(contestant(cell, Marks.JDBC, roundTrips(workload), handWritten));

        if (workload.makesKeys()) {
            pool = contest.closing(Server.pool(database(contest), cell.threads()));
            EntityManagerFactory factory = contest.closing(JpaApplication.factory(pool));
            HandWritten entities = new HandWritten(pool, BookingRows.entities(factory));
            contest.add(contestant(cell, Marks.ENTITIES, roundTrips(workload), entities));
        }
    }

    private static Contestant contestant(Cell cell, String name, double roundTrips, Requests requests) {
        return new Contestant(name, roundTrips, cell.threads(), cell.workload().task(requests, STORED));
    }

    private String database(Contest contest) throws Exception {
        String url = server.database();
        AutoCloseable unused = contest.closing(() -> server.drop(url));
        return url;
    }

    /** How a side makes a key that is then copied. */
    @FunctionalInterface
    private interface Making {
        void make(String key) throws Exception;
    }

    private static void fill(String url, Workload workload, Making finished, Making held) throws Exception {
        if (!workload.makesKeys()) {
            (workload == Workload.REFUSED ? held : finished).make(Keys.SAMPLE);
            Keys.copySample(url, STORED, "1 day");
        }
    }

    /** As docs/PROTOCOL.md says, and as many by hand. */
    private static double roundTrips(Workload workload) {
        return switch (workload) {
            case STAGES, SCALING -> 5;
            case SINGLE -> 3;
            case REPLAY, REFUSED, OWN -> 2;
            case RETRIEVE -> 1;
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
