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
 * What a stage sees of its session: everything but the transaction's begin and end, which are the library's, and
 * nothing once the stage is over.
 *
 * <p>A proxy rather than a class, since drivers add methods to the interface.
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
            // Frameworks look sessions up, and the driver's would not equal its proxy.
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
            // The driver's own call, after each error that it labels as transient: what was sent may be missing,
            // and the server may still have the transaction.
            doomed = true;
        }
        if (method.getName().equals("setSnapshotTimestamp")) {
            // Some servers name a transaction's snapshot in their answers. The driver takes it for that of a snapshot
            // session, which this isn't, and would refuse the session's next transaction another one.
            return null;
        }
        try {
            return method.invoke(session, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }

    /** Ends the stage's use of the session, and throws what the stage was refused or met, even if it swallowed that. */
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
