package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import org.apache.camel.processor.idempotent.jdbc.JdbcMessageIdRepository;

/**
 * Camel's {@code JdbcMessageIdRepository}, called as its idempotent consumer calls it on a transacted route: a key is
 * added before the work, in the same transaction, and confirmed afterwards.
 *
 * <p>It guarantees that of all messages with a key one commits, with its work. It stores no answer, so that a retry is
 * only skipped; it doesn't compare messages, and a second one waits for the first one's transaction, and then fails by
 * the primary key.
 */
public final class Camel implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public Camel() {}

    @Override
    public String title() {
        return "Camel JDBC";
    }

    @Override
    public double roundTrips() {
        return 4;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) {
        SpringWork work = new SpringWork(pool);
        JdbcMessageIdRepository repository =
                new JdbcMessageIdRepository(work.dataSource(), work.transactions(), Example.OPERATION);
        // Makes the table.
        repository.start();
        AutoCloseable unused = contest.closing(repository::stop);
        return number -> request(work, repository, Example.newKey());
    }

    private static void request(SpringWork work, JdbcMessageIdRepository repository, String key) {
        work.transaction(() -> {
            if (!repository.add(key)) {
                throw new IllegalStateException("the key is stored: " + key);
            }
            work.book(key);
        });
        boolean unused = repository.confirm(key);
    }
}
