package io.idempotencykey.spring;

import com.mongodb.client.ClientSession;
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
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoDatabaseUtils;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.data.mongodb.core.MongoOperations;
import org.springframework.data.mongodb.core.MongoTemplate;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionSynchronizationUtils;

/**
 * A store whose stages are transactions of Spring Data MongoDB, too, so that an application's repositories, templates
 * and {@code @Transactional} services take part in them unchanged.
 *
 * <p>While a stage runs, Spring sees an open transaction of the application's {@link MongoDatabaseFactory}. Code that
 * joins transactions joins the stage's, code that must not have one fails, and code that leaves it, by {@code
 * REQUIRES_NEW} or {@code NOT_SUPPORTED}, is refused or logged, as {@link InnerTransactions} says. What runs before a
 * commit (a listener's phase {@code BEFORE_COMMIT}) runs before the key's last write and is part of the stage. What
 * runs after it runs when the library's transaction has ended, without any transaction of Spring's, and with what
 * became of it: if nobody knows, {@code AFTER_COMMIT} and {@code AFTER_ROLLBACK} don't run, {@code AFTER_COMPLETION}
 * does, and the key says later whether the stage was committed. It runs once for each run of the stage, and can't
 * change its outcome: its errors are logged.
 *
 * <p>If code marks the transaction for rollback, as {@code @Transactional} does when its method throws, the stage fails
 * with an {@link org.springframework.transaction.UnexpectedRollbackException}, once, even if it has caught what was
 * thrown; its own exception, if it throws one, comes first. A mark after an error that ends the transaction, such as a
 * conflict, runs the stage again.
 *
 * <p>Limits: nothing has a part in a stage that has none in Spring Data's own transactions, such as another thread, the
 * driver's client, a reactive template, a {@code GridFsTemplate}, or a template over another factory; {@link #covers}
 * finds the latter. The factory has to use the client that the store was made with; otherwise the first of a stage's
 * commands that Spring Data sends fails with an {@link IllegalStateException} of the driver's.
 *
 * <p>Safe for many threads. Blocks as the store does that it wraps, and adds no command of its own.
 */
public final class SpringMongoKeyStore implements KeyStore<ClientSession> {
    private final KeyStore<ClientSession> store;
    private final MongoDatabaseFactory factory;
    private final InnerTransactions inner;
    private final boolean allowsOuterTransactions;

    /**
     * A store that refuses inner and outer transactions.
     *
     * @param store keeps the keys: a {@code MongoKeyStore}, or a decorator of one
     * @param factory the one that the application's templates, repositories and transaction managers are built over; it
     *     uses the store's own client
     */
    public SpringMongoKeyStore(KeyStore<ClientSession> store, MongoDatabaseFactory factory) {
        this(store, factory, InnerTransactions.REFUSED, false);
    }

    /**
     * A store.
     *
     * @param store keeps the keys: a {@code MongoKeyStore}, or a decorator of one
     * @param factory the one that the application's templates, repositories and transaction managers are built over; it
     *     uses the store's own client
     * @param inner what happens when code in a stage leaves the stage's transaction
     * @param allowsOuterTransactions whether threads that have a transaction of Spring's may use the store. If not,
     *     each call fails with a {@link StoreFailure} of the kind {@code REFUSED}, which the service throws on as an
     *     {@link IllegalStateException}, and nothing is changed. If so, a stage still has a transaction of its own, the
     *     thread's is put aside meanwhile and its rollback doesn't undo the stage; a stage that writes what the
     *     thread's transaction has written meets a conflict in each of its tries
     */
    public SpringMongoKeyStore(
            KeyStore<ClientSession> store,
            MongoDatabaseFactory factory,
            InnerTransactions inner,
            boolean allowsOuterTransactions) {
        this.store = Objects.requireNonNull(store, "argument 'store' is null; a MongoKeyStore is required");
        this.factory = Objects.requireNonNull(factory, "argument 'factory' is null; the application's is required");
        this.inner = Objects.requireNonNull(inner, "argument 'inner' is null; allowed: REFUSED or LOGGED");
        this.allowsOuterTransactions = allowsOuterTransactions;
    }

    /**
     * Whether what is written with a template, or with a repository over it, belongs to a stage. Unless its session
     * synchronization is {@code NEVER}, which nobody can see.
     *
     * @param operations an application's template
     * @return whether it is a {@link MongoTemplate} over this store's factory
     */
    public boolean covers(MongoOperations operations) {
        return operations instanceof MongoTemplate template
                && TransactionSynchronizationUtils.unwrapResourceIfNecessary(template.getMongoDatabaseFactory())
                        .equals(TransactionSynchronizationUtils.unwrapResourceIfNecessary(factory));
    }

    /**
     * Whether a transaction manager's methods join a stage. Methods of one that doesn't begin transactions of their
     * own, and so leave the stage's.
     *
     * @param transactions an application's transaction manager
     * @return whether it is one over this store's factory
     */
    public boolean covers(MongoTransactionManager transactions) {
        return TransactionSynchronizationUtils.sameResourceFactory(transactions, factory);
    }

    @Override
    public Instant time() {
        refuseOuterTransaction();
        return store.time();
    }

    @Override
    public Duration timeHolds() {
        return store.timeHolds();
    }

    @Override
    public boolean isInProcess() {
        return store.isInProcess();
    }

    @Override
    public Set<Isolation> isolations() {
        return store.isolations();
    }

    @Override
    public Optional<StoredKey> find(KeyId id) {
        refuseOuterTransaction();
        return store.find(id);
    }

    @Override
    public boolean insert(StoredKey key) {
        refuseOuterTransaction();
        return store.insert(key);
    }

    @Override
    public boolean replace(Revision expected, StoredKey next) {
        refuseOuterTransaction();
        return store.replace(expected, next);
    }

    @Override
    public StageCommit commitStage(
            StoredKey held, Isolation isolation, Duration lease, Function<ClientSession, StoredProgress> work) {
        try {
            refuseOuterTransaction();
        } catch (StoreFailure e) {
            return StageCommit.rolledBack(new IllegalStateException(e.getMessage(), e));
        }
        MongoStage stage = new MongoStage(factory, inner);
        return stage.run(() -> store.commitStage(held, isolation, lease, session -> stage.work(session, work)));
    }

    @Override
    public StageCommit commitSingle(
            StoredKey taken, Isolation isolation, Duration lease, SingleStage<ClientSession> single) {
        try {
            refuseOuterTransaction();
        } catch (StoreFailure e) {
            return StageCommit.rolledBack(e);
        }
        MongoStage stage = new MongoStage(factory, inner);
        return stage.run(() -> store.commitSingle(taken, isolation, lease, new SingleStage<>() {
            @Override
            public boolean replaces(StoredKey stored) {
                return single.replaces(stored);
            }

            @Override
            public StoredProgress work(ClientSession session) {
                return stage.work(session, single::work);
            }
        }));
    }

    private void refuseOuterTransaction() {
        if (!allowsOuterTransactions
                && (TransactionSynchronizationManager.isActualTransactionActive()
                        || MongoDatabaseUtils.isTransactionActive(factory))) {
            throw new StoreFailure(
                    StoreFailure.Kind.REFUSED,
                    "the thread has an open transaction of Spring's, or is in a stage, which the operation can't be"
                            + " part of, because a stage commits by itself. Call it outside of them, or make the"
                            + " SpringMongoKeyStore with allowsOuterTransactions",
                    null);
        }
    }

    @Override
    public List<StoredKey> findResumable(
            Map<String, Set<RecoveryPoint>> operations, @Nullable String afterScope, Instant before, int limit) {
        refuseOuterTransaction();
        return store.findResumable(operations, afterScope, before, limit);
    }

    @Override
    public List<StoredKey> findUnfinished(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        refuseOuterTransaction();
        return store.findUnfinished(scope, after, since, limit);
    }

    @Override
    public List<StoredKey> findQuarantined(@Nullable String scope, @Nullable KeyId after, Instant since, int limit) {
        refuseOuterTransaction();
        return store.findQuarantined(scope, after, since, limit);
    }

    @Override
    public Backlog backlog(Instant before) {
        refuseOuterTransaction();
        return store.backlog(before);
    }

    @Override
    public List<Backlog.OfOperation> countByOperation(Instant before, int most) {
        refuseOuterTransaction();
        return store.countByOperation(before, most);
    }

    @Override
    public int deleteExpired(Instant at, int limit) {
        refuseOuterTransaction();
        return store.deleteExpired(at, limit);
    }
}
