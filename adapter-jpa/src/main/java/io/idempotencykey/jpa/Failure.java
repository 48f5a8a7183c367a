package io.idempotencykey.jpa;

import io.idempotencykey.port.StageCommit;
import io.idempotencykey.port.StoreFailure;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.Set;

/**
 * What an SQL error means, by SQL state and vendor code.
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
    /** Another row has the same primary or unique key; the statement did nothing. */
    DUPLICATE,
    /** The server refused the statement, or the commit, and did nothing. */
    REFUSED,
    /** MariaDB refused the statement with an error number that has no SQL state. At a commit it may mean anything. */
    NUMBERED,
    /** The connection was lost, or the server doesn't say what became of the statement. */
    LOST,
    /** The throwable carries no SQL error. */
    NONE;

    /** MariaDB: innodb_snapshot_isolation, "Record has changed since last read". */
    private static final int MARIADB_RECORD_CHANGED = 1020;

    private static final int MARIADB_LOCK_WAIT = 1205;
    private static final int MARIADB_NOWAIT = 4024;
    private static final int MARIADB_DEADLOCK = 1213;
    private static final int H2_LOCK_TIMEOUT = 50200;
    private static final int H2_CONCURRENT_UPDATE = 90131;

    /** What a throwable means, by all SQL errors in its {@linkplain StoreFailure#chain chain}. */
    static Failure of(Throwable thrown) {
        return all(thrown).stream().findFirst().orElse(NONE);
    }

    /** In the order of precedence. */
    private static Set<Failure> all(Throwable thrown) {
        Set<Failure> found = EnumSet.noneOf(Failure.class);
        for (Throwable each : StoreFailure.chain(thrown)) {
            if (each instanceof SQLException first) {
                // A batch chains its errors.
                for (SQLException next = first; next != null; next = next.getNextException()) {
                    found.add(of(next));
                }
            } else if (each.getClass().getName().startsWith("jakarta.transaction.Heuristic")) {
                found.add(HEURISTIC);
            }
        }
        return found;
    }

    private static Failure of(SQLException sql) {
        int code = sql.getErrorCode();
        String state = sql.getSQLState() == null ? "" : sql.getSQLState();
        if (code == MARIADB_LOCK_WAIT || code == MARIADB_NOWAIT || code == H2_LOCK_TIMEOUT || state.equals("55P03")) {
            return LOCKED;
        }
        if (code == MARIADB_DEADLOCK || code == MARIADB_RECORD_CHANGED || code == H2_CONCURRENT_UPDATE) {
            return CONFLICT;
        }
        if (state.equals("HY000") && isOfMariadbsServer(code)) {
            return NUMBERED;
        }
        if (state.length() != 5 || state.equals("40003") || state.equals("HY000")) {
            return LOST;
        }
        return switch (state.substring(0, 2)) {
            case "40" -> CONFLICT;
            case "25" ->
                switch (state) {
                    // An earlier error, which the stage swallowed, aborted the transaction.
                    case "25P02" -> CONFLICT;
                    // The server closed the connection, because its transaction was idle or open for too long.
                    case "25P03", "25P04" -> LOST;
                    default -> REFUSED;
                };
            case "23" -> state.equals("23505") || code == 1062 ? DUPLICATE : REFUSED;
            case "90" ->
                switch (state) {
                    // H2: the connection is broken, or the database is closed.
                    case "90067", "90098", "90121" -> LOST;
                    default -> REFUSED;
                };
            case "08", "57", "58", "XX", "HY", "70" -> LOST;
            default -> REFUSED;
        };
    }

    /** Whether the number is the server's and not the client's. */
    private static boolean isOfMariadbsServer(int code) {
        return (code >= 1_000 && code < 2_000) || (code >= 3_000 && code < 5_000);
    }

    /** What a failure of a single statement on a connection means. */
    static StoreFailure ofStatement(Throwable thrown) {
        StoreFailure.Kind kind = switch (of(thrown)) {
            case CONFLICT -> StoreFailure.Kind.TRANSIENT;
            case LOCKED -> StoreFailure.Kind.BUSY;
            case DUPLICATE, REFUSED -> StoreFailure.Kind.UNAVAILABLE;
            case HEURISTIC, NUMBERED, LOST, NONE -> StoreFailure.Kind.UNKNOWN;
        };
        return new StoreFailure(kind, "the database failed: " + kind, thrown);
    }

    /** What became of a stage that failed before its commit was sent. It is rolled back for certain. */
    static StageCommit beforeCommit(Throwable thrown) {
        return switch (of(thrown)) {
            case CONFLICT, LOCKED, LOST, HEURISTIC -> StageCommit.transientlyRolledBack(thrown);
            case DUPLICATE, REFUSED, NUMBERED -> StageCommit.rolledBack(thrown);
            case NONE -> isStale(thrown) ? StageCommit.transientlyRolledBack(thrown) : StageCommit.rolledBack(thrown);
        };
    }

    /** What became of a stage whose commit failed. Only an answer of the server proves a rollback. */
    static StageCommit ofCommit(Throwable thrown) {
        if (all(thrown).contains(LOST)) {
            // Any other error may come from a callback, which says nothing about the commit.
            return StageCommit.unknown(thrown);
        }
        return switch (of(thrown)) {
            case CONFLICT, LOCKED -> StageCommit.transientlyRolledBack(thrown);
            case DUPLICATE, REFUSED -> StageCommit.rolledBack(thrown);
            case HEURISTIC, NUMBERED, LOST, NONE -> StageCommit.unknown(thrown);
        };
    }

    /** Whether another transaction has changed an entity's version; the next try reads it anew. */
    private static boolean isStale(Throwable thrown) {
        return StoreFailure.chain(thrown).stream()
                .anyMatch(each -> each instanceof jakarta.persistence.OptimisticLockException
                        || each instanceof org.hibernate.StaleStateException);
    }
}
