package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.SQLException;

/** Retries of finished workflows of DBOS's, each of which gets the recorded result, as {@link Dbos} says. */
public final class DbosReplay implements Rival {
    private static final int STORED = 1_000;

    /** For {@link java.util.ServiceLoader}. */
    public DbosReplay() {}

    @Override
    public String title() {
        return "DBOS, replay";
    }

    @Override
    public Workload closest() {
        return Workload.REPLAY;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) throws SQLException {
        Dbos.Orders orders = Dbos.orders(url, pool, contest);
        for (int i = 0; i < STORED; i++) {
            Dbos.request(orders, Example.storedKey(i, STORED));
        }
        return number -> Dbos.request(orders, Example.storedKey(number, STORED));
    }
}
