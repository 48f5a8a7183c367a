package io.idempotencykey.jpa;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;

/** What those errors mean that no server can be made to give at will. */
class FailureTest {
    @Test
    void aCommitWhoseConnectionWasLostIsUnknownWhateverElseFails() {
        for (String other : new String[] {"23505", "40001", "22012"}) {
            RuntimeException lost = new IllegalStateException(new SQLException("lost", "08006"));
            lost.addSuppressed(new SQLException("thrown by a callback", other));

            assertThat(ofCommit(lost)).as(other).isEqualTo("unknown");
        }
    }

    /** 1180: "Got error … during COMMIT". */
    @Test
    void aCommitThatMariadbRefusesByANumberAloneIsUnknown() {
        assertThat(ofCommit(new SQLException("refused", "HY000", 1180))).isEqualTo("unknown");
    }

    @Test
    void aCommitThatLosesH2IsUnknown() {
        for (String state : new String[] {"90067", "90098", "90121"}) {
            assertThat(ofCommit(new SQLException("lost", state, Integer.parseInt(state))))
                    .as(state)
                    .isEqualTo("unknown");
        }
    }

    private static String ofCommit(Throwable thrown) {
        return JpaStoreContract.nameOf(Failure.ofCommit(thrown));
    }
}
