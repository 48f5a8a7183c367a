package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicBoolean;
import net.javacrumbs.shedlock.core.DefaultLockingTaskExecutor;
import net.javacrumbs.shedlock.core.LockConfiguration;
import net.javacrumbs.shedlock.core.LockingTaskExecutor;
import net.javacrumbs.shedlock.provider.jdbctemplate.JdbcTemplateLockProvider;

/**
 * A lock of ShedLock's for each key, around the transaction of the work.
 *
 * <p>It guarantees that no two requests with a key run at once while the lock holds, which is for 30 seconds at most.
 * It doesn't know afterwards that a request was done: a retry does the work again. It stores no answer, compares no
 * requests, and whoever outlives the lock commits all the same.
 */
public final class ShedLock implements Rival {
    /** For {@link java.util.ServiceLoader}. */
    public ShedLock() {}

    @Override
    public String title() {
        return "ShedLock";
    }

    @Override
    public double roundTrips() {
        return 6;
    }

    @Override
    public Contestant.Task open(String url, HikariDataSource pool, Contest contest) throws SQLException {
        Server.execute(url, """
                create table shedlock (name varchar(64) not null, lock_until timestamp not null,
                    locked_at timestamp not null, locked_by varchar(255) not null, primary key (name))""");
        SpringWork work = new SpringWork(pool);
        JdbcTemplateLockProvider provider = new JdbcTemplateLockProvider(JdbcTemplateLockProvider.Configuration.builder()
                .withJdbcTemplate(work.jdbc())
                .usingDbTime()
                .build());
        LockingTaskExecutor executor = new DefaultLockingTaskExecutor(provider);
        return number -> request(work, executor, Example.newKey());
    }

    private static void request(SpringWork work, LockingTaskExecutor executor, String key) {
        AtomicBoolean isDone = new AtomicBoolean();
        Runnable task = () -> {
            work.transaction(() -> work.book(key));
            isDone.set(true);
        };
        executor.executeWithLock(
                task, new LockConfiguration(Instant.now(), key, Duration.ofSeconds(30), Duration.ZERO));
        if (!isDone.get()) {
            throw new IllegalStateException("the lock is held: " + key);
        }
    }
}
