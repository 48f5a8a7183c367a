package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.PersistenceException;
import jakarta.transaction.TransactionManager;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.hibernate.engine.jdbc.connections.spi.ConnectionProvider;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.hibernate.engine.transaction.jta.platform.spi.JtaPlatform;
import org.hibernate.persister.entity.EntityPersister;
import org.hibernate.resource.transaction.spi.TransactionCoordinatorBuilder;
import org.jspecify.annotations.Nullable;

/**
 * Keeps keys in a table of the application's own database, so that a stage's entities and its key commit together.
 *
 * <p>Works with Hibernate ORM 6.6 and 7 on PostgreSQL 16 to 18, MariaDB 11 and H2. {@link IdempotencyKeyEntity} has to
 * be a class of the persistence unit, and its table has to exist. The table's SQL is on the class path as {@code
 * io/idempotencykey/jpa/schema/postgresql.sql}, {@code mariadb.sql} and {@code h2.sql}.
 *
 * <p>A stage gets an entity manager in a new transaction. After the stage, the entity manager is flushed, the key is
 * changed if it still has the held revision, and the transaction is committed. An outer transaction is left alone.
 * Outside stages, keys are read and written by single statements in READ COMMITTED on connections of their own, even if
 * the thread has a transaction.
 *
 * <table>
 *   <caption>What a stage's isolation means</caption>
 *   <tr><th>isolation</th><th>PostgreSQL</th><th>MariaDB</th><th>H2</th></tr>
 *   <tr><td>SERIALIZABLE</td><td>no anomalies</td><td>no anomalies: reads lock</td><td>a snapshot; write skew is
 *   possible</td></tr>
 *   <tr><td>SNAPSHOT</td><td>its REPEATABLE READ</td><td>refused</td><td>as it says</td></tr>
 *   <tr><td>REPEATABLE_READ</td><td>a snapshot; write skew is possible</td><td>a snapshot for reads; a write may follow
 *   another's</td><td>a snapshot; write skew is possible</td></tr>
 *   <tr><td>READ_COMMITTED</td><td>as it says</td><td>as it says</td><td>as it says</td></tr>
 * </table>
 *
 * <p>An isolation costs nothing if the data source's connections have it already; the store looks that up when it is
 * made. Otherwise it is set for the transaction, and the connection goes back as it came.
 *
 * <table>
 *   <caption>What a database's error means, anywhere among the causes and suppressed exceptions</caption>
 *   <tr><th>error</th><th>PostgreSQL</th><th>MariaDB</th><th>H2</th><th>in a stage</th><th>at its commit</th></tr>
 *   <tr><td>conflict, deadlock, aborted transaction</td><td>40xxx but 40003, 25P02</td><td>40001, 1213, 1020</td>
 *   <td>40001, 90131</td><td>run again</td><td>run again</td></tr>
 *   <tr><td>row held for too long</td><td>55P03</td><td>1205, 4024</td><td>50200</td><td>run again</td><td>run
 *   again</td></tr> <tr><td>connection lost, server stopped, no SQL state, HYxxx, 40003</td><td>08xxx, 57xxx, 58xxx,
 *   XXxxx, 25P03, 25P04</td> <td>08xxx, 70xxx</td><td>90067, 90098, 90121</td><td>run again</td><td>unknown: the key is
 *   read</td></tr> <tr><td>refused without an SQL state</td><td>none</td><td>HY000 with any other number of the server,
 *   such as 1364</td> <td>none</td><td>the stage's own</td><td>unknown: the key is read</td></tr> <tr><td>heuristic
 *   outcome of JTA</td><td colspan="3">jakarta.transaction.Heuristic…Exception</td><td>run again</td> <td>unknown: the
 *   key is read</td></tr> <tr><td>stale version</td><td colspan="3">OptimisticLockException</td><td>run
 *   again</td><td>unknown: the key is read</td></tr> <tr><td>any other</td><td colspan="3">such as 23505,
 *   1062</td><td>the stage's own</td><td>the stage's own</td></tr>
 * </table>
 *
 * <p>If a callback that the application registered with the transaction fails before the commit is sent, the stage
 * fails. If it fails after the commit, the stage stays committed, and the error is lost.
 *
 * <p>Safe for many threads.
 */
public final class JpaKeyStore implements KeyStore<EntityManager> {
    private final Transactions transactions;
    private final ConnectionSettings settings;
    private final KeyTable table;
    private final Set<Isolation> isolations;

    /**
     * A store whose stages run in transactions of the factory's own kind: resource-local ones, or those of the JTA
     * manager that Hibernate is configured with, which suspends an open one meanwhile.
     *
     * <p>Reads the data source's settings once, on one connection.
     *
     * @param factory the application's
     * @throws IllegalArgumentException if it doesn't map {@link IdempotencyKeyEntity}, or its database or the version
     *     of Hibernate isn't supported, or the database can't give stages SERIALIZABLE here; the message says what to
     *     configure
     * @throws PersistenceException if it isn't Hibernate's
     * @throws StoreFailure if the database can't be reached
     */
    public JpaKeyStore(EntityManagerFactory factory) {
        this(factory, null, Isolation.SERIALIZABLE);
    }

    /**
     * A store whose stages run in transactions of another manager, such as Spring's.
     *
     * <p>Reads the data source's settings once, on one connection outside the manager's transactions. The manager must
     * therefore not set a weaker isolation than the data source's.
     *
     * @param factory the application's
     * @param transaction how to run in a new transaction; {@code null} for those of the factory's own kind
     * @param strongest the strongest isolation that stages may have, which is also their default
     * @throws IllegalArgumentException if the factory doesn't map {@link IdempotencyKeyEntity}, its database or the
     *     version of Hibernate isn't supported, the database can't give stages this isolation here, or a transaction is
     *     given to a factory of JTA; the message says what to configure
     * @throws PersistenceException if the factory isn't Hibernate's
     * @throws StoreFailure if the database can't be reached
     */
    public JpaKeyStore(EntityManagerFactory factory, @Nullable NewTransaction transaction, Isolation strongest) {
        Objects.requireNonNull(factory, "argument 'factory' is null; the application's factory is required");
        Objects.requireNonNull(strongest, "argument 'strongest' is null; an isolation is required");
        HibernateVersion.check();
        SessionFactoryImplementor sessions = factory.unwrap(SessionFactoryImplementor.class);
        ConnectionProvider connections = sessions.getServiceRegistry().requireService(ConnectionProvider.class);
        boolean jta = sessions.getServiceRegistry()
                .requireService(TransactionCoordinatorBuilder.class)
                .isJta();
        Transactions outside = jta
                ? new JtaTransactions(sessions, connections, manager(sessions), false)
                : new GivenTransactions(connections, work -> {});
        this.settings = statement(outside, connection -> ConnectionSettings.of(Database.of(connection), connection));
        if (transaction != null && jta) {
            throw new IllegalArgumentException("argument 'transaction' is given, but the factory uses JTA; allowed:"
                    + " null, for new transactions of its own manager");
        }
        if (jta) {
            this.transactions = new JtaTransactions(sessions, connections, manager(sessions), settings.watches());
        } else if (transaction != null) {
            this.transactions = new GivenTransactions(connections, transaction);
        } else {
            this.transactions = new LocalTransactions(sessions, connections, settings);
        }
        this.table = new KeyTable(settings.database(), tableName(sessions));
        Set<Isolation> possible = settings.isolations(transactions);
        if (!possible.contains(strongest)) {
            throw new IllegalArgumentException("argument 'strongest' is '" + strongest + "'; allowed here: " + possible
                    + ". Configure the data source so that its connections come with this isolation, or"
                    + " ask for another");
        }
        possible.removeIf(isolation -> isolation.compareTo(strongest) > 0);
        this.isolations = Collections.unmodifiableSet(possible);
    }

    private static TransactionManager manager(SessionFactoryImplementor sessions) {
        return sessions.getServiceRegistry().requireService(JtaPlatform.class).retrieveTransactionManager();
    }

    private static String tableName(SessionFactoryImplementor sessions) {
        EntityPersister entity =
                sessions.getMappingMetamodel().findEntityDescriptor(IdempotencyKeyEntity.class.getName());
        if (entity == null) {
            throw new IllegalArgumentException("argument 'factory' doesn't map " + IdempotencyKeyEntity.class.getName()
                    + "; add it to the persistence unit's classes");
        }
        return entity.getIdentifierTableName();
    }

    @Override
    public Instant time() {
        return alone(table::time);
    }

    @Override
    public Duration timeHolds() {
        return Duration.ofMinutes(1);
    }

    @Override
    public Set<Isolation> isolations() {
        return isolations;
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        return alone(statements -> table.find(statements, id));
    }

    @Override
    public boolean insert(StoredKey key) {
        return alone(statements -> table.insert(statements, key));
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return alone(statements -> table.replace(statements, expected, next));
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<EntityManager, StoredProgress> work) {
        StageAttempt attempt = new StageAttempt(
                table, held, settings, settings.begin(isolation, lease, transactions), transactions, work);
        try {
            transactions.run(isolation, lease, attempt);
        } catch (Throwable e) {
            return attempt.failed(e);
        }
        return attempt.ended();
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return alone(statements -> table.findResumable(statements, operations, afterScope, before, limit));
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable KeyId after, int limit) {
        return alone(statements -> table.findQuarantined(statements, after, limit));
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        return alone(statements -> table.deleteExpired(statements, at, limit));
    }

    private <R> R alone(Statements.Work<R> work) {
        return statement(transactions, connection -> settings.alone(connection, work));
    }

    /** Works on a connection, and translates failures. Without a connection, nothing was sent. */
    private static <R> R statement(Transactions transactions, Transactions.Work<R> work) {
        boolean[] connected = new boolean[1];
        try {
            return transactions.outside(connection -> {
                connected[0] = true;
                return work.on(connection);
            });
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (Exception e) {
            throw connected[0]
                    ? Failure.ofStatement(e)
                    : new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "no connection to the database", e);
        }
    }
}
