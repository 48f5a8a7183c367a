package io.idempotencykey.checkout.program;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.h2.jdbcx.JdbcDataSource;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** H2 ends no transaction while a statement of another connection runs. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
public class CommitGateTest {
    private static volatile CountDownLatch running = new CountDownLatch(1);
    private static volatile CountDownLatch goOn = new CountDownLatch(1);

    private enum End {
        COMMIT,
        ROLLBACK,
        CLOSE,
        BACK_TO_AUTO_COMMIT,
        AUTO_COMMIT;

        void of(Connection connection) throws SQLException {
            switch (this) {
                case COMMIT -> connection.commit();
                case ROLLBACK -> connection.rollback();
                case CLOSE -> connection.close();
                case BACK_TO_AUTO_COMMIT -> connection.setAutoCommit(true);
                case AUTO_COMMIT -> write(connection);
            }
        }
    }

    /** An SQL function that runs until the test lets it end. */
    public static boolean hold() throws InterruptedException {
        running.countDown();
        return goOn.await(60, TimeUnit.SECONDS);
    }

    @ParameterizedTest
    @EnumSource
    void theEndOfATransactionWaitsForTheStatementsOfOthers(End end) throws Exception {
        running = new CountDownLatch(1);
        goOn = new CountDownLatch(1);
        JdbcDataSource database = new JdbcDataSource();
        database.setURL("jdbc:h2:mem:" + UUID.randomUUID());
        DataSource gated = new CommitGate().around(database);
        try (Connection holding = gated.getConnection();
                Connection ending = gated.getConnection()) {
            execute(holding, "create table shop (id int primary key)");
            execute(holding, "create alias hold for '" + CommitGateTest.class.getName() + ".hold'");
            holding.setAutoCommit(false);
            if (end != End.AUTO_COMMIT) {
                ending.setAutoCommit(false);
                write(ending);
            }
            FutureTask<Void> held = new FutureTask<>(() -> {
                execute(holding, "call hold()");
                return null;
            });
            Thread unused = started(held);
            assertThat(running.await(60, TimeUnit.SECONDS)).isTrue();
            FutureTask<Void> ended = new FutureTask<>(() -> {
                end.of(ending);
                return null;
            });
            Thread thread = started(ended);
            Patience.await(() -> thread.getState() == Thread.State.WAITING || ended.isDone());

            assertThat(ended.isDone()).isFalse();

            goOn.countDown();
            ended.get();
            held.get();
        } finally {
            goOn.countDown();
        }
    }

    private static Thread started(FutureTask<Void> task) {
        Thread thread = new Thread(task);
        thread.start();
        return thread;
    }

    private static void write(Connection connection) throws SQLException {
        execute(connection, "insert into shop values (1)");
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
