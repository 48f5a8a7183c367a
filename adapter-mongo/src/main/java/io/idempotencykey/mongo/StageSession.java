package io.idempotencykey.mongo;

import com.mongodb.MongoException;
import com.mongodb.client.ClientSession;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A stage's view of its session: it refuses to begin or end a transaction, which only the library does, and it refuses
 * every call after the stage has ended.
 *
 * <p>It is a proxy and not a class, because drivers add methods to the interface.
 */
final class StageSession implements InvocationHandler {
    private static final Set<String> REFUSED =
            Set.of("startTransaction", "commitTransaction", "abortTransaction", "withTransaction", "close");

    private final ClientSession session;
    private volatile boolean over;
    private volatile boolean doomed;
    private volatile @Nullable IllegalStateException refusal;

    StageSession(ClientSession session) {
        this.session = session;
    }

    ClientSession handle() {
        return (ClientSession)
                Proxy.newProxyInstance(StageSession.class.getClassLoader(), new Class<?>[] {ClientSession.class}, this);
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("equals")) {
            // Frameworks look sessions up by equality, and the driver's session doesn't equal its proxy.
            return arguments != null && proxy == arguments[0];
        }
        if (over && method.getDeclaringClass() != Object.class) {
            throw new IllegalStateException("the stage is over, and its session with it");
        }
        if (REFUSED.contains(method.getName())) {
            IllegalStateException refused = new IllegalStateException("the stage called " + method.getName()
                    + "; only the library begins and ends a stage's transaction");
            refusal = refused;
            throw refused;
        }
        if (method.getName().equals("clearTransactionContext")) {
            // The driver calls this after each error that it labels as transient. The write may be missing then, while
            // the server still has the transaction.
            doomed = true;
        }
        if (method.getName().equals("setSnapshotTimestamp")) {
            // Some servers return a transaction's snapshot in their answers. The driver takes it for that of a snapshot
            // session, which this isn't, and would refuse another snapshot in the session's next transaction.
            return null;
        }
        try {
            return method.invoke(session, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }

    /** Whether an error that ends the transaction has come from this session, even if the stage swallowed it. */
    boolean isDoomed() {
        return doomed;
    }

    /** Ends the stage's use of the session, and throws an error or a refusal that the stage swallowed. */
    void end() {
        over = true;
        if (refusal != null) {
            throw refusal;
        }
        if (doomed) {
            MongoException swallowed = new MongoException("the stage swallowed an error that ends its transaction");
            swallowed.addLabel(MongoException.TRANSIENT_TRANSACTION_ERROR_LABEL);
            throw swallowed;
        }
    }
}
