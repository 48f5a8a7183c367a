package io.idempotencykey.jpa;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Refuses every call that would end a transaction while its stage runs, because the writes so far would be kept or lost
 * without the key.
 */
final class StageGuard {
    private static final Set<String> ENDS = Set.of("commit", "rollback", "setAutoCommit", "close", "abort");
    private static final Pattern SQL_ENDS = Pattern.compile(
            "(\\s|;|--[^\\n]*\\n|#[^\\n]*\\n|/\\*.*?\\*/)*+"
                    + "((commit|end|abort|rollback(?!\\s+(work\\s+|transaction\\s+)?to)"
                    + "|begin(?!\\s+not\\b)|start\\s+transaction)\\b"
                    + "|set\\s+(session\\s+|@@(session\\.)?)?autocommit\\b).*",
            Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

    private boolean running;

    /** Tells a connection's guard that a stage begins or has ended. */
    static void running(Connection connection, boolean running) {
        if (Proxy.isProxyClass(connection.getClass())) {
            Object handler = Proxy.getInvocationHandler(connection);
            if (handler instanceof FencedConnection fenced) {
                fenced.guard().running = running;
            } else if (handler instanceof WatchedConnection watched) {
                watched.guard().running = running;
            }
        }
    }

    /** Throws if the call would end the transaction. */
    void check(Object target, Method method, @Nullable Object @Nullable [] arguments) throws SQLException {
        if (!running) {
            return;
        }
        boolean ends = target instanceof Connection
                && ENDS.contains(method.getName())
                && !(method.getName().equals("rollback") && arguments != null);
        boolean says = arguments != null
                && arguments.length > 0
                && arguments[0] instanceof String sql
                && (method.getName().startsWith("execute") || method.getName().startsWith("prepare"))
                && SQL_ENDS.matcher(sql).matches();
        if (ends || says) {
            throw new SQLException("only the library ends a stage's transaction", "2D000");
        }
    }
}
