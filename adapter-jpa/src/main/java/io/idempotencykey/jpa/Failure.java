package io.idempotencykey.jpa;

import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What an SQL error means. Which error means what, a {@link Dialect} says.
 *
 * <p>The constants are in order of precedence, for a throwable that carries several errors.
 */
enum Failure {
    /** The transaction's branches may have ended differently. */
    HEURISTIC,
    /** The server rolled the transaction back for a reason that may be gone at the next try. */
    CONFLICT,
    /** A row was held for too long; the statement did nothing, and the transaction may live on. */
    LOCKED,
    /** The server takes no writes; the statement did nothing. Another connection may lead to one that does. */
    READ_ONLY,
    /** Another row has the same primary or unique key; the statement did nothing. */
    DUPLICATE,
    /** The server refused or cancelled the statement, or the commit, and did nothing. */
    REFUSED,
    /** The server refused the statement with a number that has no SQL state. At a commit it may mean anything. */
    NUMBERED,
    /** The connection was lost, or the server doesn't say what became of the statement. */
    LOST,
    /** The driver or the pool gave no SQL state. If the connection still answers, it was not lost. */
    UNCLEAR,
    /** The throwable carries no SQL error. */
    NONE;

    /** What is read of chains of errors, which may be rings or never end. */
    private static final int MOST_ERRORS = 1_000;

    /** All SQL errors in a throwable's {@linkplain StoreFailure#chain chain}. */
    static List<SQLException> errors(Throwable thrown) {
        List<SQLException> errors = new ArrayList<>();
        for (Throwable each : StoreFailure.chain(thrown)) {
            if (each instanceof SQLException error) {
                errors.add(error);
            }
        }
        // A batch chains its errors. All chains are read side by side, so that none that never ends hides another.
        for (int read = 0; read < errors.size() && errors.size() < MOST_ERRORS; read++) {
            asked(errors.get(read)::getNextException).ifPresent(errors::add);
        }
        return errors;
    }

    /** What an error says of itself; one of the application's own may throw instead. */
    private static <T> Optional<T> asked(Supplier<? extends @Nullable T> getter) {
        try {
            return Optional.ofNullable(getter.get());
        } catch (Throwable e) {
            return Optional.empty();
        }
    }

    /** Whether JTA's transaction manager doesn't know how the transaction ended. */
    static boolean isHeuristic(Throwable thrown) {
        return StoreFailure.chain(thrown).stream()
                .anyMatch(each -> each.getClass().getName().startsWith("jakarta.transaction.Heuristic"));
    }

    /** The error's SQL state; empty if it has none. */
    static String state(SQLException sql) {
        return asked(sql::getSQLState).orElse("");
    }

    /** The database's number of the error; 0 if it has none. */
    static int code(SQLException sql) {
        return asked(sql::getErrorCode).orElse(0);
    }

    /** What an error means by the classes of SQL states that all databases share. */
    static Failure byState(SQLException sql) {
        if (sql instanceof SQLTimeoutException) {
            return REFUSED;
        }
        String state = state(sql);
        if (state.length() != 5) {
            return UNCLEAR;
        }
        return switch (state.substring(0, 2)) {
            case "40" -> state.equals("40003") ? LOST : CONFLICT;
            case "08", "57", "58", "XX", "70" -> LOST;
            case "HY" -> UNCLEAR;
            default -> REFUSED;
        };
    }

    /** What a failure of a single statement on a connection means. */
    StoreFailure ofStatement(Throwable thrown) {
        StoreFailure.Kind kind = switch (this) {
            case CONFLICT -> StoreFailure.Kind.TRANSIENT;
            case LOCKED -> StoreFailure.Kind.BUSY;
            case READ_ONLY, DUPLICATE, REFUSED -> StoreFailure.Kind.UNAVAILABLE;
            case HEURISTIC, NUMBERED, LOST, UNCLEAR, NONE -> StoreFailure.Kind.UNKNOWN;
        };
        return new StoreFailure(kind, "the database failed: " + kind, thrown);
    }

    /** What became of a stage that failed before its commit was sent. It is rolled back for certain. */
    StageCommit beforeCommit(Throwable thrown) {
        return switch (this) {
            case CONFLICT, LOCKED, READ_ONLY, LOST, UNCLEAR, HEURISTIC -> StageCommit.transientlyRolledBack(thrown);
            case DUPLICATE, REFUSED, NUMBERED, NONE -> StageCommit.rolledBack(thrown);
        };
    }

    /** What became of a stage whose commit failed. Only an answer of the server proves a rollback. */
    StageCommit ofCommit(Throwable thrown) {
        return switch (this) {
            case CONFLICT, LOCKED, READ_ONLY -> StageCommit.transientlyRolledBack(thrown);
            case DUPLICATE, REFUSED -> StageCommit.rolledBack(thrown);
            case HEURISTIC, NUMBERED, LOST, UNCLEAR, NONE -> StageCommit.unknown(thrown);
        };
    }
}
