package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.time.Duration;
import java.util.function.Consumer;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;

/** Transactions that the application's {@link NewTransaction} begins and commits. */
record GivenTransactions(ConnectionProvider connections, NewTransaction transaction) implements Transactions {
    @Override
    public void run(Isolation isolation, Duration lease, Consumer<EntityManager> work) {
        transaction.run(work);
    }

    @Override
    public <R> R outside(Work<R> work) throws Exception {
        return Transactions.borrowing(connections, work);
    }

    @Override
    public boolean ownsConnections() {
        return false;
    }
}
