package io.idempotencykey.jpa;

import jakarta.persistence.EntityManagerFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.hibernate.SessionFactory;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.jspecify.annotations.Nullable;
import org.springframework.transaction.support.ResourceHolderSupport;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/** {@link SpringThread} where Spring is present: only this class and those within it name classes of Spring's. */
final class SpringBinding {
    private SpringBinding() {}

    static boolean isInTransaction() {
        return TransactionSynchronizationManager.isActualTransactionActive();
    }

    static void withoutSessionOf(SessionFactory factory, Runnable stage) {
        // Spring itself suspends what takes part in the thread's transaction, or in its lack of one.
        Map<Object, Object> aside = aside((key, resource) -> isOf(factory, key)
                && !(resource instanceof ResourceHolderSupport holder && holder.isSynchronizedWithTransaction()));
        try {
            stage.run();
        } finally {
            aside.forEach(TransactionSynchronizationManager::bindResource);
        }
    }

    /** Unbinds some of the thread's resources, and returns them. */
    private static Map<Object, Object> aside(BiPredicate<Object, Object> which) {
        Map<Object, Object> aside = new HashMap<>();
        TransactionSynchronizationManager.getResourceMap().forEach((key, resource) -> {
            if (which.test(key, resource)) {
                aside.put(key, resource);
            }
        });
        aside.keySet().forEach(TransactionSynchronizationManager::unbindResource);
        return aside;
    }

    /** Whether a resource's key is the factory, or Spring's proxy of it, which isn't equal to it. */
    private static boolean isOf(SessionFactory factory, Object key) {
        try {
            return key instanceof EntityManagerFactory other
                    && other.unwrap(SessionFactoryImplementor.class)
                            .getUuid()
                            .equals(factory.unwrap(SessionFactoryImplementor.class)
                                    .getUuid());
        } catch (RuntimeException anotherProviders) {
            return false;
        }
    }

    static <R> R apart(SessionFactory factory, Supplier<R> stage) {
        boolean begins = !TransactionSynchronizationManager.isSynchronizationActive();
        if (begins) {
            TransactionSynchronizationManager.initSynchronization();
        }
        Refusal refusal = new Refusal();
        TransactionSynchronizationManager.registerSynchronization(refusal);
        Map<Object, Object> aside = aside((key, resource) -> key instanceof DataSource || isOf(factory, key));
        try {
            return unless(key -> key instanceof DataSource || isOf(factory, key), SpringThread.REMEDY, stage);
        } finally {
            refusal.isOver = true;
            if (begins) {
                end();
            } else {
                aside((key, resource) -> key instanceof DataSource || isOf(factory, key));
            }
            aside.forEach(TransactionSynchronizationManager::bindResource);
        }
    }

    static <R> R within(ConnectionProvider connections, Supplier<R> stage) {
        if (!connections.isUnwrappableAs(DataSource.class)) {
            return stage.get();
        }
        DataSource own = connections.unwrap(DataSource.class);
        return TransactionSynchronizationManager.hasResource(own)
                ? stage.get()
                : unless(
                        own::equals,
                        "Give the transaction manager the factory's data source, as by"
                                + " JpaTransactionManager.setDataSource",
                        stage);
    }

    /** Runs a stage, and fails if the thread has a resource of Spring's afterwards, whether the stage failed or not. */
    private static <R> R unless(Predicate<Object> isForeign, String remedy, Supplier<R> stage) {
        R result;
        try {
            result = stage.get();
        } catch (RuntimeException e) {
            refuse(isForeign, remedy, e);
            throw e;
        }
        refuse(isForeign, remedy, null);
        return result;
    }

    private static void refuse(Predicate<Object> isForeign, String remedy, @Nullable RuntimeException thrown) {
        if (TransactionSynchronizationManager.getResourceMap().keySet().stream().anyMatch(isForeign)) {
            throw new IllegalStateException(
                    "a session or a connection of Spring's was used in a stage that it has no part in; what was written"
                            + " with it isn't the stage's. " + remedy,
                    thrown);
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
                        "a transaction of Spring's would begin within a stage that it has no part in. "
                                + SpringThread.REMEDY);
            }
        }
    }

    static boolean joins(ConnectionProvider connections) throws SQLException {
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
