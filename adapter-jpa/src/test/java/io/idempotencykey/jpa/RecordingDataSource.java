package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** A data source that remembers the statements that were really executed on its connections. */
final class RecordingDataSource {
    private final DataSource dataSource;
    private final Queue<String> executed = new ConcurrentLinkedQueue<>();
    private final AtomicInteger roundTrips = new AtomicInteger();

    private volatile @Nullable String failing;
    private volatile @Nullable SQLException failure;

    RecordingDataSource(DataSource dataSource) {
        this.dataSource = dataSource;
    }

    DataSource recorded() {
        return wrap(DataSource.class, dataSource, "");
    }

    /**
     * All statements since the last {@link #forget()} in lower case; {@code commit} and {@code rollback} are among
     * them.
     */
    List<String> executed() {
        return List.copyOf(executed);
    }

    /** The first words of what reads or writes rows: no settings, no marks, no clock, no end of a transaction. */
    List<String> rows() {
        return executed.stream()
                // What MariaDB is sent as a block, and reads only if it has inserted nothing.
                .map(sql -> sql.replaceFirst("^(begin not atomic )+|^if row_count\\(\\) = 0 then ", ""))
                .filter(sql -> !sql.matches(
                        "(?s)(begin|end|if |(release )?savepoint|set (transaction|local|session|lock_timeout|@)|call lock_timeout|commit|rollback"
                                + "|create local temporary|insert into idempotencykey_transaction"
                                + "|select (clock_timestamp|utc_timestamp|current_timestamp)).*"))
                .map(sql -> sql.replaceFirst("(?s)^set statement \\w+ = \\w+ for ", ""))
                .map(sql -> sql.replaceFirst("(?s)^with fenced as \\(", ""))
                .map(sql -> sql.replaceFirst("(?s)^merge", "insert"))
                .map(sql -> sql.replaceFirst("(?s)^select pg_try_advisory_xact_lock.*", "lock idempotency_key"))
                .map(sql -> sql.replaceFirst("(?s)^(\\w+).*?(idempotency_key|contract_row).*$", "$1 $2"))
                .toList();
    }

    /** How often the server was asked since then. */
    int roundTrips() {
        return roundTrips.get();
    }

    void forget() {
        executed.clear();
        roundTrips.set(0);
    }

    /** Lets each statement with this text fail after it was executed. */
    void failAfter(String text, SQLException with) {
        failure = with;
        failing = text;
    }

    private <C> C wrap(Class<C> type, Object target, String prepared) {
        InvocationHandler handler = (proxy, method, arguments) -> invoke(target, method, arguments, prepared);
        return type.cast(Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] {type}, handler));
    }

    private @Nullable Object invoke(
            Object target, Method method, @Nullable Object @Nullable [] arguments, String prepared) throws Throwable {
        String sql = arguments != null && arguments.length > 0 && arguments[0] instanceof String text ? text : prepared;
        if (method.getName().startsWith("execute")) {
            roundTrips.incrementAndGet();
            Pattern.compile("; ")
                    .splitAsStream(sql.toLowerCase(Locale.ROOT))
                    .filter(each -> !each.matches("end( if)?"))
                    .forEach(executed::add);
        } else if (target instanceof Connection connection && ends(connection, method)) {
            roundTrips.incrementAndGet();
            executed.add(method.getName());
        }
        Object result;
        try {
            result = method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
        String text = failing;
        if (text != null && method.getName().startsWith("execute") && sql.contains(text)) {
            throw Objects.requireNonNull(failure);
        }
        if (result instanceof Connection) {
            return wrap(Connection.class, result, "");
        }
        if (result instanceof PreparedStatement) {
            return wrap(PreparedStatement.class, result, sql);
        }
        return result instanceof Statement ? wrap(Statement.class, result, "") : result;
    }

    private static boolean ends(Connection connection, Method method) throws SQLException {
        return (method.getName().equals("commit") || method.getName().equals("rollback"))
                && !connection.isClosed()
                && !connection.getAutoCommit();
    }
}
