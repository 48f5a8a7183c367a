package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.sql.SQLException;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The JPA adapter on MySQL or MariaDB, against hand-written JDBC; each side has a pool and a database of its own. The
 * server is that of {@code MYSQL_URL} or {@code MARIADB_URL}, or else that of {@code tools}.
 */
final class InnodbHouse implements House {
    private static final String OTHER_COLUMNS = "scope, creation_id, operation, request_method, request_path,"
            + " request_parameters, request_complete, fingerprint, created_at, updated_at, attempts, failed_attempts,"
            + " last_error, state, recovery_point, locked_at, finished_at, response_status, response_headers,"
            + " response_body, quarantined_at, quarantine_reason, revision";
    private static final String DIGITS =
            "(select 0 n union select 1 union select 2 union select 3 union select 4 union select 5 union select 6 union"
                    + " select 7 union select 8 union select 9 union select 10 union select 11 union select 12 union"
                    + " select 13 union select 14 union select 15)";
    /** Numbers of four hexadecimal digits, as many as {@link Workload#MOST_STORED}; as many of them as are wanted. */
    private static final String COPY = "insert into idempotency_key (key_value, due_at, " + OTHER_COLUMNS
            + ") select concat('copy-', 1 + a.n + 16 * b.n + 256 * c.n + 4096 * d.n), utc_timestamp(3) + interval 1 day, "
            + OTHER_COLUMNS
            + " from idempotency_key, " + DIGITS + " a, " + DIGITS + " b, " + DIGITS + " c, " + DIGITS
            + " d where key_value = '" + Keys.SAMPLE + "' and a.n + 16 * b.n + 256 * c.n + 4096 * d.n < ";

    /** One of the two servers. */
    enum Product {
        MYSQL("wait_timeout", 16, 8, 3),
        MARIADB("idle_transaction_timeout", 11, 6, 1);

        /** The setting that bounds how long a transaction may be idle. */
        private final String idleTimeout;
        // The library's round trips, as the server's counter "Questions" has shown.
        private final int stages;
        private final int single;
        private final int secondClaim;

        Product(String idleTimeout, int stages, int single, int secondClaim) {
            this.idleTimeout = idleTimeout;
            this.stages = stages;
            this.single = single;
            this.secondClaim = secondClaim;
        }

        private String shown() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Product product;
    private final Tool tool;
    private final AtomicInteger number = new AtomicInteger();

    InnodbHouse(Product product) throws IOException {
        this.product = product;
        this.tool = Tool.start(product.name() + "_URL", product.shown() + "-server");
    }

    @Override
    public Contest contest(Cell cell) throws Exception {
        return Contest.prepared(contest -> add(contest, cell));
    }

    private void add(Contest contest, Cell cell) throws Exception {
        Workload workload = cell.workload();
        HikariDataSource pool = pool(contest, cell.threads());
        JpaApplication application = contest.closing(new JpaApplication(pool));
        // Another service than the one that is measured makes the keys.
        Library<EntityManager> filling = application.library();
        fill(pool, workload, filling::stages, filling::hold);
        contest.add(contestant(cell, Marks.LIBRARY, application.library().readyFor(workload)));

        HikariDataSource other = pool(contest, cell.threads());
        HandWrittenInnodb handWritten = new HandWrittenInnodb(other, BookingRows.statements(), Columns.NEEDED);
        fill(other, workload, handWritten::stages, handWritten::hold);
        contest.add(contestant(cell, Marks.JDBC, handWritten));

        if (workload.makesKeys()) {
            HikariDataSource third = pool(contest, cell.threads());
            EntityManagerFactory factory = contest.closing(JpaApplication.factoryWithinTransactions(third));
            contest.add(contestant(
                    cell, Marks.ENTITIES, new HandWrittenInnodb(third, BookingRows.entities(factory), Columns.NEEDED)));
        } else {
            HandWrittenInnodb whole = new HandWrittenInnodb(other, BookingRows.statements(), Columns.WHOLE);
            contest.add(contestant(cell, Marks.JDBC_WHOLE, whole));
        }
    }

    private Contestant contestant(Cell cell, String name, Requests requests) {
        Workload workload = cell.workload();
        return new Contestant(
                name,
                name.equals(Marks.LIBRARY) ? roundTripsOfLibrary(workload) : roundTrips(workload),
                cell.threads(),
                workload.task(requests, workload.stored()));
    }

    private double roundTripsOfLibrary(Workload workload) {
        return switch (workload) {
            case STAGES -> product.stages;
            case SINGLE -> product.single;
            case REPLAY, REFUSED -> product.secondClaim;
            case RETRIEVE -> 1;
            case OWN, SCALING, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> Double.NaN;
        };
    }

    /** By hand, to turn autocommit off and on again among them. */
    private static double roundTrips(Workload workload) {
        return switch (workload) {
            case STAGES -> 11;
            case SINGLE -> 6;
            case REPLAY, REFUSED -> 2;
            case RETRIEVE -> 1;
            case OWN, SCALING, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> Double.NaN;
        };
    }

    private static void fill(HikariDataSource pool, Workload workload, JpaHouse.Making finished, JpaHouse.Making held)
            throws Exception {
        if (!workload.makesKeys()) {
            (workload == Workload.REFUSED ? held : finished).make(Keys.SAMPLE);
            Server.execute(pool.getJdbcUrl(), COPY + workload.stored());
            Server.execute(pool.getJdbcUrl(), "analyze table idempotency_key");
        }
    }

    /** A pool on a new database, which gives all that a stage needs, and a bound of a second on waits for rows. */
    private HikariDataSource pool(Contest contest, int size) throws SQLException, IOException {
        String name = "benchmark" + number.incrementAndGet();
        Server.execute(tool.url(), "create database " + name);
        AutoCloseable unused = contest.closing(() -> Server.execute(tool.url(), "drop database " + name));
        String url = tool.url().replaceFirst("(//[^/?]*)/?[^?]*", "$1/" + name);
        Server.createTables(url, product.shown() + ".sql");
        String timeouts = "set session " + product.idleTimeout + " = 30, innodb_lock_wait_timeout = 1";
        return contest.closing(Server.pool(url, size, timeouts));
    }

    @Override
    public double serverNanos() {
        return tool.nanos();
    }

    @Override
    public void close() {
        tool.close();
    }
}
