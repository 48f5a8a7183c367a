package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import jakarta.persistence.EntityManager;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs work in a new transaction of a transaction manager that Jakarta Persistence doesn't know, such as Spring's.
 *
 * <p>For Spring's managers there is {@code io.idempotencykey.spring.SpringJpaTransactions}, in the module {@code
 * idempotencykey-spring}.
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
     * @param isolation what the manager has to set for the transaction; {@code null} if it has to set none, because the
     *     connection comes with the promised one or the work's first statement sets it, as on PostgreSQL, MySQL and
     *     MariaDB, where setting it once more would cost round trips
     * @param timeout the lease: how long the transaction may last if its owner disappears. A manager may set it as the
     *     transaction's time-out, or ignore it
     * @param work what to call, once
     */
    void run(@Nullable Isolation isolation, Duration timeout, Consumer<EntityManager> work);

    /**
     * Says why the application has marked for rollback what {@link #run} began on this thread. Asked for when the work
     * finds the mark, for the cause of the exception that tells of it.
     *
     * @return what the implementation knows; {@code null} if nothing
     */
    default @Nullable Throwable rollbackCause() {
        return null;
    }

    /**
     * Says what the application knows a failure as that shows when the work writes the entities that the stage has
     * changed; a commit of the manager's own would have translated it.
     *
     * @param failure what the persistence provider threw
     * @return the exception that the caller gets, with the failure itself among its causes; the failure if there is no
     *     other
     */
    default RuntimeException translated(RuntimeException failure) {
        return failure;
    }
}
