package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import dev.dbos.transact.DBOS;
import dev.dbos.transact.config.DBOSConfig;
import dev.dbos.transact.context.WorkflowOptions;
import dev.dbos.transact.txstep.JdbcStepFactory;
import dev.dbos.transact.workflow.Workflow;
import java.sql.SQLException;

/**
 * A workflow of DBOS's with two transactional steps, whose identity is the key.
 *
 * <p>It guarantees that each step commits once, with its row, and that a retry gets the workflow's result. It compares
 * no requests: another one under the key gets the first one's result. It takes no key over from a worker that lives but
 * hangs, and no fence keeps that worker from its next step: a workflow that was interrupted is recovered when its
 * application starts again.
 */
public final class Dbos implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public Dbos() {}

    @Override
    public String title() {
        return "DBOS";
    }

    @Override
    public Workload closest() {
        return Workload.STAGES;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) {
        Orders orders = orders(url, pool, contest);
        return number -> request(orders, Example.newKey());
    }

    static Orders orders(String url, HikariDataSource pool, Contest contest) {
        DBOS dbos = contest.closing(new DBOS(DBOSConfig.defaults("benchmark")
                .withDatabaseUrl(url)
                .withDbUser("postgres")
                .withDbPassword("postgres")));
        Orders orders = dbos.registerProxy(
                Orders.class, new Steps(new JdbcStepFactory(dbos, pool), BookingRows.statements()));
        dbos.launch();
        return orders;
    }

    // The guard ends what it has set; there is nothing else to do with it.
    @SuppressWarnings("try")
    static void request(Orders orders, String key) throws SQLException {
        try (WorkflowOptions.Guard unused = new WorkflowOptions(key).setContext()) {
            if (!orders.place(key).equals(Example.BODY)) {
                throw new IllegalStateException("another response: " + key);
            }
        }
    }

    /** What DBOS makes a proxy of. */
    public interface Orders {
        /** Answers a request, and remembers the answer. */
        String place(String key) throws SQLException;
    }

    private record Steps(JdbcStepFactory steps, BookingRows rows) implements Orders {
        @Workflow
        @Override
        public String place(String key) throws SQLException {
            steps.<SQLException>txStep(connection -> rows.book(connection, key + "-1", "reserved"), "reserve");
            steps.<SQLException>txStep(connection -> rows.book(connection, key + "-2", "placed"), "place");
            return Example.BODY;
        }
    }
}
