package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A stage's first statement, which sends the transaction's settings along in its own round trip.
 *
 * <p>The settings are sent alone before a call that the driver can't make with several statements, such as a batch.
 */
final class FirstStatement implements InvocationHandler {
    private static final Set<String> NEEDS_ONE_STATEMENT = Set.of(
            "addBatch",
            "executeBatch",
            "executeLargeBatch",
            "getConnection",
            "getMetaData",
            "getParameterMetaData",
            "unwrap");

    /** Sets a parameter again. */
    @FunctionalInterface
    private interface Parameter {
        void set() throws Throwable;
    }

    private final Connection connection;
    private final List<String> settings;
    private final String sql;
    private final Runnable sent;
    private final PreparedStatement first;
    /** The parameters by index; other settings of the statement, such as a limit, by their method's name. */
    private final Map<Object, Parameter> parameters = new HashMap<>();

    private PreparedStatement target;
    private boolean executed;
    private boolean alone;

    private FirstStatement(Connection connection, List<String> settings, String sql, Runnable sent)
            throws SQLException {
        this.connection = connection;
        this.settings = settings;
        this.sql = sql;
        this.sent = sent;
        this.first = connection.prepareStatement(String.join("; ", settings) + "; " + sql);
        this.target = first;
    }

    /** Prepares a statement, and calls {@code sent} once the settings are sent. */
    static PreparedStatement prepare(Connection connection, List<String> settings, String sql, Runnable sent)
            throws SQLException {
        return (PreparedStatement) Proxy.newProxyInstance(
                FirstStatement.class.getClassLoader(),
                new Class<?>[] {PreparedStatement.class},
                new FirstStatement(connection, settings, sql, sent));
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        String name = method.getName();
        if (name.equals("equals") && arguments != null) {
            return proxy == arguments[0];
        }
        if (name.equals("close")) {
            first.close();
        }
        if (!alone && NEEDS_ONE_STATEMENT.contains(name)) {
            sendAlone();
        }
        if (alone) {
            return call(method, arguments);
        }
        if (arguments == null && name.startsWith("execute")) {
            return execute(name);
        }
        Object result = call(method, arguments);
        if (name.startsWith("set") && arguments != null) {
            parameters.put(arguments.length == 1 ? name : arguments[0], () -> call(method, arguments));
        } else if (name.equals("clearParameters")) {
            parameters.keySet().removeIf(Integer.class::isInstance);
        }
        return result;
    }

    private @Nullable Object execute(String name) throws SQLException {
        boolean unused = target.execute();
        executed = true;
        sent.run();
        boolean rows = false;
        for (String ignored : settings) {
            rows = target.getMoreResults();
        }
        return switch (name) {
            case "execute" -> rows;
            case "executeUpdate" -> target.getUpdateCount();
            case "executeLargeUpdate" -> target.getLargeUpdateCount();
            default -> rows(target.getResultSet());
        };
    }

    private static ResultSet rows(@Nullable ResultSet rows) throws SQLException {
        if (rows == null) {
            throw new SQLException("the statement gives no rows", "02000");
        }
        return rows;
    }

    /** Sends the statement alone. The first one stays open, because its rows may still be read. */
    private void sendAlone() throws Throwable {
        if (!executed) {
            Dialect.execute(connection, String.join("; ", settings));
            sent.run();
        }
        target = connection.prepareStatement(sql);
        alone = true;
        for (Parameter each : parameters.values()) {
            each.set();
        }
    }

    private @Nullable Object call(Method method, @Nullable Object @Nullable [] arguments) throws Throwable {
        return OwnConnection.call(target, method, arguments);
    }
}
