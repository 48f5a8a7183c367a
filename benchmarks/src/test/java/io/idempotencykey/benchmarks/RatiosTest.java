package io.idempotencykey.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class RatiosTest {
    @Test
    void medianOfAnOddNumberIsTheMiddleOne() {
        assertThat(Ratios.median(List.of(3.0, 1.0, 2.0))).isEqualTo(2);
    }

    @Test
    void medianOfAnEvenNumberIsBetweenTheMiddleOnes() {
        assertThat(Ratios.median(List.of(4.0, 1.0, 2.0, 3.0))).isEqualTo(2.5);
    }

    @Test
    void medianOfNothingOrOfWhatIsNoNumberIsNoNumber() {
        assertThat(Ratios.median(List.of())).isNaN();
        assertThat(Ratios.median(List.of(1.0, Double.NaN, 2.0))).isNaN();
    }

    @Test
    void eachRoundIsComparedWithItself() {
        assertThat(Ratios.of(List.of(4.0, 9.0, 1.0), List.of(2.0, 3.0))).containsExactly(2.0, 3.0);
    }

    @Test
    void shownAreTheMedianTheLeastAndTheGreatest() {
        assertThat(Ratios.shown(List.of(0.5, 0.25, 1.0))).isEqualTo("0.50 (0.25–1.00)");
        assertThat(Ratios.shown(List.of())).isEqualTo("–");
    }
}
