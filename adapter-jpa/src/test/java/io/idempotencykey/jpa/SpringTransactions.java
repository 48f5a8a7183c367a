package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.vendor.HibernateJpaDialect;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * An application's transactions of Spring, in which its stages run.
 *
 * @param manager the application's
 * @param shared the entity manager that an application injects, which follows the current transaction
 */
record SpringTransactions(JpaTransactionManager manager, EntityManager shared) {
    static SpringTransactions of(EntityManagerFactory factory) {
        JpaTransactionManager manager = new JpaTransactionManager(factory);
        manager.setJpaDialect(new HibernateJpaDialect());
        return new SpringTransactions(manager, SharedEntityManagerCreator.createSharedEntityManager(factory));
    }

    /** A new transaction for each stage, in the isolation that the store asks for. */
    NewTransaction isolated() {
        return (isolation, timeout, work) -> {
            TransactionTemplate template = new TransactionTemplate(manager);
            template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
            if (isolation != null) {
                template.setIsolationLevel(level(isolation));
            }
            template.setTimeout((int) Math.max(1, timeout.toSeconds()));
            template.executeWithoutResult(status -> work.accept(shared));
        };
    }

    /** A new transaction for each stage, in the data source's isolation. */
    NewTransaction plain() {
        return (isolation, timeout, work) -> {
            TransactionTemplate template = new TransactionTemplate(manager);
            template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
            template.executeWithoutResult(status -> work.accept(shared));
        };
    }

    /** What a method with {@code @Transactional} does. */
    TransactionTemplate required() {
        return new TransactionTemplate(manager);
    }

    /** Inserts a row as a JdbcTemplate does. */
    static void insert(DataSource pool, String name) {
        Connection connection = DataSourceUtils.getConnection(pool);
        try {
            TestDatabase.execute(connection, "insert into contract_row values ('" + name + "', '1')");
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        } finally {
            DataSourceUtils.releaseConnection(connection, pool);
        }
    }

    private static int level(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> TransactionDefinition.ISOLATION_READ_COMMITTED;
            case REPEATABLE_READ, SNAPSHOT -> TransactionDefinition.ISOLATION_REPEATABLE_READ;
            case SERIALIZABLE -> TransactionDefinition.ISOLATION_SERIALIZABLE;
        };
    }
}
