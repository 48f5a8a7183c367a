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
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class OperationTest {
    private static final RecoveryPoint A = RecoveryPoint.named("a");
    private static final RecoveryPoint B = RecoveryPoint.named("b");
    private static final IdempotencyKeyService<List<String>> SERVICE = new IdempotencyKeyService<>(new MapKeyStore());
    private static final WorkStage<List<String>> WORK = stage -> StageOutcome.respond(Response.of(200, new byte[0]));

    @Test
    void aStageAdvancesToTheNextOneDeclared() {
        Operation<List<String>> operation =
                named().branch(STARTED, WORK).branch(A, WORK).branch(B, WORK).build();

        assertThat(operation.recoveryPoints()).containsExactly(STARTED, A, B);
        assertThat(stage(operation, STARTED).targets()).containsExactly(A);
        assertThat(stage(operation, A).targets()).containsExactly(B);
        assertThat(stage(operation, B).targets()).isEmpty();
        assertThat(operation.stage(FINISHED)).isNull();
        assertThat(operation.name()).isEqualTo("op");
    }

    @Test
    void aStageMayChooseAmongDeclaredPoints() {
        Operation<List<String>> operation = named().branch(STARTED, WORK, advancesTo(A, B))
                .branch(A, WORK)
                .branch(B, WORK)
                .build();

        assertThat(stage(operation, STARTED).targets()).containsExactly(A, B);
    }

    @Test
    void twoWaysMayMeet() {
        assertThat(named().branch(STARTED, WORK, advancesTo(B, A))
                        .branch(A, WORK)
                        .branch(B, WORK)
                        .build()
                        .recoveryPoints())
                .hasSize(3);
    }

    @Test
    @SuppressWarnings("NullAway")
    void whatIsNullIsNamed() {
        assertThatNullPointerException()
                .isThrownBy(() -> named().branch(STARTED, WORK, (StageOption) null))
                .withMessageContaining("'options'");
        assertThatNullPointerException()
                .isThrownBy(() -> advancesTo((RecoveryPoint) null))
                .withMessageContaining("'recoveryPoints'");
    }

    @Test
    void aRefusedBackoffChangesNothing() {
        Operation.Builder<List<String>> builder =
                named().branch(STARTED, WORK).backoff(Duration.ofSeconds(1), Duration.ofSeconds(2));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.backoff(Duration.ofSeconds(50), Duration.ofSeconds(1)))
                .withMessageContaining("'longest'");

        assertThat(builder.build().backoff(9, RandomGenerator.getDefault())).isLessThanOrEqualTo(Duration.ofSeconds(3));
    }

    @Test
    void anOperationWithoutAStageAtStartedIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(A, WORK).build())
                .withMessage("operation 'op' has no stage at 'started', where every request begins");
        assertThatIllegalStateException().isThrownBy(() -> named().build());
    }

    @Test
    void aStageThatNoWayLeadsToIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(STARTED, WORK, advancesTo(B))
                        .branch(A, WORK)
                        .branch(B, WORK)
                        .build())
                .withMessage("operation 'op' has a stage at 'a' that no way from 'started' leads to");
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(STARTED, WORK, advancesTo())
                        .branch(A, WORK)
                        .build());
    }

    @Test
    void advancingToAPointWithoutAStageIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(STARTED, WORK, advancesTo(A)).build())
                .withMessage("operation 'op' advances from 'started' to 'a', where no stage begins");
        assertThatIllegalStateException()
                .isThrownBy(() ->
                        named().branch(STARTED, WORK, advancesTo(FINISHED)).build());
    }

    @Test
    void allThePointsThatAStageNamesAreItsTargets() {
        Operation<List<String>> operation = named().branch(STARTED, WORK, advancesTo(A), advancesTo(B))
                .branch(A, WORK, advancesTo())
                .branch(B, WORK)
                .build();

        assertThat(operation.recoveryPoints()).containsExactly(STARTED, A, B);
    }

    @Test
    void aCircleThatNoWayLeadsToIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(STARTED, WORK, advancesTo())
                        .branch(A, WORK)
                        .branch(B, WORK, advancesTo(A))
                        .build())
                .withMessage("operation 'op' has a stage at 'a' that no way from 'started' leads to");
    }

    @Test
    void anOperationHasAtMostAThousandStages() {
        Operation.Builder<List<String>> builder = named().branch(STARTED, WORK);
        for (int i = 1; i < Operation.MAX_STAGES; i++) {
            builder.branch(RecoveryPoint.named("stage-" + i), WORK);
        }

        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.branch(A, WORK))
                .withMessage("argument 'at' is 'a'; allowed: at most 1000 stages");
        assertThat(builder.build().recoveryPoints()).hasSize(1000);
    }

    @Test
    void aCircleIsRefused() {
        assertThatIllegalStateException()
                .isThrownBy(() -> named().branch(STARTED, WORK)
                        .branch(A, WORK)
                        .branch(B, WORK, advancesTo(A))
                        .build())
                .withMessage("operation 'op' can go in a circle through 'a'");
        assertThatIllegalStateException()
                .isThrownBy(
                        () -> named().branch(STARTED, WORK, advancesTo(STARTED)).build());
    }

    @Test
    void oneStageBeginsAtAPointAndNoneAtFinished() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().branch(A, WORK).branch(A, WORK))
                .withMessageContaining("one stage per recovery point");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> named().branch(FINISHED, WORK))
                .withMessageContaining("any but 'finished'");
    }

    @Test
    void aStagesOwnOptionsWinOverTheOperations() {
        Operation<List<String>> operation = named().lease(Duration.ofSeconds(1))
                .isolation(Isolation.SNAPSHOT)
                .branch(STARTED, WORK)
                .branch(
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
        assertThat(stage(named().branch(STARTED, WORK).build(), STARTED).lease())
                .isNull();
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
        Operation<List<String>> operation = named().backoff(Duration.ofSeconds(2), Duration.ofSeconds(10))
                .branch(STARTED, WORK)
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
        assertThat(named().branch(STARTED, WORK).build().isResumableWithoutParameters())
                .isFalse();
        assertThat(named().resumableWithoutParameters()
                        .branch(STARTED, WORK)
                        .build()
                        .isResumableWithoutParameters())
                .isTrue();
        assertThatIllegalArgumentException().isThrownBy(() -> named().maxAttempts(0));
    }

    @Test
    void anIllegalNameIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SERVICE.operation(""))
                .withMessageContaining("argument 'name'");
    }

    @Test
    void anOutcomeCanNotAdvanceToFinished() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> StageOutcome.advanceTo(FINISHED))
                .withMessageContaining("use respond to finish");
    }

    private static Operation.Builder<List<String>> named() {
        return SERVICE.operation("op");
    }

    private static StageDefinition<List<String>> stage(Operation<List<String>> operation, RecoveryPoint at) {
        StageDefinition<List<String>> stage = operation.stage(at);
        if (stage == null) {
            throw new AssertionError("no stage at " + at);
        }
        return stage;
    }
}
