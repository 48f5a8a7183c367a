package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class MarkTest {
    private static final Mark RATE = Mark.atLeast(0.9, "library", "JDBC");
    private static final Mark BYTES = new Mark("library", "JDBC", Measure.BYTES, Mark.Bound.AT_MOST, 1.5);

    @Test
    void aRateMeetsItsMarkFromTheMarkOn() {
        assertThat(RATE.verdict(List.of(0.9))).isEqualTo(Mark.Verdict.MET);
        assertThat(RATE.verdict(List.of(0.89))).isEqualTo(Mark.Verdict.MISSED);
    }

    @Test
    void aRateBelowHalfItsMarkIsMissedByFar() {
        assertThat(RATE.verdict(List.of(0.45))).isEqualTo(Mark.Verdict.MISSED);
        assertThat(RATE.verdict(List.of(0.44))).isEqualTo(Mark.Verdict.FAR);
    }

    @Test
    void bytesMeetTheirMarkUpToTheMark() {
        assertThat(BYTES.verdict(List.of(1.5))).isEqualTo(Mark.Verdict.MET);
        assertThat(BYTES.verdict(List.of(1.51))).isEqualTo(Mark.Verdict.MISSED);
        assertThat(BYTES.verdict(List.of(3.01))).isEqualTo(Mark.Verdict.FAR);
    }

    @Test
    void whatIsNotMeasuredIsMissedByFar() {
        assertThat(RATE.verdict(List.of())).isEqualTo(Mark.Verdict.FAR);
        assertThat(RATE.verdict(List.of(1.0, Double.NaN))).isEqualTo(Mark.Verdict.FAR);
        assertThat(Mark.none("library", "JDBC").verdict(List.of())).isEqualTo(Mark.Verdict.FAR);
    }

    @Test
    void whereNothingIsAskedNothingIsMissed() {
        assertThat(Mark.none("library", "JDBC").verdict(List.of(0.01))).isEqualTo(Mark.Verdict.UNMARKED);
    }
}
