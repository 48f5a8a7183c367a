package io.idempotencykey.spring;

import com.mongodb.ClientSessionOptions;
import com.mongodb.MongoException;
import com.mongodb.client.ClientSession;
import com.mongodb.client.MongoDatabase;
import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoredProgress;
import java.lang.System.Logger.Level;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.core.InfrastructureProxy;
import org.springframework.dao.support.PersistenceExceptionTranslator;
import org.springframework.data.mongodb.MongoDatabaseFactory;
import org.springframework.data.mongodb.MongoTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.UnexpectedRollbackException;
import org.springframework.transaction.support.DefaultTransactionDefinition;
import org.springframework.transaction.support.DefaultTransactionStatus;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionSynchronizationUtils;

/**
 * One stage, as a transaction of Spring Data's that is bound to the application's factory: Spring Data's own code binds
 * it, and so its templates, repositories and transaction managers find it as they find any other.
 *
 * <p>It ends before the library's transaction does, and so ends nothing but itself. What the application wants to do
 * after the commit is kept until that is made.
 */
@SuppressWarnings("serial") // Its base class is serializable; this is never serialized.
final class MongoStage extends MongoTransactionManager {
    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");
    private static final TransactionDefinition OUTSIDE =
            new DefaultTransactionDefinition(TransactionDefinition.PROPAGATION_NOT_SUPPORTED);
    private static final TransactionDefinition INSIDE = inside();

    private final StageSessions sessions;
    private final StageBoundary boundary;
    private List<TransactionSynchronization> callbacks = List.of();

    MongoStage(MongoDatabaseFactory factory, InnerTransactions inner) {
        this(new StageSessions(factory), inner);
    }

    private MongoStage(StageSessions sessions, InnerTransactions inner) {
        super(sessions);
        this.sessions = sessions;
        this.boundary = new StageBoundary(inner);
        setTransactionSynchronization(SYNCHRONIZATION_ON_ACTUAL_TRANSACTION);
    }

    private static TransactionDefinition inside() {
        DefaultTransactionDefinition inside = new DefaultTransactionDefinition();
        inside.setName(StageBoundary.TRANSACTION);
        return inside;
    }

    /** Runs a commit apart from the thread's transaction, if it has one, and then the stage's callbacks. */
    StageCommit run(Supplier<StageCommit> commit) {
        return StageBoundary.across(() -> {
            TransactionStatus outside = getTransaction(OUTSIDE);
            try {
                return completed(commit);
            } finally {
                commit(outside);
            }
        });
    }

    private StageCommit completed(Supplier<StageCommit> commit) {
        int status = TransactionSynchronization.STATUS_UNKNOWN;
        try {
            StageCommit end = commit.get();
            status = switch (end.kind()) {
                case COMMITTED -> TransactionSynchronization.STATUS_COMMITTED;
                case UNKNOWN -> TransactionSynchronization.STATUS_UNKNOWN;
                case FENCED_OFF, HELD, ROLLED_BACK, TRANSIENTLY_ROLLED_BACK ->
                    TransactionSynchronization.STATUS_ROLLED_BACK;
            };
            return end;
        } finally {
            if (status == TransactionSynchronization.STATUS_COMMITTED) {
                afterCommit();
            }
            afterCompletion(status);
        }
    }

    private void afterCommit() {
        try {
            TransactionSynchronizationUtils.invokeAfterCommit(callbacks);
        } catch (Throwable e) {
            try {
                LOGGER.log(Level.ERROR, "a callback failed after the stage was committed, and stays so", e);
            } catch (Throwable unloggable) {
                // Not even its text can be had, and the stage stays committed.
            }
        }
    }

    private void afterCompletion(int status) {
        for (TransactionSynchronization callback : callbacks) {
            try {
                TransactionSynchronizationUtils.invokeAfterCompletion(List.of(callback), status);
            } catch (Throwable unloggable) {
                // Spring logs what callbacks throw. Not even its text can be had, and the stage's end stays as it is.
            }
        }
    }

    /** Does the stage's work and whatever is to be done before the commit. */
    StoredProgress work(ClientSession session, Function<ClientSession, StoredProgress> work) {
        StageView view = sessions.begin(session);
        TransactionStatus transaction = getTransaction(INSIDE);
        AtomicReference<StoredProgress> next = new AtomicReference<>();
        try {
            boundary.around(() -> next.set(work.apply(session)));
        } catch (Throwable e) {
            rollback(transaction);
            throw e;
        }
        try {
            commit(transaction);
        } catch (UnexpectedRollbackException e) {
            throw view.isEnded ? new UnexpectedRollbackException("the stage is marked for rollback", ended()) : e;
        }
        // Spring ignores the errors of callbacks before the completion.
        boundary.check();
        return Objects.requireNonNull(next.get());
    }

    /** Code that marks a stage for rollback because of a conflict doesn't make the conflict the stage's own failure. */
    private static MongoException ended() {
        MongoException swallowed = new MongoException("the stage swallowed an error that ends its transaction");
        swallowed.addLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL);
        return swallowed;
    }

    @Override
    protected void doCommit(MongoTransactionObject transaction) {
        keepCallbacks();
    }

    @Override
    protected void doRollback(DefaultTransactionStatus status) {
        keepCallbacks();
    }

    private void keepCallbacks() {
        callbacks = TransactionSynchronizationManager.getSynchronizations();
        TransactionSynchronizationManager.clearSynchronization();
        TransactionSynchronizationManager.initSynchronization();
    }

    /**
     * The application's factory, but that it gives out the stage's session. Spring takes both for one, and so what is
     * bound to this one is found by whatever uses the other.
     */
    private static final class StageSessions implements MongoDatabaseFactory, InfrastructureProxy {
        private final MongoDatabaseFactory factory;
        private @Nullable ClientSession session;

        StageSessions(MongoDatabaseFactory factory) {
            this.factory = factory;
        }

        StageView begin(ClientSession stage) {
            StageView view = new StageView(stage);
            session = (ClientSession) Proxy.newProxyInstance(
                    MongoStage.class.getClassLoader(), new Class<?>[] {ClientSession.class}, view);
            return view;
        }

        @Override
        public Object getWrappedObject() {
            return factory;
        }

        @Override
        public ClientSession getSession(ClientSessionOptions options) {
            return Objects.requireNonNull(session);
        }

        @Override
        public MongoDatabase getMongoDatabase() {
            return factory.getMongoDatabase();
        }

        @Override
        public MongoDatabase getMongoDatabase(String dbName) {
            return factory.getMongoDatabase(dbName);
        }

        @Override
        public PersistenceExceptionTranslator getExceptionTranslator() {
            return factory.getExceptionTranslator();
        }

        @Override
        public MongoDatabaseFactory withSession(ClientSession other) {
            return factory.withSession(other);
        }
    }

    /**
     * The stage's session, for Spring Data to begin, end and close: the library does all of this, and the session that
     * the stage has refuses it.
     */
    private static final class StageView implements InvocationHandler {
        private final ClientSession session;
        private boolean isEnded;

        StageView(ClientSession session) {
            this.session = session;
        }

        @Override
        public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
                throws Throwable {
            switch (method.getName()) {
                case "startTransaction", "commitTransaction", "abortTransaction", "close" -> {
                    return null;
                }
                case "equals" -> {
                    return arguments != null && proxy == arguments[0];
                }
                // The driver calls this after each error that it labels as transient.
                case "clearTransactionContext" -> isEnded = true;
                default -> {}
            }
            try {
                return method.invoke(session, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause() == null ? e : e.getCause();
            }
        }
    }
}
