package io.idempotencykey.service;

import static io.idempotencykey.RecoveryPoint.FINISHED;
import static io.idempotencykey.RecoveryPoint.STARTED;
import static io.idempotencykey.service.StageOption.advancesTo;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.idempotencykey.Isolation;
import io.idempotencykey.RecoveryPoint;
import io.idempotencykey.Response;
import java.time.Duration;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class OperationTest {
    private static final RecoveryPoint A = RecoveryPoint.named("a");
    private static final RecoveryPoint B = RecoveryPoint.named("b");
    private static final WorkStage<Object> WORK = stage -> StageOutcome.respond(Response.of(200, new byte[0]));

    @Test
    void aStageAdvancesToTheNextOneDeclared() {
        Operation<Object> operation =
                named().stage(STARTED, WORK).stage(A, WORK).stage(B, WORK).build();

        assertThat(operation.recoveryPoints()).containsExactly(STARTED, A, B);
        assertThat(stage(operation, STARTED).targets()).containsExactly(A);
        assertThat(stage(operation, A).targets()).containsExactly(B);
        assertThat(stage(operation, B).targets()).isEmpty();
        assertThat(operation.stage(FINISHED)).isNull();
        assertThat(operation.name()).isEqualTo("op");
    }

    @Test
    void aStageMayChooseAmongDeclaredPoints() {
        Operation<Object> operation = named().stage(STARTED, WORK, advancesTo(A, B))
                .stage(A, WORK)
                .stage(B, WORK)
                .build();

        assertThat(stage(operation, STARTED).targets()).containsExactly(A, B);
    }

    @Test
    void twoWaysMayMeet() {
        assertThat(named().stage(STARTED, WORK, advancesTo(B, A))
                        .stage(A, WORK)
                        .stage(B, WORK)
                        .build()
                        .recoveryPoints())
                .hasSize(3);
    }

    @Test
    @SuppressWarnings("NullAway")
    void whatIsNullIsNamed() {
        assertThatNullPointerException()
                .isThrownBy(() -> named().stage(STARTED, WORK, (StageOption) null))
                .withMessageContaining("'options'");
        assertThatNullPointerException()
                .isThrownBy(() -> advancesTo((RecoveryPoint) null))
                .withMessageContaining("'recoveryPoints'");
    }

    @Test
    void aRefusedBackoffChangesNothing() {
        Operation.Builder<Object> builder =
                named().stage(STARTED, WORK).backoff(Duration.ofSeconds(1), Duration.ofSeconds(2));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.backoff(Duration.ofSeconds(50), Duration.ofSeconds(1)))
                .withMessageContaining("'longest'");

        assertThat(builder.build().backoff(9, RandomGenerator.getDefault())).isLessThanOrEqualTo(Duration.ofSeconds(3));
    }

    @Test
    void anOperationWithoutAStageAtStartedIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(A, WORK).build())
                .withMessage("operation 'op' has no stage at 'started', where every request begins");
        assertThatIllegalStateException().isThrownBy(() -> named().build());
    }

    @Test
    void aStageThatNoWayLeadsToIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(STARTED, WORK, advancesTo(B))
                        .stage(A, WORK)
                        .stage(B, WORK)
                        .build())
                .withMessage("operation 'op' has a stage at 'a' that no way from 'started' leads to");
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(STARTED, WORK, advancesTo())
                        .stage(A, WORK)
                        .build());
    }

    @Test
    void advancingToAPointWithoutAStageIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(STARTED, WORK, advancesTo(A)).build())
                .withMessage("operation 'op' advances from 'started' to 'a', where no stage begins");
        assertThatIllegalStateException()
                .isThrownBy(
                        () -> named().stage(STARTED, WORK, advancesTo(FINISHED)).build());
    }

    @Test
    void aCircleThatNoWayLeadsToIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(STARTED, WORK, advancesTo())
                        .stage(A, WORK)
                        .stage(B, WORK, advancesTo(A))
                        .build())
                .withMessage("operation 'op' has a stage at 'a' that no way from 'started' leads to");
    }

    @Test
    void anOperationHasAtMostAThousandStages() {
        Operation.Builder<Object> builder = named().stage(STARTED, WORK);
        for (int i = 1; i < Operation.MAX_STAGES; i++) {
            builder.stage(RecoveryPoint.named("stage-" + i), WORK);
        }

        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.stage(A, WORK))
                .withMessage("argument 'at' is 'a'; allowed: at most 1000 stages");
        assertThat(builder.build().recoveryPoints()).hasSize(1000);
    }

    @Test
    void aCircleIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().stage(STARTED, WORK)
                        .stage(A, WORK)
                        .stage(B, WORK, advancesTo(A))
                        .build())
                .withMessage("operation 'op' can go in a circle through 'a'");
        assertThatIllegalStateException()
                .isThrownBy(
                        () -> named().stage(STARTED, WORK, advancesTo(STARTED)).build());
    }

    @Test
    void oneStageBeginsAtAPointAndNoneAtFinished() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().stage(A, WORK).stage(A, WORK))
                .withMessageContaining("one stage per recovery point");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().stage(FINISHED, WORK))
                .withMessageContaining("any but 'finished'");
    }

    @Test
    void aStagesOwnOptionsWinOverTheOperations() {
        Operation<Object> operation = named().lease(Duration.ofSeconds(1))
                .isolation(Isolation.SNAPSHOT)
                .stage(STARTED, WORK)
                .stage(
                        A,
                        key -> "input",
                        (stage, input) -> StageOutcome.respond(Response.of(200, "text/plain", input)),
                        StageOption.lease(Duration.ofSeconds(2)),
                        StageOption.isolation(Isolation.READ_COMMITTED))
                .build();

        assertThat(stage(operation, STARTED).lease()).isEqualTo(Duration.ofSeconds(1));
        assertThat(stage(operation, STARTED).isolation()).isEqualTo(Isolation.SNAPSHOT);
        assertThat(stage(operation, A).lease()).isEqualTo(Duration.ofSeconds(2));
        assertThat(stage(operation, A).isolation()).isEqualTo(Isolation.READ_COMMITTED);
        assertThat(stage(named().stage(STARTED, WORK).build(), STARTED).lease()).isNull();
    }

    @Test
    void aLeaseIsAMillisecondToADay() {
        assertThat(Set.of(Transitions.lease(Duration.ofMillis(1)), Transitions.lease(Duration.ofHours(24))))
                .hasSize(2);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().lease(Duration.ZERO))
                .withMessage("argument 'lease' is 'PT0S'; allowed: PT0.001S to PT24H");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> StageOption.lease(Duration.ofHours(24).plusNanos(1)));
    }

    @Test
    void aBackoffDoublesUpToTheLongestAndIsHalfRandom() {
        Operation<Object> operation = named().backoff(Duration.ofSeconds(2), Duration.ofSeconds(10))
                .stage(STARTED, WORK)
                .build();
        RandomGenerator least = new Fixed(0);
        RandomGenerator most = new Fixed(Long.MAX_VALUE);

        assertThat(operation.backoff(1, least)).isEqualTo(Duration.ofSeconds(1));
        assertThat(operation.backoff(1, most)).isEqualTo(Duration.ofSeconds(2));
        assertThat(operation.backoff(2, most)).isEqualTo(Duration.ofSeconds(4));
        assertThat(operation.backoff(3, most)).isEqualTo(Duration.ofSeconds(8));
        assertThat(operation.backoff(4, most)).isEqualTo(Duration.ofSeconds(10));
        assertThat(operation.backoff(1_000_000, least)).isEqualTo(Duration.ofSeconds(5));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().backoff(Duration.ofSeconds(2), Duration.ofSeconds(1)));
    }

    /** Always draws the least or the most. */
    private record Fixed(long value) implements RandomGenerator {
        @Override
        public long nextLong() {
            return value;
        }

        @Override
        public long nextLong(long bound) {
            return Math.min(value, bound - 1);
        }
    }

    @Test
    void anOperationIsCompletedWithoutItsParametersOnlyIfItSaysSo() {
        assertThat(named().stage(STARTED, WORK).build().isResumableWithoutParameters())
                .isFalse();
        assertThat(named().resumableWithoutParameters()
                        .stage(STARTED, WORK)
                        .build()
                        .isResumableWithoutParameters())
                .isTrue();
        assertThatIllegalArgumentException().isThrownBy(() -> named().maxAttempts(0));
    }

    @Test
    void anIllegalNameIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Operation.named(""))
                .withMessageContaining("argument 'name'");
    }

    @Test
    void anOutcomeCanNotAdvanceToFinished() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> StageOutcome.advanceTo(FINISHED))
                .withMessageContaining("use respond to finish");
    }

    private static Operation.Builder<Object> named() {
        return Operation.named("op");
    }

    private static StageDefinition<Object> stage(Operation<Object> operation, RecoveryPoint at) {
        StageDefinition<Object> stage = operation.stage(at);
        if (stage == null) {
            throw new AssertionError("no stage at " + at);
        }
        return stage;
    }
}
