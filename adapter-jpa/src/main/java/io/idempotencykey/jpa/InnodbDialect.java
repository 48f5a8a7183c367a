package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTransactionRollbackException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** What MySQL and MariaDB have in common. */
abstract class InnodbDialect extends Dialect {
    static final int NO_SAVEPOINT = 1305;

    /** {@code set transaction} within a transaction. */
    private static final int IN_TRANSACTION = 1568;

    /** "Incorrect string value". */
    private static final int UNREPRESENTABLE = 1366;

    private static final int DUPLICATE_KEY = 1062;
    private static final int LOCK_WAIT = 1205;
    private static final int DEADLOCK = 1213;

    /** An error that a procedure raises by itself. */
    static final int SIGNAL = 1644;

    /** The isolation whose reads see what isn't committed. */
    static final String DIRTY = "READ-UNCOMMITTED";

    /** MariaDB's driver has another connection now, and doesn't know what became of the transaction. */
    private static final String MOVED = "25S03";

    private static final int LONG_LEASE_SECONDS = 300;

    /** The lease of operations that say nothing else. */
    private static final int LEASE_SECONDS = 30;

    private static final System.Logger LOGGER = System.getLogger("io.idempotencykey");

    /** What connections come with: isolation, and the time-outs of idle transactions and of waits for rows. */
    final String isolation;

    final long idleSeconds;
    final long lockSeconds;

    /** Whether no connection has been seen that came with something else, as one behind a proxy may. */
    private volatile boolean isSteady = true;

    InnodbDialect(String isolation, String idleSeconds, String lockSeconds) {
        this.isolation = isolation;
        this.idleSeconds = Long.parseLong(idleSeconds);
        this.lockSeconds = Long.parseLong(lockSeconds);
    }

    /** Their REPEATABLE READ is no snapshot for writes. */
    @Override
    Set<Isolation> isolations() {
        return EnumSet.complementOf(EnumSet.of(Isolation.SNAPSHOT));
    }

    /** The level's name as a variable's value. */
    static String value(Isolation isolation) {
        return name(isolation).replace(' ', '-').toUpperCase(Locale.ROOT);
    }

    boolean isGiven(Isolation wanted) {
        return isSteady && isolation.equals(value(wanted));
    }

    /** Whether the data source's time-outs are no longer than the lease. */
    boolean givesTimeouts(Stage stage) {
        return isSteady && idleSeconds > 0 && idleSeconds <= stage.seconds() && lockSeconds <= stage.seconds();
    }

    @Override
    String time() {
        return "select utc_timestamp(6)";
    }

    @Override
    void bind(PreparedStatement statement, int index, UUID uuid) throws SQLException {
        statement.setBytes(
                index,
                ByteBuffer.allocate(16)
                        .putLong(uuid.getMostSignificantBits())
                        .putLong(uuid.getLeastSignificantBits())
                        .array());
    }

    @Override
    @Nullable
    UUID uuid(ResultSet result, int column) throws SQLException {
        byte[] bytes = result.getBytes(column);
        if (bytes == null) {
            return null;
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    @Override
    String instantType() {
        return "datetime";
    }

    @Override
    Object value(Instant instant) {
        return LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
    }

    @Override
    @Nullable
    Instant instant(ResultSet result, int column) throws SQLException {
        LocalDateTime time = result.getObject(column, LocalDateTime.class);
        return time == null ? null : time.toInstant(ZoneOffset.UTC);
    }

    @Override
    <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException {
        if (!isGiven(Isolation.READ_COMMITTED)) {
            execute(connection, "set transaction isolation level read committed");
        }
        return committing(connection, new Statements(connection), work);
    }

    /** With autocommit, a read in any isolation but READ UNCOMMITTED is one of what is committed, without locks. */
    @Override
    <R> R reading(Connection connection, Statements.Work<R> work) throws SQLException {
        return isSteady && !isolation.equals(DIRTY) && connection.getAutoCommit()
                ? committing(connection, new Statements(connection), work)
                : alone(connection, work);
    }

    /** A pool or a proxy has sent a statement before ours; the next connection may come without. */
    @Override
    boolean isOtherSettings(SQLException failure) {
        return Failure.code(failure) == IN_TRANSACTION;
    }

    @Override
    boolean ends(String sql) {
        return EndingStatements.INNODB.contain(sql);
    }

    /** The server says nothing when it begins another transaction, but there the savepoint is missing. */
    @Override
    void ping(Connection connection, Stage stage) throws SQLException {
        try {
            execute(connection, "rollback to " + SAVEPOINT);
        } catch (SQLException e) {
            throw e.getErrorCode() == NO_SAVEPOINT
                    ? new SQLTransactionRollbackException(e.getMessage(), "40000", e)
                    : e;
        }
    }

    @Override
    boolean hasEnded(Connection connection, Stage stage, Collection<SQLException> after) throws SQLException {
        for (SQLException error : after) {
            if (endsTransaction(connection, error)) {
                return false;
            }
        }
        try {
            execute(connection, "rollback to " + SAVEPOINT);
            return false;
        } catch (SQLException e) {
            if (e.getErrorCode() == NO_SAVEPOINT) {
                return true;
            }
            throw e;
        }
    }

    /** Whether the server also ends the transaction with this error. */
    private boolean endsTransaction(Connection connection, SQLException error) throws SQLException {
        return switch (Failure.code(error)) {
            case SIGNAL -> false;
            case LOCK_WAIT ->
                read(connection, "select @@innodb_rollback_on_timeout").get(0).equals("1");
            default -> failure(error) == Failure.CONFLICT;
        };
    }

    /** Notes that a connection came with other settings, which nobody restores where the adapter doesn't own them. */
    void becomeUnsteady() {
        isSteady = false;
        LOGGER.log(
                Level.WARNING,
                "the data source gave a connection with another isolation or other time-outs than before; where stages"
                        + " run in transactions of another manager, all its connections must come with {0} and"
                        + " innodb_lock_wait_timeout",
                idleVariable());
    }

    @Override
    String advice(Throwable failure) {
        return Failure.errors(failure).stream().anyMatch(this::isOtherSettings)
                ? " Pools and wrappers with a query of their own begin a transaction before the isolation can be set:"
                        + " leave the query out, or set the isolation in the data source."
                : "";
    }

    @Override
    String missingSettings() {
        if (idleSeconds > 0 && idleSeconds <= LONG_LEASE_SECONDS && lockSeconds <= LEASE_SECONDS) {
            return "";
        }
        return "its connections come with " + idleVariable() + " = " + idleSeconds + " and innodb_lock_wait_timeout = "
                + lockSeconds + ", so that the transaction of a worker that vanished, or a stage's own wait, may last"
                + " longer than the lease; set both to the lease's seconds in the data source";
    }

    /** The variable that bounds idle transactions. */
    abstract String idleVariable();

    /** Sets the time-outs for the session, and keeps what they were in variables of the session. */
    String setTimeouts(Stage stage) {
        return "set @idempotency_key_idle = @@session." + idleVariable()
                + ", @idempotency_key_lock = @@session.innodb_lock_wait_timeout, session " + idleVariable() + " = "
                + stage.seconds() + ", session innodb_lock_wait_timeout = " + stage.seconds();
    }

    @Override
    void restore(Connection connection, Stage stage) throws SQLException {
        if (!givesTimeouts(stage)) {
            execute(
                    connection,
                    "set session " + idleVariable() + " = coalesce(@idempotency_key_idle, @@session." + idleVariable()
                            + "), session innodb_lock_wait_timeout = coalesce(@idempotency_key_lock,"
                            + " @@session.innodb_lock_wait_timeout)");
        }
    }

    @Override
    Failure failure(SQLException sql) {
        int code = Failure.code(sql);
        return switch (code) {
            case UNREPRESENTABLE -> Failure.REFUSED;
            case LOCK_WAIT -> Failure.LOCKED;
            case DEADLOCK -> Failure.CONFLICT;
            case DUPLICATE_KEY -> Failure.DUPLICATE;
            // The server only reads.
            case 1290, 1792, 1836 -> Failure.READ_ONLY;
            // A bound on a query's time, or its cancellation.
            case 1317, 1969, 3024 -> Failure.REFUSED;
            // The server ended the session: it stops, somebody killed it, or it was idle for too long.
            case 1053, 1927, 3169, 4031 -> Failure.LOST;
            default ->
                switch (Failure.state(sql)) {
                    case MOVED -> Failure.LOST;
                    case "HY000" -> isOfTheServer(code) ? Failure.NUMBERED : Failure.byState(sql);
                    default -> Failure.byState(sql);
                };
        };
    }

    /** Whether the number is the server's and not the client's. */
    private static boolean isOfTheServer(int code) {
        return (code >= 1_000 && code < 2_000) || (code >= 3_000 && code < 5_000);
    }

    @Override
    boolean isUnrepresentable(SQLException sql) {
        return Failure.code(sql) == UNREPRESENTABLE;
    }
}
