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
        if (sql.startsWith("set lock_timeout")) {
            return statement;
        }
        return database == TestDatabase.MYSQL ? counted(statement) : explained(sql, statement);
    }

    private PreparedStatement explained(String sql, PreparedStatement statement) throws SQLException {
        PreparedStatement explain = target.prepareStatement(
                switch (database) {
                    case POSTGRESQL -> "explain (analyze, costs off, timing off, summary off, buffers off) " + sql;
                    case MARIADB ->
                        sql.replaceFirst("^begin not atomic release .*?; (.*); end$", "$1")
                                .replaceFirst("^(set statement \\S+ = \\S+ for )?", "$1analyze format=json ");
                    case H2 -> "explain analyze " + sql;
                    case MYSQL -> throw new IllegalStateException("MySQL explains no update");
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

    /** A statement whose plan is the number of rows that the server reads for it. */
    private PreparedStatement counted(PreparedStatement statement) {
        return (PreparedStatement) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {PreparedStatement.class}, (proxy, method, arguments) -> {
                    if (!method.getName().startsWith("execute")) {
                        return invoke(statement, method, arguments);
                    }
                    long before = rowsRead();
                    Object result = invoke(statement, method, arguments);
                    plan.append("\"r_rows\": ").append(rowsRead() - before).append('\n');
                    return result;
                });
    }

    private long rowsRead() throws SQLException {
        try (Statement status = target.createStatement();
                ResultSet rows = status.executeQuery("show session status like 'Handler_read%'")) {
            long read = 0;
            while (rows.next()) {
                read += rows.getLong(2);
            }
            return read;
        }
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
