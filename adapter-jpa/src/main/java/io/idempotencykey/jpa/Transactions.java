package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.Consumer;

/** Where a stage's transaction and a single statement's connection come from. */
sealed interface Transactions permits LocalTransactions, JtaTransactions, GivenTransactions {
    /** Something that is done on a connection. */
    @FunctionalInterface
    interface Work<R> {
        R on(java.sql.Connection connection) throws SQLException;
    }

    /** Runs work in a new top-level transaction and commits it; throws what the work or the commit throws. */
    void run(Isolation isolation, Duration lease, Consumer<EntityManager> work) throws Exception;

    /** Does something outside any transaction that this thread may have. */
    <R> R outside(Work<R> work) throws Exception;

    /** Whether the adapter may change a connection's settings and put them back after the transaction. */
    boolean ownsConnections();
}
