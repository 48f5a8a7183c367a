package io.idempotencykey.jpa;

import com.arjuna.ats.jta.common.jtaPropertyManager;
import io.agroal.api.AgroalDataSource;
import io.agroal.api.AgroalDataSourceListener;
import io.agroal.api.configuration.AgroalConnectionFactoryConfiguration.TransactionIsolation;
import io.agroal.api.configuration.supplier.AgroalDataSourceConfigurationSupplier;
import io.agroal.narayana.NarayanaTransactionIntegration;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.transaction.RollbackException;
import jakarta.transaction.Status;
import jakarta.transaction.Synchronization;
import jakarta.transaction.SystemException;
import jakarta.transaction.Transaction;
import jakarta.transaction.TransactionManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import javax.sql.DataSource;

/** An application whose transactions are JTA's. */
final class JtaApplication {
    private JtaApplication() {}

    @FunctionalInterface
    interface Test {
        void run(EntityManagerFactory factory, TransactionManager manager) throws Exception;
    }

    static void with(String url, int poolSize, Test test) throws Exception {
        with(url, poolSize, new AgroalDataSourceListener() {}, test);
    }

    static void with(String url, int poolSize, AgroalDataSourceListener listener, Test test) throws Exception {
        with(url, poolSize, listener, TransactionIsolation.SERIALIZABLE, test);
    }

    /** With connections that come in READ COMMITTED. */
    static void withReadCommitted(String url, int poolSize, Test test) throws Exception {
        with(url, poolSize, new AgroalDataSourceListener() {}, TransactionIsolation.READ_COMMITTED, test);
    }

    private static void with(
            String url, int poolSize, AgroalDataSourceListener listener, TransactionIsolation isolation, Test test)
            throws Exception {
        TransactionManager manager = com.arjuna.ats.jta.TransactionManager.transactionManager();
        NarayanaTransactionIntegration integration = new NarayanaTransactionIntegration(
                manager, jtaPropertyManager.getJTAEnvironmentBean().getTransactionSynchronizationRegistry());
        try (AgroalDataSource pool = pool(url, poolSize, isolation, integration, listener);
                EntityManagerFactory factory = TestDatabase.factory(
                        pool,
                        Map.of(
                                "jakarta.persistence.transactionType",
                                "JTA",
                                "hibernate.transaction.coordinator_class",
                                "jta",
                                "hibernate.transaction.jta.platform",
                                "JBossTS"))) {
            test.run(factory, manager);
        }
    }

    private static AgroalDataSource pool(
            String url,
            int size,
            TransactionIsolation isolation,
            NarayanaTransactionIntegration integration,
            AgroalDataSourceListener listener)
            throws SQLException {
        return AgroalDataSource.from(
                new AgroalDataSourceConfigurationSupplier()
                        .connectionPoolConfiguration(c -> c.maxSize(size)
                                .acquisitionTimeout(Duration.ofSeconds(10))
                                .transactionIntegration(integration)
                                .connectionFactoryConfiguration(
                                        f -> f.jdbcUrl(url).jdbcTransactionIsolation(isolation))),
                listener);
    }

    /** The factory's, whose connections the manager enlists. */
    static DataSource dataSource(EntityManagerFactory factory) {
        return (DataSource) Objects.requireNonNull(factory.getProperties().get("hibernate.connection.datasource"));
    }

    /** A new transaction for each stage, as an application begins it. */
    static NewTransaction begunBy(TransactionManager manager, EntityManagerFactory factory) {
        return (isolation, timeout, work) -> {
            try {
                Transaction outer = manager.suspend();
                manager.begin();
                try (EntityManager em = factory.createEntityManager()) {
                    em.joinTransaction();
                    work.accept(em);
                    manager.commit();
                } finally {
                    if (manager.getStatus() != Status.STATUS_NO_TRANSACTION) {
                        manager.rollback();
                    }
                    if (outer != null) {
                        manager.resume(outer);
                    }
                }
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        };
    }

    /** Registers a callback of the thread's transaction that runs after all ordinary ones. */
    static void registerInterposed(Synchronization synchronization) {
        jtaPropertyManager
                .getJTAEnvironmentBean()
                .getTransactionSynchronizationRegistry()
                .registerInterposedSynchronization(synchronization);
    }

    /** Returns when the thread's transaction has timed out. */
    static void awaitTimeout(TransactionManager manager) {
        CountDownLatch timedOut = new CountDownLatch(1);
        register(manager, synchronization(() -> {}, timedOut::countDown));
        TestApplication.await(timedOut);
    }

    static void register(TransactionManager manager, Synchronization synchronization) {
        try {
            manager.getTransaction().registerSynchronization(synchronization);
        } catch (SystemException | RollbackException e) {
            throw new IllegalStateException(e);
        }
    }

    static Synchronization synchronization(Runnable before, Runnable after) {
        return new Synchronization() {
            @Override
            public void beforeCompletion() {
                before.run();
            }

            @Override
            public void afterCompletion(int status) {
                after.run();
            }
        };
    }
}
