package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** A connection whose commit can be one that sends the fence along, in the same round trip. */
final class FencedConnection implements InvocationHandler {
    /** Runs the fence and commits, or throws. */
    @FunctionalInterface
    interface Commit {
        void on(Connection connection) throws SQLException;
    }

    private final Connection target;
    private @Nullable Commit commit;

    private FencedConnection(Connection target) {
        this.target = target;
    }

    static Connection of(Connection target) {
        return (Connection) Proxy.newProxyInstance(
                FencedConnection.class.getClassLoader(),
                new Class<?>[] {Connection.class},
                new FencedConnection(target));
    }

    /** Has the connection commit in this way; {@code false} if it isn't of this kind, and nothing is done. */
    static boolean commitBy(Connection connection, Commit commit) {
        if (Proxy.isProxyClass(connection.getClass())
                && Proxy.getInvocationHandler(connection) instanceof FencedConnection fenced) {
            fenced.commit = commit;
            return true;
        }
        return false;
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("equals") && arguments != null) {
            return proxy == arguments[0];
        }
        if (method.getName().equals("commit") && commit != null) {
            commit.on(target);
            return null;
        }
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
