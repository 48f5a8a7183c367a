package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Remembers an error after which the server may have rolled the transaction back, even if the stage swallows it.
 *
 * <p>Wraps the connection, its statements and their results. The first such error dooms the connection's transaction.
 */
final class WatchedConnection implements InvocationHandler {
    private static final List<Class<?>> WRAPPED = List.of(
            Connection.class, CallableStatement.class, PreparedStatement.class, Statement.class, ResultSet.class);

    private final Object target;
    private final AtomicReference<@Nullable SQLException> doom;
    private final StageGuard guard;

    private WatchedConnection(Object target, AtomicReference<@Nullable SQLException> doom, StageGuard guard) {
        this.target = target;
        this.doom = doom;
        this.guard = guard;
    }

    StageGuard guard() {
        return guard;
    }

    static Connection watch(Connection connection) {
        return (Connection) wrap(connection, Connection.class, new AtomicReference<>(), new StageGuard());
    }

    /** The error that doomed the connection's transaction; {@code null} if there is none or it isn't watched. */
    static @Nullable SQLException doom(Connection connection) {
        return Proxy.isProxyClass(connection.getClass())
                        && Proxy.getInvocationHandler(connection) instanceof WatchedConnection watched
                ? watched.doom.get()
                : null;
    }

    private static Object wrap(
            Object target, Class<?> type, AtomicReference<@Nullable SQLException> doom, StageGuard guard) {
        return Proxy.newProxyInstance(
                WatchedConnection.class.getClassLoader(),
                new Class<?>[] {type},
                new WatchedConnection(target, doom, guard));
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("equals") && arguments != null) {
            return proxy == arguments[0];
        }
        guard.check(target, method, arguments);
        Object result;
        try {
            result = method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            Throwable thrown = e.getTargetException();
            if (thrown instanceof SQLException sql) {
                note(sql);
            }
            throw thrown;
        }
        if (result != null) {
            for (Class<?> type : WRAPPED) {
                if (method.getReturnType() == type) {
                    return wrap(result, type, doom, guard);
                }
            }
        }
        return result;
    }

    private void note(SQLException sql) {
        Failure failure = Failure.of(sql);
        if (failure == Failure.CONFLICT || failure == Failure.LOCKED || failure == Failure.LOST) {
            doom.compareAndSet(null, sql);
        }
    }
}
