package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A statement of a stage that sends the transaction's settings along, in its own round trip.
 *
 * <p>What the driver can't do with several statements at once, such as a batch, sends the settings by themselves.
 */
final class FirstStatement implements InvocationHandler {
    private static final Set<String> NEEDS_ONE_STATEMENT =
            Set.of("addBatch", "getConnection", "getMetaData", "getParameterMetaData", "unwrap");

    /** Sets a parameter again. */
    @FunctionalInterface
    private interface Parameter {
        void set() throws Throwable;
    }

    private final Connection connection;
    private final List<String> settings;
    private final String sql;
    private final Runnable sent;
    private final List<Parameter> parameters = new ArrayList<>();
    private PreparedStatement target;
    private boolean alone;

    private FirstStatement(Connection connection, List<String> settings, String sql, Runnable sent)
            throws SQLException {
        this.connection = connection;
        this.settings = settings;
        this.sql = sql;
        this.sent = sent;
        this.target = connection.prepareStatement(String.join("; ", settings) + "; " + sql);
    }

    /** Prepares a statement; tells when the settings are sent. */
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
        if (!alone && NEEDS_ONE_STATEMENT.contains(name)) {
            sendAlone();
        }
        if (alone) {
            return call(method, arguments);
        }
        if (arguments == null && name.startsWith("execute")) {
            return execute(name);
        }
        if (name.startsWith("set") || name.equals("clearParameters")) {
            parameters.add(() -> call(method, arguments));
        }
        return call(method, arguments);
    }

    private @Nullable Object execute(String name) throws SQLException {
        boolean unused = target.execute();
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

    private void sendAlone() throws Throwable {
        ConnectionSettings.execute(connection, String.join("; ", settings));
        sent.run();
        target.close();
        target = connection.prepareStatement(sql);
        alone = true;
        for (Parameter each : parameters) {
            each.set();
        }
    }

    private @Nullable Object call(Method method, @Nullable Object @Nullable [] arguments) throws Throwable {
        return FencedConnection.call(target, method, arguments);
    }
}
