package io.idempotencykey.jpa;

import jakarta.persistence.EntityManagerFactory;
import java.sql.SQLException;
import java.util.function.Supplier;
import org.hibernate.SessionFactory;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;

/**
 * What Spring has bound to this thread, in applications that have Spring; in others, each method does nothing more than
 * what it is given.
 */
final class SpringThread {
    private static final boolean IS_PRESENT = isPresent();

    static final String REMEDY = "Give JpaKeyStore a NewTransaction over Spring's transaction manager, such as"
            + " SpringJpaTransactions of idempotencykey-spring, by JpaKeyStore.builder(factory).transactions";

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
        return IS_PRESENT && SpringBinding.isInTransaction();
    }

    /** Runs a stage while the request's own session, which Spring would use for it, isn't bound to the thread. */
    static void withoutSessionOf(SessionFactory factory, Runnable stage) {
        if (IS_PRESENT) {
            SpringBinding.withoutSessionOf(factory, stage);
        } else {
            stage.run();
        }
    }

    /**
     * Runs a stage that Spring has no part in, and fails where a transaction, a session or a connection of Spring's
     * would be taken for the stage's: it would commit by itself. What the thread has of them already is put aside.
     */
    static <R> R apart(SessionFactory factory, Supplier<R> stage) {
        return IS_PRESENT ? SpringBinding.apart(factory, stage) : stage.get();
    }

    /**
     * Runs a stage in a transaction of Spring's, and fails where a connection of the factory's own data source was
     * taken that isn't the transaction's.
     */
    static <R> R within(ConnectionProvider connections, Supplier<R> stage) {
        return IS_PRESENT ? SpringBinding.within(connections, stage) : stage.get();
    }

    /**
     * Whether connections take part in Spring's transactions by themselves, as those of a {@code
     * TransactionAwareDataSourceProxy} do, so that a statement on a key would be the outer transaction's.
     */
    static boolean joins(ConnectionProvider connections) throws SQLException {
        return IS_PRESENT && SpringBinding.joins(connections);
    }
}
