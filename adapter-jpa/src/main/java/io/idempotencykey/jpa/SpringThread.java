package io.idempotencykey.jpa;

import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.hibernate.SessionFactory;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * What Spring has bound to this thread, in applications that have Spring; in others, each method does nothing more than
 * what it is given.
 */
final class SpringThread {
    private static final boolean IS_PRESENT = isPresent();

    static final String REMEDY = "Give JpaKeyStore a NewTransaction over Spring's transaction manager:"
            + " new JpaKeyStore(factory, newTransaction, isolation)";

    private SpringThread() {}

    private static boolean isPresent() {
        try {
            Class.forName(
                    "org.springframework.transaction.support.TransactionSynchronizationManager",
                    false,
                    SpringThread.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException | LinkageError e) {
            return false;
        }
    }

    /** Whether Spring's own factory bean has made the factory. */
    static boolean manages(EntityManagerFactory factory) {
        for (Class<?> type = factory.getClass(); type != null; type = type.getSuperclass()) {
            for (Class<?> each : type.getInterfaces()) {
                if (each.getName().equals("org.springframework.orm.jpa.EntityManagerFactoryInfo")) {
                    return true;
                }
            }
        }
        return false;
    }

    static boolean isInTransaction() {
        return IS_PRESENT && TransactionSynchronizationManager.isActualTransactionActive();
    }

    /** Runs a stage while the request's own session, which Spring would use for it, isn't bound to the thread. */
    static void withoutSessionOf(SessionFactory factory, Runnable stage) {
        if (!IS_PRESENT || isInTransaction()) {
            // Spring itself suspends an outer transaction, with its session.
            stage.run();
            return;
        }
        Map<Object, Object> bound = new HashMap<>();
        TransactionSynchronizationManager.getResourceMap().forEach((key, resource) -> {
            if (key instanceof EntityManagerFactory other && isSame(other, factory)) {
                bound.put(key, resource);
            }
        });
        bound.keySet().forEach(TransactionSynchronizationManager::unbindResource);
        try {
            stage.run();
        } finally {
            bound.forEach(TransactionSynchronizationManager::bindResource);
        }
    }

    private static boolean isSame(EntityManagerFactory one, SessionFactory other) {
        // Spring's proxies of a factory aren't equal to it.
        return one.unwrap(SessionFactoryImplementor.class)
                .getUuid()
                .equals(other.unwrap(SessionFactoryImplementor.class).getUuid());
    }

    /**
     * Runs a stage that Spring has no part in, and fails where a transaction, a session or a connection of Spring's
     * would be taken for the stage's: it would commit by itself.
     */
    static <R> R apart(Supplier<R> stage) {
        if (!IS_PRESENT) {
            return stage.get();
        }
        boolean begins = !TransactionSynchronizationManager.isSynchronizationActive();
        if (begins) {
            TransactionSynchronizationManager.initSynchronization();
        }
        Refusal refusal = new Refusal();
        TransactionSynchronizationManager.registerSynchronization(refusal);
        int before = TransactionSynchronizationManager.getSynchronizations().size();
        try {
            R result = stage.get();
            if (TransactionSynchronizationManager.getSynchronizations().size() > before) {
                throw new IllegalStateException("a session or a connection of Spring's was used in a stage that it has"
                        + " no part in; what was written with it isn't the stage's. " + REMEDY);
            }
            return result;
        } finally {
            refusal.isOver = true;
            if (begins) {
                end();
            }
        }
    }

    /** Ends a synchronization that was begun here, so that what took part in it is closed. */
    private static void end() {
        List<TransactionSynchronization> all = TransactionSynchronizationManager.getSynchronizations();
        TransactionSynchronizationManager.clearSynchronization();
        all.forEach(each -> each.afterCompletion(TransactionSynchronization.STATUS_UNKNOWN));
    }

    /** Spring asks whoever takes part in a thread's work to stand back before it begins another transaction. */
    private static final class Refusal implements TransactionSynchronization {
        private boolean isOver;

        @Override
        public void suspend() {
            if (!isOver) {
                throw new IllegalStateException(
                        "a transaction of Spring's would begin within a stage that it has no part in. " + REMEDY);
            }
        }
    }

    /**
     * Whether connections take part in Spring's transactions by themselves, as those of a {@code
     * TransactionAwareDataSourceProxy} do, so that a statement on a key would be the outer transaction's.
     */
    static boolean joins(ConnectionProvider connections) throws SQLException {
        if (!IS_PRESENT) {
            return false;
        }
        boolean wasActive = TransactionSynchronizationManager.isSynchronizationActive();
        List<TransactionSynchronization> others =
                wasActive ? TransactionSynchronizationManager.getSynchronizations() : List.of();
        Map<Object, Object> resources = Map.copyOf(TransactionSynchronizationManager.getResourceMap());
        resources.keySet().forEach(TransactionSynchronizationManager::unbindResource);
        if (wasActive) {
            TransactionSynchronizationManager.clearSynchronization();
        }
        TransactionSynchronizationManager.initSynchronization();
        try {
            Connection connection = connections.getConnection();
            try {
                // Some data sources take a connection only when it is used.
                connection.createStatement().close();
                return !TransactionSynchronizationManager.getSynchronizations().isEmpty();
            } finally {
                connections.closeConnection(connection);
            }
        } finally {
            end();
            resources.forEach(TransactionSynchronizationManager::bindResource);
            if (wasActive) {
                TransactionSynchronizationManager.initSynchronization();
                others.forEach(TransactionSynchronizationManager::registerSynchronization);
            }
        }
    }
}
