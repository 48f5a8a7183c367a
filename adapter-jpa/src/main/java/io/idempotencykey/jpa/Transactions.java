package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Consumer;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;

/** Where a stage's transaction and a single statement's connection come from. */
sealed interface Transactions permits LocalTransactions, JtaTransactions, GivenTransactions {
    /** Work to do on a connection. */
    @FunctionalInterface
    interface Work<R> {
        R on(Connection connection) throws SQLException;
    }

    /** Works on a connection, and returns it to its provider. */
    static <R> R borrowing(ConnectionProvider connections, Work<R> work) throws SQLException {
        Connection connection = connections.getConnection();
        try {
            return work.on(connection);
        } finally {
            connections.closeConnection(connection);
        }
    }

    /** Runs work in a new top-level transaction and commits it; throws what the work or the commit throws. */
    void run(Isolation isolation, Duration lease, Consumer<EntityManager> work) throws Exception;

    /** Works on a connection outside every transaction of this thread. */
    <R> R outside(Work<R> work) throws Exception;

    /** Whether the adapter may change a connection's settings and restore them after the transaction. */
    boolean ownsConnections();
}
