package io.idempotencykey.benchmarks;

import java.util.List;

/**
 * What was measured of a cell.
 *
 * @param roundMillis how long each round was; 0 if there was none
 * @param failure why there is nothing, or not all; empty if all went well
 */
record Measured(Cell cell, long roundMillis, List<SideTurns> sides, String failure) {
    static Measured failed(Cell cell, String failure) {
        return new Measured(cell, 0, List.of(), failure);
    }

    Measured withFailure(String why) {
        return new Measured(cell, roundMillis, sides, why);
    }

    /** How many rounds there were. */
    int rounds() {
        return sides.stream().mapToInt(side -> side.turns().size()).max().orElse(0);
    }

    /** Whether a mark is missed by far, or something failed. */
    boolean isBad() {
        return !failure.isEmpty()
                || cell.marks().stream().anyMatch(mark -> mark.verdict(ratios(mark)) == Mark.Verdict.FAR);
    }

    /** Ratios of a mark's two sides, one for each round; none if one of them is missing. */
    List<Double> ratios(Mark mark) {
        if (mark.measure() == Measure.KEPT) {
            return Ratios.of(kept(mark.side()), kept(mark.against()));
        }
        return Ratios.of(values(mark.side(), mark.measure()), values(mark.against(), mark.measure()));
    }

    private List<Double> kept(String side) {
        return Ratios.of(values(side + Marks.ASKED, Measure.KEPT), values(side, Measure.KEPT));
    }

    private List<Double> values(String side, Measure measure) {
        return sides.stream()
                .filter(each -> each.name().equals(side))
                .flatMap(each -> each.turns().stream())
                .map(measure::of)
                .toList();
    }
}
