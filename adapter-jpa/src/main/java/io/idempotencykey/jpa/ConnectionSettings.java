package io.idempotencykey.jpa;

import io.idempotencykey.Isolation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The settings that the data source's connections come with, read once, and those that a transaction needs beyond them.
 *
 * @param database the database
 * @param isolation JDBC's number of the level that connections come with
 * @param idleTimeout after how many milliseconds the server ends an idle transaction on such a connection; 0 for never
 */
record ConnectionSettings(Database database, int isolation, long idleTimeout) {
    private static final String SAVEPOINT = "savepoint idempotency_key_stage";

    private static final String POSTGRESQL_NO_SAVEPOINT = "3B001";
    private static final int MARIADB_NO_SAVEPOINT = 1305;

    static ConnectionSettings of(Database database, Connection connection) throws SQLException {
        long idleTimeout = switch (database) {
            case POSTGRESQL ->
                number(
                        connection,
                        "select setting from pg_settings where name = 'idle_in_transaction_session_timeout'");
            case MARIADB -> 1_000 * number(connection, "select @@session.idle_transaction_timeout");
            case H2 -> 1; // H2 runs in the application's process, so no owner can vanish without it
        };
        return new ConnectionSettings(database, connection.getTransactionIsolation(), idleTimeout);
    }

    private static long number(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet result = statement.executeQuery(sql)) {
            return result.next() ? result.getLong(1) : 0;
        }
    }

    /** Whether an abandoned transaction would outlive the lease unless a shorter time-out is set. */
    private boolean outlives(Duration lease) {
        return idleTimeout == 0 || idleTimeout > lease.toMillis();
    }

    boolean isGiven(Isolation wanted) {
        return database.number(wanted) == isolation;
    }

    /** The isolations that a transaction can have, from the data source or by a setting. */
    Set<Isolation> isolations(Transactions transactions) {
        Set<Isolation> isolations = database.isolations();
        boolean settable = switch (database) {
            case POSTGRESQL -> true;
            case MARIADB -> !(transactions instanceof JtaTransactions);
            case H2 -> transactions.ownsConnections();
        };
        if (!settable) {
            isolations.removeIf(isolation -> !isGiven(isolation));
        }
        return isolations;
    }

    /**
     * Whether errors have to be watched, because the server may roll a transaction back without the session noticing.
     */
    boolean watches() {
        return database != Database.POSTGRESQL;
    }

    /**
     * Whether a savepoint has to show that the transaction is still the same one. It has to on MariaDB, where a
     * procedure may swallow the error of a rollback before the connection sees it, and wherever the connection can't be
     * guarded. H2 doesn't report a lost savepoint.
     */
    private boolean needsSavepoint(Transactions transactions) {
        return switch (database) {
            case POSTGRESQL -> transactions instanceof GivenTransactions;
            case MARIADB -> true;
            case H2 -> false;
        };
    }

    /** A transaction's first statements, for one round trip. What they set ends with it, or is restored after it. */
    List<String> begin(Isolation wanted, Duration lease, Transactions transactions) {
        List<String> statements = new ArrayList<>();
        if (database == Database.H2) {
            return statements;
        }
        if (!isGiven(wanted)) {
            statements.add("set transaction isolation level " + database.name(wanted));
        }
        if (database == Database.POSTGRESQL && outlives(lease)) {
            // Whole seconds make few different texts, so the driver keeps them prepared.
            statements.add("set local idle_in_transaction_session_timeout = '"
                    + lease.plusMillis(999).toSeconds() + "s'");
        }
        if (database == Database.MARIADB && outlives(lease) && transactions.ownsConnections()) {
            statements.add("set session idle_transaction_timeout = " + Math.max(1, lease.toSeconds()));
        }
        if (needsSavepoint(transactions)) {
            statements.add(SAVEPOINT);
        }
        return database == Database.MARIADB && statements.size() > 1
                ? List.of("begin not atomic " + String.join("; ", statements) + "; end")
                : statements;
    }

    /**
     * What the transaction's last statement is sent with, so that it fails if the transaction isn't the one that began.
     */
    Statements last(Connection connection, Transactions transactions) {
        if (!needsSavepoint(transactions)) {
            return new Statements(connection);
        }
        String release = "release " + SAVEPOINT + "; ";
        return database == Database.MARIADB
                ? new Statements(connection, "begin not atomic " + release, "; end", 0)
                : new Statements(connection, release, "", 1);
    }

    /** Whether the last statement failed because the transaction isn't the one that began. */
    boolean isOtherTransaction(SQLException failure) {
        return switch (database) {
            case POSTGRESQL -> POSTGRESQL_NO_SAVEPOINT.equals(failure.getSQLState());
            case MARIADB -> failure.getErrorCode() == MARIADB_NO_SAVEPOINT;
            case H2 -> false;
        };
    }

    /** Sets what can only be set for the connection before its transaction begins. */
    void change(Connection connection, Isolation wanted) throws SQLException {
        if (database == Database.H2 && !isGiven(wanted)) {
            connection.setTransactionIsolation(database.number(wanted));
        }
    }

    /** Restores what {@link #change} and {@link #begin} set for the connection. */
    void restore(Connection connection, Isolation wanted, Duration lease) throws SQLException {
        if (database == Database.H2 && !isGiven(wanted)) {
            connection.setTransactionIsolation(isolation);
        }
        if (database == Database.MARIADB && outlives(lease)) {
            execute(connection, "set session idle_transaction_timeout = " + idleTimeout / 1_000);
        }
    }

    /** Runs a single write or read by itself, in READ COMMITTED. */
    <R> R alone(Connection connection, Statements.Work<R> work) throws SQLException {
        boolean transaction = !connection.getAutoCommit();
        boolean given = isGiven(Isolation.READ_COMMITTED);
        Statements statements = new Statements(connection);
        if (!given) {
            switch (database) {
                // The setting goes along in the statement's own round trip.
                case POSTGRESQL ->
                    statements = transaction
                            ? new Statements(connection, "set transaction isolation level read committed; ", "", 1)
                            : new Statements(connection, "begin isolation level read committed; ", "; commit", 1);
                case MARIADB -> execute(connection, "set transaction isolation level read committed");
                case H2 -> connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            }
        }
        try {
            R result = work.with(statements);
            if (transaction) {
                connection.commit();
            }
            return result;
        } catch (SQLException | RuntimeException e) {
            try {
                if (transaction) {
                    connection.rollback();
                } else if (!statements.after().isEmpty()) {
                    execute(connection, "rollback");
                }
            } catch (SQLException failed) {
                e.addSuppressed(failed);
            }
            throw e;
        } finally {
            if (!given && database == Database.H2 && !connection.isClosed()) {
                connection.setTransactionIsolation(isolation);
            }
        }
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.execute();
        }
    }
}
