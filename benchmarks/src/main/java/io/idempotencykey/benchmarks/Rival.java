package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import java.util.List;
import java.util.ServiceLoader;

/** A library that a user would pick instead, on PostgreSQL; the profile {@code rivals} has them. */
interface Rival {
    /** Those that are on the class path. */
    List<Rival> ALL = ServiceLoader.load(Rival.class).stream()
            .map(ServiceLoader.Provider::get)
            .toList();

    /** Its name in the table. */
    String title();

    /** To the server, for each request, as they were counted at the driver; not a number if they weren't. */
    default double roundTrips() {
        return Double.NaN;
    }

    /** What its requests are compared with. */
    default Workload closest() {
        return Workload.SINGLE;
    }

    /**
     * Prepares requests, in a database that has the application's table.
     *
     * @param pool with the database's own settings, as none of the rivals asks for others
     */
    Contestant.Task open(String url, HikariDataSource pool, Contest contest) throws Exception;
}
