package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What those errors mean that no server can be made to give at will. */
class FailureTest {
    private static final Dialect POSTGRESQL =
            new PostgresqlDialect(List.of("read committed", "0", "0", "0", "0", "UTF8"));
    private static final Dialect MARIADB = new MariadbDialect(List.of("REPEATABLE-READ", "0", "50"));
    private static final Dialect MYSQL = new MysqlDialect(List.of("REPEATABLE-READ", "0", "50", "8.0.36", "MySQL"));
    private static final Dialect H2 = new H2Dialect(2, List.of("2000", "TRUE"));

    @Test
    void aCommitWhoseConnectionWasLostIsUnknownWhateverElseFails() {
        for (String other : new String[] {"23505", "40001", "22012"}) {
            RuntimeException lost = new IllegalStateException(new SQLException("lost", "08006"));
            lost.addSuppressed(new SQLException("thrown by a callback", other));

            assertThat(ofCommit(POSTGRESQL, lost)).as(other).isEqualTo("unknown");
        }
    }

    /** 1180: "Got error … during COMMIT". */
    @Test
    void aCommitThatMariadbRefusesByANumberAloneIsUnknown() {
        assertThat(ofCommit(MARIADB, new SQLException("refused", "HY000", 1180)))
                .isEqualTo("unknown");
    }

    @Test
    void aCommitThatLosesH2IsUnknown() {
        for (String state : new String[] {"90067", "90098", "90121"}) {
            assertThat(ofCommit(H2, new SQLException("lost", state, Integer.parseInt(state))))
                    .as(state)
                    .isEqualTo("unknown");
        }
    }

    /** So an exception of the application that misbehaves doesn't take the place of its failure. */
    @Test
    void anErrorThatCanNotBeAskedHasAMeaningOnEachDatabase() {
        SQLException mute = new OwnErrorTest.Mute();
        assertThat(POSTGRESQL.failure((Throwable) mute)).isEqualTo(Failure.UNCLEAR);
        assertThat(MARIADB.failure((Throwable) mute)).isEqualTo(Failure.UNCLEAR);
        assertThat(MYSQL.failure((Throwable) mute)).isEqualTo(Failure.UNCLEAR);
        assertThat(H2.failure((Throwable) mute)).isEqualTo(Failure.LOST);
    }

    private static String ofCommit(Dialect dialect, Throwable thrown) {
        return JpaStoreFixture.nameOf(dialect.ofCommit(thrown));
    }
}
