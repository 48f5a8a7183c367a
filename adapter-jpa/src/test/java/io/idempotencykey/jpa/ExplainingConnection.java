package io.idempotencykey.jpa;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs each prepared statement a first time under the database's {@code explain analyze}, and keeps the plan. */
final class ExplainingConnection {
    private final TestDatabase database;
    private final Connection target;
    private final StringBuilder plan = new StringBuilder();

    ExplainingConnection(TestDatabase database, Connection target) {
        this.database = database;
        this.target = target;
    }

    String plan() {
        return plan.toString();
    }

    Connection connection() {
        return (Connection) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {Connection.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("prepareStatement")) {
                        return explained((String) arguments[0]);
                    }
                    return invoke(target, method, arguments);
                });
    }

    private PreparedStatement explained(String sql) throws SQLException {
        PreparedStatement statement = target.prepareStatement(sql);
        PreparedStatement explain = target.prepareStatement(
                switch (database) {
                    case POSTGRESQL -> "explain (analyze, costs off, timing off, summary off, buffers off) " + sql;
                    case MARIADB -> sql.replaceFirst("^(set statement \\S+ = \\S+ for )?", "$1analyze format=json ");
                    case MYSQL -> "explain analyze " + sql;
                    case H2 -> "explain analyze " + sql;
                });
        return (PreparedStatement) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {PreparedStatement.class}, (proxy, method, arguments) -> {
                    if (method.getName().startsWith("set") || method.getName().equals("close")) {
                        invoke(explain, method, arguments);
                    } else if (method.getName().startsWith("execute")) {
                        java.sql.Savepoint before = target.setSavepoint();
                        try (ResultSet rows = explain.executeQuery()) {
                            while (rows.next()) {
                                plan.append(rows.getString(1)).append('\n');
                            }
                        }
                        target.rollback(before);
                    }
                    return invoke(statement, method, arguments);
                });
    }

    private static @Nullable Object invoke(Object target, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }

    /** The first column of the only row. */
    static String text(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            List<String> rows = new ArrayList<>();
            while (result.next()) {
                rows.add(result.getString(1));
            }
            return String.join("\n", rows);
        }
    }
}
