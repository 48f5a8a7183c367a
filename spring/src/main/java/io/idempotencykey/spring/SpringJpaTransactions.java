package io.idempotencykey.spring;

import io.idempotencykey.Isolation;
import io.idempotencykey.jpa.NewTransaction;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.time.Duration;
import java.util.Objects;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.support.DataAccessUtils;
import org.springframework.dao.support.PersistenceExceptionTranslator;
import org.springframework.jdbc.datasource.ConnectionHandle;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.orm.jpa.EntityManagerFactoryInfo;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.InvalidIsolationLevelException;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.ResourceTransactionManager;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Runs each stage of a {@link io.idempotencykey.jpa.JpaKeyStore} in a new transaction of the application's transaction
 * manager, which the stage's repositories, {@code @Transactional} methods and {@code JdbcTemplate}s join.
 *
 * <pre>{@code
 * JpaKeyStore store = JpaKeyStore.builder(entityManagerFactory)
 *         .transactions(new SpringJpaTransactions(transactionManager, entityManagerFactory, InnerTransactions.REFUSED))
 *         .build();
 * }</pre>
 *
 * <p>Works with a {@code JpaTransactionManager}, a {@code HibernateTransactionManager} and a {@code
 * JtaTransactionManager}. What the manager can't give, such as an isolation on H2 without Hibernate's {@code
 * JpaDialect}, is refused when the store is made.
 *
 * <p>Code in a stage that leaves the transaction is refused or logged; see {@link InnerTransactions}. That goes for
 * transactions of other managers, too, but not for statements without a transaction on another data source, which
 * nothing tells of.
 *
 * <p>Safe for many threads.
 */
public final class SpringJpaTransactions implements NewTransaction {
    private final PlatformTransactionManager manager;
    private final EntityManager shared;
    private final InnerTransactions inner;
    private final @Nullable PersistenceExceptionTranslator translator;

    /**
     * Stages in transactions of a manager.
     *
     * @param manager the one that begins the transactions of the application's {@code @Transactional} methods
     * @param factory the store's
     * @param inner what happens when code in a stage leaves the stage's transaction
     * @throws IllegalArgumentException if the manager is one for another factory, or for something else than entity
     *     managers, such as a {@code DataSourceTransactionManager}
     */
    public SpringJpaTransactions(
            PlatformTransactionManager manager, EntityManagerFactory factory, InnerTransactions inner) {
        this.manager = Objects.requireNonNull(
                manager, "argument 'manager' is null; the application's transaction manager is required");
        Objects.requireNonNull(factory, "argument 'factory' is null; the store's factory is required");
        this.inner = Objects.requireNonNull(inner, "argument 'inner' is null; REFUSED or LOGGED is required");
        this.shared = SharedEntityManagerCreator.createSharedEntityManager(
                manager instanceof ResourceTransactionManager its ? ofManager(its, factory) : factory);
        this.translator = translator(manager, factory);
    }

    /** What the manager's own commit would translate errors by. */
    private static @Nullable PersistenceExceptionTranslator translator(
            PlatformTransactionManager manager, EntityManagerFactory factory) {
        if (manager instanceof JpaTransactionManager jpa) {
            return jpa.getJpaDialect();
        }
        return factory instanceof EntityManagerFactoryInfo its ? its.getJpaDialect() : null;
    }

    /** The factory as the manager has it, because Spring binds to the thread what belongs to this very object. */
    private static EntityManagerFactory ofManager(ResourceTransactionManager manager, EntityManagerFactory factory) {
        Object resource = manager.getResourceFactory();
        if (!(resource instanceof EntityManagerFactory its)) {
            throw new IllegalArgumentException("argument 'manager' is a "
                    + manager.getClass().getSimpleName() + ", whose transactions entity managers have no part in;"
                    + " allowed: the JpaTransactionManager of argument 'factory'");
        }
        // A proxy of Spring's isn't equal to the factory that it stands for, but has the same metamodel.
        if (its.getMetamodel() != factory.getMetamodel()) {
            throw new IllegalArgumentException("argument 'manager' is a "
                    + manager.getClass().getSimpleName() + " of another factory than argument 'factory'; allowed: the"
                    + " one that was made with this factory");
        }
        return its;
    }

    /**
     * Runs work in a new transaction, while an open one of the thread is suspended.
     *
     * @param isolation what the manager sets for the transaction; {@code null} for what connections come with
     * @param timeout the transaction's time-out, of which Spring takes whole seconds: it is rounded up
     * @param work what to call, once
     * @throws IllegalStateException if code in the work has tried to leave the transaction, and that is refused;
     *     everything is rolled back
     * @throws org.springframework.transaction.TransactionException if the transaction can't be begun, such as in an
     *     isolation that Spring or the manager hasn't, and nothing has happened; or if it can't be committed, and the
     *     causes say what became of it
     */
    @Override
    public void run(@Nullable Isolation isolation, Duration timeout, Consumer<EntityManager> work) {
        TransactionTemplate template = new TransactionTemplate(manager);
        template.setName(StageBoundary.TRANSACTION);
        template.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
        template.setTimeout((int)
                Math.min(Integer.MAX_VALUE, timeout.plusSeconds(1).minusNanos(1).toSeconds()));
        if (isolation != null) {
            template.setIsolationLevel(level(isolation));
        }
        StageBoundary.across(() -> template.execute(status -> {
            StageBoundary boundary = new StageBoundary(inner);
            watch(boundary);
            boundary.around(() -> work.accept(shared));
            return status;
        }));
    }

    /**
     * Names the application's method that marked the transaction; its exception isn't known here, because Spring keeps
     * none.
     *
     * @return an exception with that method's stack; {@code null} if it wasn't noticed
     */
    @Override
    public @Nullable Throwable rollbackCause() {
        StageBoundary boundary = StageBoundary.current();
        return boundary == null ? null : boundary.rollbackCause();
    }

    /**
     * Translates a failure as a commit of Spring's {@code JpaTransactionManager} does, so that the application finds,
     * for instance, a {@code DataIntegrityViolationException} where a constraint is violated.
     *
     * @param failure what Hibernate threw
     * @return Spring's exception with the failure as its cause; the failure if Spring has none for it
     */
    @Override
    public RuntimeException translated(RuntimeException failure) {
        return translator == null ? failure : DataAccessUtils.translateIfNecessary(failure, translator);
    }

    private static int level(Isolation isolation) {
        return switch (isolation) {
            case READ_COMMITTED -> TransactionDefinition.ISOLATION_READ_COMMITTED;
            case REPEATABLE_READ -> TransactionDefinition.ISOLATION_REPEATABLE_READ;
            // Asked for on H2 only, where it isn't REPEATABLE_READ.
            case SNAPSHOT -> throw new InvalidIsolationLevelException("Spring has no isolation level for SNAPSHOT");
            case SERIALIZABLE -> TransactionDefinition.ISOLATION_SERIALIZABLE;
        };
    }

    /** Puts a holder in the place of that of the transaction's connection, which Spring marks for rollback, too. */
    private void watch(StageBoundary boundary) {
        DataSource dataSource = manager instanceof JpaTransactionManager jpa ? jpa.getDataSource() : null;
        if (dataSource != null
                && TransactionSynchronizationManager.getResource(dataSource) instanceof ConnectionHolder holder
                && holder.getConnectionHandle() != null) {
            TransactionSynchronizationManager.unbindResource(dataSource);
            TransactionSynchronizationManager.bindResource(
                    dataSource, new WatchedHolder(holder.getConnectionHandle(), holder, boundary));
        }
    }

    private static final class WatchedHolder extends ConnectionHolder {
        private final StageBoundary boundary;

        WatchedHolder(ConnectionHandle handle, ConnectionHolder watched, StageBoundary boundary) {
            super(handle);
            this.boundary = boundary;
            if (watched.hasTimeout()) {
                setTimeoutInMillis(watched.getTimeToLiveInMillis());
            }
        }

        @Override
        public void setRollbackOnly() {
            super.setRollbackOnly();
            boundary.mark();
        }
    }
}
