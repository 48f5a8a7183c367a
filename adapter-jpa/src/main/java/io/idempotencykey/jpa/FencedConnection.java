package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A connection that spares round trips: the transaction's settings go along with its first statement, the fence with
 * its commit.
 */
final class FencedConnection implements InvocationHandler {
    /** Runs the fence and commits, or throws. */
    @FunctionalInterface
    interface Commit {
        void on(Connection connection) throws SQLException;
    }

    /** What says nothing to the server, or ends the transaction and with it the need of settings. */
    private static final Set<String> NEEDS_NO_SETTINGS = Set.of(
            "abort",
            "close",
            "commit",
            "getAutoCommit",
            "hashCode",
            "isClosed",
            "isReadOnly",
            "isWrapperFor",
            "rollback",
            "setAutoCommit",
            "toString");

    private final Connection target;
    private final StageGuard guard = new StageGuard();
    private List<String> settings = List.of();
    private @Nullable Commit commit;

    private FencedConnection(Connection target) {
        this.target = target;
    }

    StageGuard guard() {
        return guard;
    }

    static Connection of(Connection target) {
        return (Connection) Proxy.newProxyInstance(
                FencedConnection.class.getClassLoader(),
                new Class<?>[] {Connection.class},
                new FencedConnection(target));
    }

    /** Has the transaction begin with these statements; {@code false} if the connection isn't of this kind. */
    static boolean beginBy(Connection connection, List<String> settings) {
        FencedConnection fenced = fenced(connection);
        if (fenced != null) {
            fenced.settings = settings;
        }
        return fenced != null;
    }

    /** Has the transaction commit in this way; {@code false} if the connection isn't of this kind. */
    static boolean commitBy(Connection connection, Commit commit) {
        FencedConnection fenced = fenced(connection);
        if (fenced != null) {
            fenced.commit = commit;
        }
        return fenced != null;
    }

    private static @Nullable FencedConnection fenced(Connection connection) {
        return Proxy.isProxyClass(connection.getClass())
                        && Proxy.getInvocationHandler(connection) instanceof FencedConnection fenced
                ? fenced
                : null;
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("equals") && arguments != null) {
            return proxy == arguments[0];
        }
        guard.check(target, method, arguments);
        Commit once = commit;
        if (method.getName().equals("commit") && once != null) {
            commit = null;
            once.on(target);
            return null;
        }
        if (!settings.isEmpty() && !NEEDS_NO_SETTINGS.contains(method.getName())) {
            if (method.getName().equals("prepareStatement") && arguments != null && arguments.length == 1) {
                return FirstStatement.prepare(target, settings, (String) arguments[0], () -> settings = List.of());
            }
            List<String> now = settings;
            settings = List.of();
            ConnectionSettings.execute(target, String.join("; ", now));
        }
        Object result = call(target, method, arguments);
        return method.getName().equals("createStatement") && result != null ? guarded(result) : result;
    }

    /** A statement whose text is looked at when it is executed. */
    private Object guarded(Object statement) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            guard.check(statement, method, arguments);
            return call(statement, method, arguments);
        };
        return Proxy.newProxyInstance(
                FencedConnection.class.getClassLoader(), new Class<?>[] {Statement.class}, handler);
    }

    /** Calls a method, and throws what it throws as it is. */
    static @Nullable Object call(Object target, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
