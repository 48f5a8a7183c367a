package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.time.Duration;
import java.util.function.Consumer;

/**
 * Runs work in a new transaction of a transaction manager that Jakarta Persistence doesn't know, such as Spring's.
 *
 * <p>With Spring, where {@code entityManager} is the injected, shared one:
 *
 * <pre>{@code
 * NewTransaction transaction = (isolation, timeout, work) -> {
 *     TransactionTemplate template = new TransactionTemplate(transactionManager);
 *     template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
 *     template.executeWithoutResult(status -> work.accept(entityManager));
 * };
 * }</pre>
 *
 * <p>Safe for many threads.
 */
@FunctionalInterface
public interface NewTransaction {
    /**
     * Begins a transaction, hands its entity manager to the work on this thread, and commits.
     *
     * <p>An open transaction of this thread is suspended or refused, never joined. The entity manager is the
     * transaction's own, and holds no entity yet. If the work throws, everything is rolled back and the exception is
     * thrown on; if the commit fails, its exception is thrown on with its causes.
     *
     * <p>An implementation that does otherwise loses errors, but no stage. After the work has thrown, its transaction
     * is marked for rollback. A commit whose error was swallowed is looked up. A second call of the work is refused.
     *
     * @param isolation what the transaction was promised. On PostgreSQL, MySQL and MariaDB the work's first statement
     *     sets it if the connection comes with another; on H2 the manager has to set it, or the data source to give it
     * @param timeout the lease: how long the transaction may last if its owner disappears. A manager may set it as the
     *     transaction's time-out, or ignore it
     * @param work what to call, once
     */
    void run(Isolation isolation, Duration timeout, Consumer<EntityManager> work);
}
