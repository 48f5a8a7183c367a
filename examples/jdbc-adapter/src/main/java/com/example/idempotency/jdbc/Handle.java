package com.example.idempotency.jdbc;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The connection that a stage gets: it works as long as the stage runs, and leaves the transaction to the store.
 *
 * <p>It stops mistakes, not intent: an SQL statement {@code rollback}, or the connection that a statement knows, goes
 * past it. That is why the store looks for its savepoint before the stage's commit.
 */
final class Handle implements InvocationHandler {
    /** What would end the transaction, make another one of it, or go round this. */
    private static final Set<String> REFUSED =
            Set.of("commit", "rollback", "setAutoCommit", "setTransactionIsolation", "close", "abort", "unwrap");

    private final Connection connection;
    private volatile boolean ended;

    Handle(Connection connection) {
        this.connection = connection;
    }

    Connection connection() {
        return (Connection)
                Proxy.newProxyInstance(Handle.class.getClassLoader(), new Class<?>[] {Connection.class}, this);
    }

    /** The stage's work has returned or thrown. */
    void end() {
        ended = true;
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, Object @Nullable [] arguments) throws Throwable {
        if (method.getDeclaringClass() == Object.class) {
            return method.invoke(this, arguments);
        }
        if (ended) {
            throw new IllegalStateException("the stage has ended, and its connection with it");
        }
        // A rollback to a savepoint of the stage's own, which has an argument, is the stage's to make.
        boolean ofItsOwn = method.getName().equals("rollback") && arguments != null;
        if (REFUSED.contains(method.getName()) && !ofItsOwn) {
            throw new IllegalStateException("a stage may not call " + method.getName()
                    + " on its connection: the store commits or rolls back when the stage has ended");
        }
        try {
            return method.invoke(connection, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
