package io.idempotencykey.jpa;

import io.idempotencykey.Backlog;
import io.idempotencykey.Isolation;
import io.idempotencykey.KeyId;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.port.KeyStore;
import io.idempotencykey.port.KeyStore.SingleStage;
import io.idempotencykey.port.Revision;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import io.idempotencykey.port.StoredKey;
import io.idempotencykey.port.StoredProgress;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import java.lang.System.Logger.Level;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.hibernate.engine.spi.SessionFactoryImplementor;
import org.jspecify.annotations.Nullable;

/**
 * Keeps keys in a table of the application's own database, so that a stage's entities and its key commit together.
 *
 * <p>Works with Hibernate ORM 6.6 to 7 on PostgreSQL 14 to 18, MySQL 8.0.17 and later, MariaDB 10.5 to 11, and H2 2.
 * The table has to exist. Its SQL is on the class path as {@code io/idempotencykey/jpa/schema/postgresql.sql}, {@code
 * mysql.sql}, {@code mariadb.sql} and {@code h2.sql}.
 *
 * <p>A stage gets an entity manager of its own, without any entity, in a new transaction. After the stage, the entity
 * manager is flushed, the key is changed if it still has the held revision, and the transaction is committed. Outside
 * stages, keys are read and written by single statements in READ COMMITTED on connections of their own. A thread that
 * has a transaction of JTA's or Spring's is refused; see {@link Builder#allowOuterTransactions()}.
 *
 * <table>
 *   <caption>What a stage's isolation means</caption>
 *   <tr><th>isolation</th><th>PostgreSQL</th><th>MySQL, MariaDB</th><th>H2</th></tr>
 *   <tr><td>SERIALIZABLE</td><td>no anomalies</td><td>no anomalies: reads lock</td><td>a snapshot; write skew is
 *   possible</td></tr>
 *   <tr><td>SNAPSHOT</td><td>its REPEATABLE READ</td><td>refused</td><td>as it says</td></tr>
 *   <tr><td>REPEATABLE_READ</td><td>a snapshot; write skew is possible</td><td>a snapshot for reads; a write may follow
 *   another's</td><td>a snapshot; write skew is possible</td></tr>
 *   <tr><td>READ_COMMITTED</td><td>as it says</td><td>as it says</td><td>as it says</td></tr>
 * </table>
 *
 * <p>An isolation costs nothing if the data source's connections come with it, which each stage compares; otherwise it
 * is set for the transaction. The connection goes back as it came.
 *
 * <table>
 *   <caption>What a database's error means, anywhere among the causes and suppressed exceptions</caption>
 *   <tr><th>error</th><th>PostgreSQL</th><th>MySQL, MariaDB</th><th>H2</th><th>in a stage</th><th>at its
 *   commit</th></tr>
 *   <tr><td>conflict, deadlock, aborted transaction</td><td>40xxx but 40003, 25P02,
 *   25P03</td><td>40001, 1213; 1020 (MariaDB),
 *   3101 (MySQL)</td><td>40001, 90131</td><td>run again</td><td>run again</td></tr>
 *   <tr><td>row held for too long</td><td>55P03</td><td>1205; 4024 (MariaDB), 3572 (MySQL)</td><td>50200</td><td>run
 *   again</td><td>run again</td></tr>
 *   <tr><td>server that only reads</td><td>25006</td><td>1290, 1792, 1836</td><td>90097</td><td>run
 *   again</td><td>run again</td></tr>
 *   <tr><td>no SQL state, HYxxx</td><td colspan="3">such as a driver's "unknown label"</td><td>the stage's own if the
 *   connection still answers, otherwise run again</td><td>unknown: the key is read</td></tr>
 *   <tr><td>connection lost, server stopped, 40003</td><td>08xxx, 57xxx but 57014, 58xxx,
 *   XXxxx</td><td>08xxx, 70xxx, 1053, 1927, 3169, 4031</td><td>90067, 90098, 90121</td><td>run
 *   again</td><td>unknown: the key is read</td></tr>
 *   <tr><td>time-out of a statement or a transaction, cancellation</td><td>57014, 25P04</td><td>1317, 1969,
 *   3024</td><td>57014</td><td>the stage's own</td><td>the stage's own; on MariaDB unknown: the key is read</td></tr>
 *   <tr><td>refused without an SQL state</td><td>none</td><td>HY000 with any other number of the server, such as
 *   1364</td><td>none</td><td>the stage's own</td><td>unknown: the key is read</td></tr>
 *   <tr><td>heuristic outcome of JTA</td><td colspan="3">jakarta.transaction.Heuristic…Exception</td><td>run again
 *   under JTA, otherwise the stage's own</td><td>unknown: the key is read</td></tr>
 *   <tr><td>stale version</td><td colspan="3">OptimisticLockException, of any persistence unit</td><td>run
 *   again</td><td>unknown: the key is read</td></tr>
 *   <tr><td>marked for rollback or timed out by the application</td><td colspan="3">no SQL error</td><td>the stage's
 *   own</td><td>run again if JTA's manager shows a mark, otherwise unknown: the key is read</td></tr>
 *   <tr><td>exception of a callback</td><td colspan="3">no SQL error</td><td>the stage's own</td><td>the stage's own if
 *   JTA's manager shows it as what it rolled back for, otherwise unknown: the key is read</td></tr>
 *   <tr><td>any other</td><td colspan="3">such as 23505, 1062</td><td>the stage's own</td><td>the stage's own</td></tr>
 * </table>
 *
 * <p>Only errors of the stage's own connection count where the adapter owns that; one of another database is the
 * stage's own failure. So is a transaction that has ended before its commit without an error by which the server did
 * that; and, on PostgreSQL, one that the stage has ended before it met an error.
 *
 * <p>On PostgreSQL a write of a key that is cancelled (57014) is tried again, the last write of a stage with its stage:
 * the server now and then calls it a cancellation when it ends a wait for a row that several transactions wait for.
 *
 * <p>If a callback that the application registered with the transaction fails before the commit is sent, the stage
 * fails. If it fails after the commit, the stage stays committed, and the error is lost.
 *
 * <p>Safe for many threads.
 */
public final class JpaKeyStore implements KeyStore<EntityManager> {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");
    private static final String DEFAULT_TABLE = "idempotency_key";

    private final Connections connections;
    private final Transactions transactions;
    private final Dialect dialect;
    private final KeyTable table;
    private final Set<Isolation> isolations;
    private final boolean allowsOuterTransactions;

    /**
     * Keys whose rows single stages of this store are about to write, or have written in open transactions; and until
     * when, in nanoseconds of this process, such a transaction is waited for.
     */
    private final Map<KeyId, Long> writing = new ConcurrentHashMap<>();

    /**
     * A store whose stages run in transactions of the factory's own kind: resource-local ones, or those of the JTA
     * manager that Hibernate is configured with, which suspends an open one meanwhile.
     *
     * @param factory the application's
     * @throws IllegalArgumentException as {@link Builder#build()} says
     * @throws StoreFailure if the database can't be reached
     */
    public JpaKeyStore(EntityManagerFactory factory) {
        this(builder(factory));
    }

    /**
     * A store whose stages run in transactions of another manager, such as Spring's, for which the module {@code
     * idempotencykey-spring} has {@code SpringJpaTransactions}.
     *
     * @param factory the application's
     * @param transaction how to run in a new transaction; {@code null} for those of the factory's own kind
     * @param strongest the strongest isolation that stages may have, which is also their default
     * @throws IllegalArgumentException as {@link Builder#build()} says
     * @throws StoreFailure if the database can't be reached
     */
    public JpaKeyStore(EntityManagerFactory factory, @Nullable NewTransaction transaction, Isolation strongest) {
        this(builder(factory).transactions(transaction).strongest(strongest));
    }

    private JpaKeyStore(Builder builder) {
        HibernateVersion.check();
        EntityManagerFactory factory = builder.factory;
        SessionFactoryImplementor sessions = HibernateFactory.of(factory);
        boolean isJta = HibernateFactory.isJta(sessions);
        if (!isJta && builder.transaction == null && SpringThread.manages(factory)) {
            throw new IllegalArgumentException("argument 'factory' is made by Spring, whose repositories and services"
                    + " would have no part in a stage. " + SpringThread.REMEDY);
        }
        this.connections = new Connections(
                HibernateFactory.connections(sessions), isJta ? HibernateFactory.manager(sessions) : null);
        if (builder.entityManager != null && (!isJta || builder.transaction != null)) {
            throw new IllegalArgumentException("argument 'entityManager' is given, but the store doesn't begin JTA's"
                    + " transactions itself; allowed: a factory with JTA, without 'transactions'. A NewTransaction"
                    + " passes the entity manager on by itself");
        }
        this.allowsOuterTransactions = builder.allowsOuterTransactions;
        if (joinsOuterTransactions()) {
            throw new IllegalArgumentException("argument 'factory' has a data source whose connections take part in"
                    + " Spring's transactions, such as a TransactionAwareDataSourceProxy, so that a statement on a key"
                    + " would end the application's transaction; allowed: the data source within it");
        }
        this.dialect = statement(
                connection -> Dialect.committing(connection, new Statements(connection), s -> Dialect.of(connection)));
        this.table = new KeyTable(dialect, HibernateFactory.table(sessions, builder.table, DEFAULT_TABLE));
        if (builder.transaction != null) {
            this.transactions = new Transactions.Given(sessions, connections, builder.transaction, dialect);
        } else if (connections.manager() != null) {
            this.transactions = new Transactions.Jta(
                    sessions,
                    connections.manager(),
                    builder.entityManager == null ? sessions::getCurrentSession : builder.entityManager,
                    dialect);
        } else {
            this.transactions = new Transactions.Local(sessions, connections, dialect);
        }
        if (!(transactions instanceof Transactions.Local)
                && !dialect.missingSettings().isEmpty()) {
            LOGGER.log(Level.WARNING, "the data source lacks a setting: {0}", dialect.missingSettings());
        }
        StoreCheck check = new StoreCheck(dialect, table);
        boolean unused = statement(connection -> {
            check.table(connection);
            return true;
        });
        Map<Isolation, Throwable> failures = check.transactions(transactions);
        Set<Isolation> possible = dialect.isolations();
        possible.removeAll(failures.keySet());
        if (!possible.contains(builder.strongest)) {
            throw impossible(builder.strongest, possible, failures.get(builder.strongest));
        }
        possible.removeIf(isolation -> isolation.compareTo(builder.strongest) > 0);
        this.isolations = Collections.unmodifiableSet(possible);
    }

    private IllegalArgumentException impossible(
            Isolation strongest, Set<Isolation> possible, @Nullable Throwable failure) {
        String failed = failure == null ? "" : dialect.advice(failure) + " An empty stage failed: " + failure;
        return new IllegalArgumentException(
                possible.isEmpty()
                        ? "no stage can run with argument 'factory' and its transactions." + failed
                        : "argument 'strongest' is '" + strongest + "'; allowed here: " + possible
                                + ". Configure the data source so that its connections come with this isolation, or the"
                                + " transaction manager so that it sets it, or ask for another." + failed,
                failure);
    }

    /**
     * Begins to make a store with more settings than the constructors take.
     *
     * @param factory the application's
     * @return a builder with the settings of {@link #JpaKeyStore(EntityManagerFactory)}
     */
    public static Builder builder(EntityManagerFactory factory) {
        return new Builder(
                Objects.requireNonNull(factory, "argument 'factory' is null; the application's factory is required"));
    }

    /** Makes a store. Not safe for many threads. */
    public static final class Builder {
        private final EntityManagerFactory factory;
        private @Nullable NewTransaction transaction;
        private @Nullable Supplier<EntityManager> entityManager;
        private Isolation strongest = Isolation.SERIALIZABLE;
        private @Nullable String table;
        private boolean allowsOuterTransactions;

        private Builder(EntityManagerFactory factory) {
            this.factory = factory;
        }

        /**
         * Runs stages in transactions of another manager, such as Spring's, for which the module {@code
         * idempotencykey-spring} has {@code SpringJpaTransactions}.
         *
         * @param newTransaction how to run in a new transaction; {@code null} for those of the factory's own kind
         * @return this
         */
        public Builder transactions(@Nullable NewTransaction newTransaction) {
            this.transaction = newTransaction;
            return this;
        }

        /**
         * Names the entity manager in which stages run with JTA, so that repositories that use the same one share a
         * stage's persistence context. With another one in the same transaction, each would see what the other has
         * flushed only, and could overwrite it.
         *
         * @param current gives the entity manager of the thread's transaction, such as an injected one of a container;
         *     Hibernate's {@code getCurrentSession} unless this is called. It isn't closed
         * @return this
         */
        public Builder entityManager(Supplier<? extends EntityManager> current) {
            Objects.requireNonNull(
                    current, "argument 'current' is null; the entity manager of the thread's transaction is required");
            this.entityManager = current::get;
            return this;
        }

        /**
         * Sets the strongest isolation that stages may have, which is also their default.
         *
         * @param isolation {@link Isolation#SERIALIZABLE} unless set
         * @return this
         */
        public Builder strongest(Isolation isolation) {
            this.strongest =
                    Objects.requireNonNull(isolation, "argument 'strongest' is null; an isolation is required");
            return this;
        }

        /**
         * Names the keys' table.
         *
         * @param name as in SQL, with its schema and its quotes if it needs them; unless set, that of {@link
         *     IdempotencyKeyEntity}'s mapping or, if the factory doesn't map it, {@code idempotency_key} in Hibernate's
         *     default schema
         * @return this
         */
        public Builder table(String name) {
            Objects.requireNonNull(name, "argument 'name' is null; a table's name is required");
            if (name.isBlank() || name.length() > 255 || name.contains(";")) {
                throw new IllegalArgumentException("argument 'name' is '"
                        + name.substring(0, Math.min(name.length(), 50)) + "'; allowed: a table's name");
            }
            this.table = name;
            return this;
        }

        /**
         * Lets threads that have a transaction of JTA's or Spring's use the store, too. Unless this is called they are
         * refused, because each would hold a second connection, and would wait for itself where a stage writes what
         * the outer transaction has written. An outer transaction's rollback never undoes a stage.
         *
         * @return this
         */
        public Builder allowOuterTransactions() {
            this.allowsOuterTransactions = true;
            return this;
        }

        /**
         * Makes the store. Writes keys to the table and rolls back, and runs an empty stage in each isolation, so
         * that what can't work is refused here and not in the middle of a request.
         *
         * @return a new store
         * @throws IllegalArgumentException if the factory isn't Hibernate's or of an unsupported version, or gives each
         *     tenant connections of its own; if its database isn't supported, or the table isn't there or isn't as the
         *     schema's file makes it; if stages can't have the strongest isolation here; if an entity manager is given
         *     without JTA; or if repositories of Spring's would have no part in a stage. The message says what to
         *     configure
         * @throws StoreFailure if the database can't be reached
         */
        public JpaKeyStore build() {
            return new JpaKeyStore(this);
        }
    }

    private boolean joinsOuterTransactions() {
        try {
            return SpringThread.joins(connections.provider());
        } catch (SQLException | RuntimeException e) {
            throw unreached(e);
        }
    }

    @Override
    public Instant time() {
        refuseOuterTransaction();
        // Without an isolation: no table is read, and so no transaction begun that would use it up.
        return statement(connection -> Dialect.committing(connection, new Statements(connection), table::time));
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
        return reading(statements -> table.find(statements, id));
    }

    @Override
    public boolean insert(StoredKey key) {
        return representable(isEscaped -> writing(statements -> table.insert(statements, key, isEscaped)));
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        return representable(isEscaped -> writing(statements -> table.replace(statements, expected, next, isEscaped)));
    }

    @Override
    public Optional<StoredKey> insertOrFind(StoredKey key) {
        if (!dialect.insertsOrFinds()) {
            return KeyStore.super.insertOrFind(key);
        }
        try {
            return representable(isEscaped -> writing(statements -> table.insertOrFind(statements, key, isEscaped)));
        } catch (StoreFailure e) {
            // Of a concurrent insert: always on MariaDB, and on PostgreSQL while a unique index is made anew.
            if (dialect.failure(e) == Failure.DUPLICATE) {
                return find(key.id());
            }
            throw e;
        }
    }

    /** Writes once more, with escapes, what has characters that the database's character set hasn't. */
    private <R> R representable(Function<Boolean, R> write) {
        try {
            return write.apply(false);
        } catch (StoreFailure e) {
            if (Failure.errors(e).stream().noneMatch(dialect::isUnrepresentable)) {
                throw e;
            }
            return write.apply(true);
        }
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<EntityManager, StoredProgress> work) {
        try {
            refuseOuterTransaction();
        } catch (StoreFailure e) {
            return StageCommit.rolledBack(new IllegalStateException(e.getMessage(), e));
        }
        return run(held.id(), attempt(new StageKey.Held(table, held), isolation, lease, work));
    }

    /** Reads the key after a commit that callbacks may have emptied behind the fence. */
    private StageCommit run(KeyId id, StageAttempt attempt) {
        StageCommit end = attempt.in(transactions);
        if (end.kind() != StageCommit.Kind.COMMITTED || !attempt.mayBeUndone()) {
            return end;
        }
        try {
            return find(id).filter(attempt::hasStored).isPresent()
                    ? end
                    : StageCommit.unknown(new IllegalStateException("the key isn't stored though the transaction was"
                            + " committed; a callback may have swallowed an error that rolled it back"));
        } catch (StoreFailure e) {
            return StageCommit.unknown(e);
        }
    }

    @Override
    public StageCommit commitSingle(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<EntityManager> stage) {
        try {
            refuseOuterTransaction();
            return dialect.locksKeys()
                    ? commitLocked(taken, isolation, lease, stage)
                    : commitWritten(taken, isolation, lease, stage);
        } catch (StoreFailure e) {
            return switch (e.kind()) {
                case TRANSIENT, UNKNOWN, BUSY -> StageCommit.transientlyRolledBack(e);
                case FULL, UNAVAILABLE, UNREADABLE, REFUSED -> StageCommit.rolledBack(e);
            };
        }
    }

    /** Locks the key. Where the adapter doesn't begin the transaction by itself, the key is read before. */
    private StageCommit commitLocked(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<EntityManager> stage) {
        boolean opens = transactions instanceof Transactions.Local;
        StoredKey found = opens ? null : find(taken.id()).orElse(null);
        if (found != null && !stage.replaces(found)) {
            return StageCommit.fencedOff();
        }
        StageKey.Locked key = new StageKey.Locked(table, taken, stage::replaces, found, opens);
        StageAttempt attempt = attempt(key, isolation, lease, stage::work);
        StageCommit end = run(taken.id(), attempt);
        return key.insertsBlindly() && attempt.hasMetDuplicate(end) ? met(taken.id(), stage, end) : end;
    }

    /**
     * Tells another row of the key from a duplicate of the application's, by a constraint that the commit checks. A row
     * that is gone by now, because it was to live for less time than the stage took, is taken for the latter.
     */
    private StageCommit met(KeyId id, SingleStage<EntityManager> stage, StageCommit end) {
        StoredKey found = find(id).orElse(null);
        if (found == null) {
            return end;
        }
        return stage.replaces(found)
                ? StageCommit.transientlyRolledBack(Objects.requireNonNull(end.cause()))
                : StageCommit.fencedOff();
    }

    /** Writes the key's row, for which one thread at most waits with a connection in hand; the others only look. */
    private StageCommit commitWritten(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<EntityManager> stage) {
        long now = System.nanoTime();
        Long mine = now + lease.plusSeconds(1).toNanos();
        // A stage that hangs for longer than its lease doesn't block its key: the database has ended its transaction.
        Long first = writing.merge(taken.id(), mine, (other, next) -> other - now > 0 ? other : next);
        if (!first.equals(mine)) {
            boolean isStored =
                    find(taken.id()).filter(found -> !stage.replaces(found)).isPresent();
            return isStored ? StageCommit.fencedOff() : StageCommit.held();
        }
        try {
            return write(taken, isolation, lease, stage);
        } finally {
            writing.remove(taken.id(), mine);
        }
    }

    /** Only if another row is in the way is that one read, and perhaps replaced. */
    private StageCommit write(StoredKey taken, Isolation isolation, Duration lease, SingleStage<EntityManager> stage) {
        Optional<StoredKey> replaced = Optional.empty();
        boolean isEscaped = false;
        while (true) {
            StageKey key = new StageKey.Written(table, taken, replaced.orElse(null), isEscaped);
            StageAttempt attempt = attempt(key, isolation, lease, stage::work);
            StageCommit end = run(taken.id(), attempt);
            if (attempt.isUnrepresentable() && !isEscaped) {
                isEscaped = true;
            } else if (attempt.hasMetAnotherKey() && replaced.isEmpty()) {
                replaced = find(taken.id()).filter(stage::replaces);
                if (replaced.isEmpty()) {
                    return end;
                }
            } else {
                return end;
            }
        }
    }

    private StageAttempt attempt(
            StageKey key, Isolation isolation, Duration lease, Function<EntityManager, StoredProgress> work) {
        return new StageAttempt(
                dialect, key, isolation, lease, entityManager -> transactions.stage(() -> work.apply(entityManager)));
    }

    /** Refuses what would need a second connection beside the thread's transaction, and may wait for that for ever. */
    private void refuseOuterTransaction() {
        if (!allowsOuterTransactions && connections.isThreadInTransaction()) {
            throw new StoreFailure(
                    StoreFailure.Kind.REFUSED,
                    "the thread has an open transaction, which the operation can't be part of, because a stage commits"
                            + " by itself. Call it outside the transaction and its callbacks, or make the store by"
                            + " JpaKeyStore.builder(factory).allowOuterTransactions()",
                    null);
        }
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        return reading(statements -> table.findResumable(statements, operations, afterScope, before, limit));
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return reading(statements -> table.findUnfinished(statements, scope, after, since, limit));
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        return reading(statements -> table.findQuarantined(statements, scope, after, since, limit));
    }

    @Override
    public Backlog backlog(Instant before) {
        return reading(statements -> table.backlog(statements, before));
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        return reading(statements -> table.countByOperation(statements, before, most));
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        refuseOuterTransaction();
        return statement(
                connection -> dialect.alone(connection, statements -> table.deleteExpired(statements, at, limit)));
    }

    private <R> R writing(Statements.Work<R> work) {
        refuseOuterTransaction();
        return statement(connection -> dialect.writing(connection, work));
    }

    private <R> R reading(Statements.Work<R> work) {
        refuseOuterTransaction();
        return statement(connection -> dialect.reading(connection, work));
    }

    /** Works on a connection, and translates failures. Without a connection, nothing was sent. */
    private <R> R statement(Connections.Work<R> work) {
        boolean[] isConnected = new boolean[1];
        try {
            return connections.outside(connection -> {
                isConnected[0] = true;
                return work.on(connection);
            });
        } catch (IllegalArgumentException | StoreFailure e) {
            throw e;
        } catch (Exception e) {
            throw isConnected[0] ? failed(e) : unreached(e);
        }
    }

    /** Before the store knows its database, it has written nothing. */
    private StoreFailure failed(Exception e) {
        Dialect known = dialect;
        return known == null ? unreached(e) : known.failure(e).ofStatement(e);
    }

    private static StoreFailure unreached(Exception e) {
        return new StoreFailure(StoreFailure.Kind.UNAVAILABLE, "no connection to the database", e);
    }
}
