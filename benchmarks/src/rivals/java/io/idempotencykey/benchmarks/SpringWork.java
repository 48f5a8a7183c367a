package io.idempotencykey.benchmarks;

import com.zaxxer.hikari.HikariDataSource;
import javax.sql.DataSource;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** The same work as an application does it with Spring's templates, for libraries that are used along with them. */
final class SpringWork {
    private final HikariDataSource pool;
    private final TransactionTemplate transactions;
    private final JdbcTemplate jdbc;

    SpringWork(HikariDataSource pool) {
        this.pool = pool;
        this.transactions = new TransactionTemplate(new JdbcTransactionManager(pool));
        this.jdbc = new JdbcTemplate(pool);
    }

    DataSource dataSource() {
        return pool;
    }

    TransactionTemplate transactions() {
        return transactions;
    }

    JdbcTemplate jdbc() {
        return jdbc;
    }

    void transaction(Runnable statements) {
        transactions.executeWithoutResult(status -> statements.run());
    }

    void book(String key) {
        int unused = jdbc.update(BookingRows.INSERT, "placed", key);
    }
}
