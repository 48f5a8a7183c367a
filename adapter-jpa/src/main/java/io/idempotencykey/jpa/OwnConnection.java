package io.idempotencykey.jpa;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Blob;
import java.sql.CallableStatement;
import java.sql.Clob;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A connection that the adapter has taken from the data source itself, and hands to the stage behind a proxy.
 *
 * <p>It saves round trips where the database allows that: the transaction's settings go along with its first statement,
 * and the fence with its commit. Until then it refuses calls of the stage and its callbacks that would end the
 * transaction, because the writes so far would be kept or lost without the key. It knows which errors are the
 * connection's. Where the server may roll back by itself, it remembers the first one after which that may have
 * happened.
 */
final class OwnConnection implements StageConnection, InvocationHandler {
    /** What leads back to the connection, or asks its server. */
    private static final Set<Class<?>> WRAPPED = Set.of(
            Blob.class,
            CallableStatement.class,
            Clob.class,
            DatabaseMetaData.class,
            PreparedStatement.class,
            ResultSet.class,
            Statement.class);

    /** Calls that send nothing to the server, or that end the transaction, which then needs no settings. */
    private static final Set<String> NEEDS_NO_SETTINGS = Set.of(
            "abort",
            "close",
            "commit",
            "getAutoCommit",
            "hashCode",
            "isClosed",
            "isReadOnly",
            "isWrapperFor",
            "rollback",
            "setAutoCommit",
            "toString");

    /** H2's driver commits before it sets an isolation. */
    private static final Set<String> ENDS =
            Set.of("commit", "rollback", "setAutoCommit", "setTransactionIsolation", "close", "abort");

    private final Connection proxy;
    private final Dialect dialect;
    private final Connection target;
    private final boolean hasBegun;
    private Guard guard = Guard.NONE;
    /** Whether a callback, or Hibernate after one that failed, has rolled the transaction back. */
    private boolean isRolledBack;

    private List<String> settings = List.of();
    private @Nullable Fence fence;
    /** All errors of the connection, by identity. */
    private final Set<SQLException> errors =
            Collections.synchronizedSet(Collections.newSetFromMap(new IdentityHashMap<>(1)));

    /** Whether the stage has reached the driver's own objects, whose errors aren't seen. */
    private volatile boolean isUnwrapped;

    private volatile @Nullable SQLException doom;

    /**
     * Wraps a connection, by which the caller commits, and which it restores.
     *
     * @param hasBegun whether the transaction has begun, and its first statements are sent
     */
    OwnConnection(Connection target, Dialect dialect, boolean hasBegun) {
        this.target = target;
        this.dialect = dialect;
        this.hasBegun = hasBegun;
        this.proxy = (Connection)
                Proxy.newProxyInstance(OwnConnection.class.getClassLoader(), new Class<?>[] {Connection.class}, this);
    }

    /** What the stage's session works with. */
    Connection proxy() {
        return proxy;
    }

    @Override
    public boolean isOwned() {
        return true;
    }

    @Override
    public void begin(List<String> statements, Check check) throws SQLException {
        if (hasBegun) {
            return;
        }
        check.on(target);
        if (dialect.sendsTogether()) {
            settings = statements;
        } else {
            for (String sql : statements) {
                Dialect.execute(target, sql);
            }
        }
    }

    @Override
    public void guard(Guard next) {
        guard = next;
    }

    @Override
    public @Nullable SQLException doom() {
        return doom;
    }

    @Override
    public boolean mayHaveThrown(SQLException error) {
        return isUnwrapped || errors.contains(error);
    }

    @Override
    public void fence(Fence last) {
        if (isRolledBack) {
            throw new IllegalStateException(
                    "a callback rolled the stage's transaction back; only the library may commit or roll back");
        }
        fence = last;
    }

    @Override
    public void ping(Dialect.Stage stage) throws SQLException {
        dialect.ping(target, stage);
    }

    @Override
    public boolean hasEnded(Dialect.Stage stage, Throwable after) throws SQLException {
        // Those that the stage swallowed count, too.
        List<SQLException> seen = dialect.errors(after);
        seen.addAll(errors);
        return dialect.hasEnded(target, stage, seen);
    }

    @Override
    public <R> R first(Statements.Work<R> work) throws SQLException {
        return work.with(statements());
    }

    /** Statements that send the settings along if no other has. */
    private Statements statements() {
        List<String> now = settings;
        settings = List.of();
        return now.isEmpty()
                ? new Statements(target)
                : new Statements(target, Statements.Around.once(String.join("; ", now) + "; ", now.size()));
    }

    @Override
    public @Nullable Object invoke(Object self, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("equals") && arguments != null) {
            return self == arguments[0];
        }
        check(target, method, arguments);
        Fence once = fence;
        if (method.getName().equals("commit") && once != null) {
            fence = null;
            guard = Guard.NONE;
            noting(() -> once.on(statements(), dialect.fenceCommits()));
            if (dialect.fenceCommits()) {
                return null;
            }
        }
        if (!settings.isEmpty() && !NEEDS_NO_SETTINGS.contains(method.getName())) {
            if (method.getName().equals("prepareStatement") && arguments != null && arguments.length == 1) {
                return wrap(
                        FirstStatement.prepare(target, settings, (String) arguments[0], () -> settings = List.of()),
                        PreparedStatement.class);
            }
            List<String> now = settings;
            settings = List.of();
            noting(() -> Dialect.execute(target, String.join("; ", now)));
        }
        return seen(target, method, arguments);
    }

    /** Calls a method, remembers its error, and wraps its result, so that errors and ends of it are seen, too. */
    private @Nullable Object seen(Object called, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        if (method.getName().equals("unwrap")) {
            isUnwrapped = true;
        }
        Object result;
        try {
            result = call(called, method, arguments);
        } catch (SQLException e) {
            note(e);
            throw e;
        }
        if (result == null || method.getReturnType() == Connection.class) {
            return result == null ? null : proxy;
        }
        return WRAPPED.contains(method.getReturnType()) ? wrap(result, method.getReturnType()) : result;
    }

    private Object wrap(Object wrapped, Class<?> type) {
        InvocationHandler handler = (self, method, arguments) -> {
            if (method.getName().equals("equals") && arguments != null) {
                return self == arguments[0];
            }
            check(wrapped, method, arguments);
            return seen(wrapped, method, arguments);
        };
        return Proxy.newProxyInstance(OwnConnection.class.getClassLoader(), new Class<?>[] {type}, handler);
    }

    /** A call of the adapter's own. */
    @FunctionalInterface
    private interface Own {
        void run() throws SQLException;
    }

    private void noting(Own call) throws SQLException {
        try {
            call.run();
        } catch (SQLException e) {
            note(e);
            throw e;
        }
    }

    private void note(SQLException error) {
        // A caller may pass on a part of it only, such as a batch's next one.
        errors.addAll(Failure.errors(error));
        if (dialect.watches() && doom == null) {
            switch (dialect.failure(error)) {
                case CONFLICT, LOCKED, LOST -> doom = error;
                case HEURISTIC, READ_ONLY, DUPLICATE, REFUSED, NUMBERED, UNCLEAR, NONE -> {}
            }
        }
    }

    /** Throws if the call would end the transaction though it isn't the library's turn. */
    private void check(Object called, Method method, @Nullable Object @Nullable [] arguments) throws SQLException {
        String name = method.getName();
        boolean ends =
                called instanceof Connection && ENDS.contains(name) && !(name.equals("rollback") && arguments != null);
        boolean isRefused = switch (guard) {
            case NONE -> isRolledBack && (name.equals("commit") || name.equals("setTransactionIsolation"));
            case WORK -> ends;
            // Whoever commits once the fence is set runs it, too.
            case CALLBACKS -> ends && !name.equals("rollback") && !(name.equals("commit") && fence != null);
        };
        if (isRefused || says(name, arguments)) {
            throw new SQLException("only the library ends a stage's transaction", "2D000");
        }
        if (ends && name.equals("rollback") && guard == Guard.CALLBACKS) {
            isRolledBack = true;
            guard = Guard.NONE;
        }
    }

    /** Whether a statement's text ends the transaction though it isn't the library's turn. */
    private boolean says(String name, @Nullable Object @Nullable [] arguments) {
        return (guard != Guard.NONE || isRolledBack)
                && arguments != null
                && arguments.length > 0
                && arguments[0] instanceof String sql
                && (name.startsWith("execute") || name.startsWith("prepare") || name.equals("addBatch"))
                && dialect.ends(sql);
    }

    /** Calls a method, and throws its exception unchanged. */
    static @Nullable Object call(Object target, Method method, @Nullable Object @Nullable [] arguments)
            throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getTargetException();
        }
    }
}
