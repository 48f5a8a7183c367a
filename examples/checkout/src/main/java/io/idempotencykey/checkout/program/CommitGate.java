package io.idempotencykey.checkout.program;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Lets no statement run while one of H2's transactions ends.
 *
 * <p>Whoever is answered after a commit finds it in the file, also if the process is killed in that moment: H2 returns
 * from some commits before it has written them, in spite of a write delay of zero, and a checkpoint makes it do so.
 *
 * <p>A commit or a rollback writes H2's tables to the file one after the other. What other sessions change meanwhile
 * gets into some of the tables and not into others, and it doesn't get into the log that would undo it. If the process
 * is killed before the next commit, the file is opened in that state: a key has moved on without its stage's writes, or
 * the writes are there and the key hasn't moved on, or the key can't be inserted any more.
 */
final class CommitGate {
    /** The methods of a connection that never end a transaction; all others may. */
    private static final Set<String> ENDS_NOTHING = Set.of(
            "createStatement",
            "prepareStatement",
            "getAutoCommit",
            "getMetaData",
            "isClosed",
            "isWrapperFor",
            "unwrap",
            "equals",
            "hashCode",
            "toString");

    private final ReadWriteLock gate = new ReentrantReadWriteLock();

    /** Wraps a data source, so that no other connection does anything while a transaction ends. */
    DataSource around(DataSource target) {
        return proxy(DataSource.class, target, null);
    }

    private <T> T proxy(Class<T> type, T target, @Nullable Connection connection) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            Optional<Lock> lock = lock(target, method.getName(), connection);
            lock.ifPresent(Lock::lock);
            try {
                Object result = method.invoke(target, arguments);
                flush(target, method.getName(), connection);
                return wrapped(method, result, connection);
            } catch (InvocationTargetException e) {
                throw Objects.requireNonNullElse(e.getCause(), e);
            } finally {
                lock.ifPresent(Lock::unlock);
            }
        };
        return type.cast(Proxy.newProxyInstance(CommitGate.class.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private Optional<Lock> lock(Object target, String method, @Nullable Connection connection) throws SQLException {
        if (target instanceof Statement) {
            return !method.startsWith("execute")
                    ? Optional.empty()
                    : Optional.of(
                            connection != null && connection.getAutoCommit() ? gate.writeLock() : gate.readLock());
        }
        return ENDS_NOTHING.contains(method) ? Optional.empty() : Optional.of(gate.writeLock());
    }

    /** Writes to the file what has been committed, before anybody is told of it: H2 may do so only later. */
    private static void flush(Object target, String method, @Nullable Connection connection) throws SQLException {
        Connection used = target instanceof Connection own ? own : connection;
        if (used == null) {
            return;
        }
        boolean commits = target instanceof Connection
                ? method.equals("commit") || method.equals("setAutoCommit")
                : method.startsWith("execute") && used.getAutoCommit();
        if (commits) {
            try (Statement statement = used.createStatement()) {
                statement.execute("checkpoint");
            }
        }
    }

    private @Nullable Object wrapped(Method method, @Nullable Object result, @Nullable Connection connection) {
        if (method.getName().equals("unwrap")) {
            return result;
        }
        if (result instanceof PreparedStatement statement) {
            return proxy(PreparedStatement.class, statement, connection);
        }
        if (result instanceof Statement statement) {
            return proxy(Statement.class, statement, connection);
        }
        return result instanceof Connection opened && connection == null
                ? proxy(Connection.class, opened, opened)
                : result;
    }
}
