package io.idempotencykey.jpa;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** MySQL, which takes one statement in a round trip, and has no bound on the waits of a single one. */
final class MysqlDialect extends InnodbDialect {
    private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+)\\.(\\d+).*");
    private static final int NOWAIT = 3572;

    /** Group replication rolled the transaction back at its commit. */
    private static final int ROLLED_BACK_DURING_COMMIT = 3101;

    MysqlDialect(Connection connection) throws SQLException {
        this(read(
                connection,
                "select @@session.transaction_isolation, @@session.wait_timeout, @@session.innodb_lock_wait_timeout,"
                        + " version(), @@version_comment"));
    }

    MysqlDialect(List<String> settings) {
        super(settings.get(0), settings.get(1), settings.get(2));
        checkServer(settings.get(3), settings.get(4));
    }

    /** Refuses older servers, whose collations all take trailing spaces for nothing, and those that aren't MySQL. */
    static void checkServer(String version, String comment) {
        String server = (version + " " + comment).toLowerCase(Locale.ROOT);
        for (String other : List.of("tidb", "vitess", "oceanbase", "singlestore")) {
            if (server.contains(other)) {
                throw new IllegalArgumentException("the database is '" + version
                        + "', which speaks MySQL's protocol only; allowed: PostgreSQL, MySQL, MariaDB, H2");
            }
        }
        Matcher number = VERSION.matcher(version);
        if (number.matches()) {
            int major = Integer.parseInt(number.group(1));
            int release = Integer.parseInt(number.group(3));
            if (major < 8 || (major == 8 && number.group(2).equals("0") && release < 17)) {
                throw new IllegalArgumentException(
                        "the database is MySQL '" + version + "'; allowed: 8.0.17 or later, because older ones have no"
                                + " collation that tells texts apart by all their bytes");
            }
        }
    }

    @Override
    String schemaFile() {
        return "mysql.sql";
    }

    @Override
    String insert(String table, String columns, String values) {
        return "insert into " + table + " (" + columns + ") select " + values
                + " from dual where not exists (select 1 from " + table + " where " + KeyTable.SAME_KEY
                + " for share nowait)";
    }

    /** A held row fails at once; {@code for update nowait} works where the optimizer has to look it up first. */
    @Override
    String replace(String table, String assignments) {
        return "update " + table + " set " + assignments + " where " + KeyTable.SAME_REVISION
                + " and exists (select 1 from (select 1 from " + table + " where " + KeyTable.SAME_KEY
                + " limit 1 for update nowait) held)";
    }

    @Override
    boolean replacesByIdentityAgain() {
        return true;
    }

    @Override
    String deleteExpired(String table) {
        return "delete k from (select " + KeyTable.IDENTITY + " from " + table + " where " + KeyTable.EXPIRED
                + " order by state, due_at limit ? for update skip locked) e straight_join " + table
                + " k on k.scope = e.scope and k.key_value = e.key_value";
    }

    /** Sends the statement again while a row is held, because MySQL can't bound the wait of a single statement. */
    @Override
    int update(Statements statements, PreparedStatement statement, int millis) throws SQLException {
        int waited = 0;
        for (int pause = 1; ; pause = Math.min(2 * pause, 50)) {
            try {
                return statements.update(statement);
            } catch (SQLException e) {
                waited += pause;
                if (e.getErrorCode() != NOWAIT || waited > millis) {
                    throw e;
                }
                try {
                    Thread.sleep(pause);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    throw e;
                }
            }
        }
    }

    /** The fence compares it with the other settings, where they are given, too. */
    @Override
    boolean givesBriefWaits(Stage stage) {
        return givesTimeouts(stage) && lockSeconds <= 1;
    }

    /** The bound on a wait for a row is a variable of the session, in whole seconds. */
    @Override
    void insertWaiting(Statements statements, PreparedStatement statement) throws SQLException {
        Connection connection = statements.connection();
        execute(
                connection,
                "set @idempotency_key_wait = @@session.innodb_lock_wait_timeout, session innodb_lock_wait_timeout = 1");
        String restore = "set session innodb_lock_wait_timeout = @idempotency_key_wait";
        try {
            int unused = statements.update(statement);
        } catch (SQLException | RuntimeException e) {
            try {
                execute(connection, restore);
            } catch (SQLException failed) {
                e.addSuppressed(failed);
            }
            throw e;
        }
        execute(connection, restore);
    }

    @Override
    String idleVariable() {
        return "wait_timeout";
    }

    @Override
    List<String> begin(Stage stage) {
        List<String> statements = new ArrayList<>();
        if (!isGiven(stage.isolation())) {
            statements.add("set transaction isolation level " + name(stage.isolation()));
        }
        if (stage.ownsConnection() && !givesTimeouts(stage)) {
            statements.add(setTimeouts(stage));
        }
        statements.add(SAVEPOINT);
        return statements;
    }

    /** The fence compares what the data source gives. */
    @Override
    String fence(LastWrite write, Stage stage, boolean commits) {
        return replace(write.table(), write.values()) + " and " + asGiven(stage);
    }

    private String asGiven(Stage stage) {
        String isolation = isGiven(stage.isolation())
                ? "@@session.transaction_isolation = '" + value(stage.isolation()) + "'"
                : "true";
        String timeouts = givesTimeouts(stage)
                ? "@@session.wait_timeout = " + idleSeconds + " and @@session.innodb_lock_wait_timeout = " + lockSeconds
                : "true";
        return isolation + " and " + timeouts;
    }

    @Override
    Fence fence(Statements statements, PreparedStatement statement, Stage stage) throws SQLException {
        try {
            execute(statements.connection(), "release " + SAVEPOINT);
        } catch (SQLException e) {
            if (e.getErrorCode() == NO_SAVEPOINT) {
                return Fence.OTHER_TRANSACTION;
            }
            throw e;
        }
        if (update(statements, statement, PATIENT_MILLIS) == 1) {
            return Fence.MATCHED;
        }
        if (read(statements.connection(), "select " + asGiven(stage)).get(0).equals("0")) {
            becomeUnsteady();
            return Fence.OTHER_SETTINGS;
        }
        return Fence.MISSED;
    }

    @Override
    Failure failure(SQLException sql) {
        return switch (Failure.code(sql)) {
            case NOWAIT -> Failure.LOCKED;
            case ROLLED_BACK_DURING_COMMIT -> Failure.CONFLICT;
            default -> super.failure(sql);
        };
    }
}
