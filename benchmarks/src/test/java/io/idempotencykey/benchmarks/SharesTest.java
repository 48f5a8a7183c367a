package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class SharesTest {
    /** Two sides take 10 seconds at most. */
    private static final Rounds ROUNDS = new Rounds(4, Duration.ofMillis(500), 2_000, Duration.ofSeconds(1));

    private static final Rounds HALF = new Rounds(4, Duration.ofMillis(250), 1_000, Duration.ofMillis(500));

    private Instant now = Instant.EPOCH;

    /** The first of these cells has begun, and warms up for longer. */
    private Shares shares(int seconds, int cells) {
        return new Shares(() -> now, Instant.EPOCH.plusSeconds(seconds), Instant.EPOCH.plusSeconds(60), cells);
    }

    /** Of four cells in a minute the first one took half, and the rounds of the second one begin. */
    private Shares inTheSecondCell(Workload workload) {
        Shares shares = shares(60, 4);
        take(shares, 30);
        Rounds unused = shares.of(ROUNDS, 1, workload);
        return shares;
    }

    private void take(Shares shares, int seconds) {
        take(shares, seconds, ROUNDS.count());
    }

    private void take(Shares shares, int seconds, int rounds) {
        now = now.plusSeconds(seconds);
        assertThat(shares.end(rounds)).isEqualTo(Duration.ofSeconds(seconds));
    }

    @Test
    void roundsAreAsLongAsThereIsTimeForThem() {
        Shares shares = shares(44, 3);

        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS.afterColdStart());
        take(shares, 34);
        assertThat(shares.of(ROUNDS, 1, Workload.REPLAY)).isEqualTo(ROUNDS);
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(HALF);
    }

    @Test
    void theFirstCellWarmsUpForLongerWhateverTimeThereIs() {
        assertThat(shares(10, 2).of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(HALF.afterColdStart());
    }

    @Test
    void whatTheLastCellTookBesideItsRoundsIsLeftToTheNextOne() {
        Shares shares = inTheSecondCell(Workload.REPLAY);
        take(shares, 8);

        // 11 seconds for each of the others, of which the last one took 3 beside its rounds.
        assertThat(shares.of(ROUNDS, 1, Workload.REPLAY)).isEqualTo(ROUNDS);
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS.within(Duration.ofSeconds(8), 2));
    }

    @Test
    void roundsHaveTheTimeThatPreparingTheirCellLeaves() {
        Shares shares = shares(60, 4);
        take(shares, 30);
        // 10 seconds for each of the others.
        now = now.plusSeconds(5);
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(HALF);
        now = now.plusSeconds(5);
        assertThat(shares.end(ROUNDS.count())).isEqualTo(Duration.ofSeconds(10));

        // The last one took no longer than it was planned to.
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS);
        now = now.plusSeconds(10);
        assertThat(shares.end(ROUNDS.count())).isEqualTo(Duration.ofSeconds(10));
        now = now.plusSeconds(20);
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS.within(Duration.ZERO, 2));
    }

    @Test
    void roundsThatFollowWhereAMarkIsMissedByFarLeaveTheNextCellItsTime() {
        Shares shares = inTheSecondCell(Workload.REPLAY);
        // Five seconds with four rounds, and six more with sixteen.
        take(shares, 11, 16);

        // 9.5 seconds for each of the others.
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS.within(Duration.ofMillis(9_500), 2));
    }

    @Test
    void whatFailsSaysNothingOfTheNextCell() {
        Shares shares = inTheSecondCell(Workload.REPLAY);
        take(shares, 10, 0);

        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY)).isEqualTo(ROUNDS);
    }

    @Test
    void whatOneWorkloadTookBesideItsRoundsSaysNothingOfAnother() {
        Shares shares = inTheSecondCell(Workload.GROWTH_TO_5_MILLION);
        take(shares, 10);

        // 10 seconds for each of the others.
        assertThat(shares.of(ROUNDS, 2, Workload.SHAPE)).isEqualTo(ROUNDS);
    }

    @Test
    void whereTheTimeIsOverRoundsTakeAQuarterUntilNoCellIsBegun() {
        Shares shares = shares(10, 3);
        take(shares, 60);

        assertThat(shares.isOver()).isFalse();
        assertThat(shares.of(ROUNDS, 2, Workload.REPLAY))
                .isEqualTo(new Rounds(4, Duration.ofMillis(125), 500, Duration.ofMillis(250)));
        now = now.plusSeconds(1);
        assertThat(shares.isOver()).isTrue();
    }
}
