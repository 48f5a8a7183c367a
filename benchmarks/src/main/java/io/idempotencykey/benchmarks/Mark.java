package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Locale;

/**
 * What one side is to reach of another in a cell.
 *
 * @param limit that the median of the rounds' ratios is compared with; NaN if nothing is asked
 */
record Mark(String side, String against, Measure measure, Bound bound, double limit) {
    /** Where the median has to be. */
    enum Bound {
        AT_LEAST,
        AT_MOST
    }

    /** How a mark stands. */
    enum Verdict {
        MET("met"),
        MISSED("missed"),
        /** Not even half of the mark, or nothing measured. */
        FAR("missed by far"),
        UNMARKED("–");

        private final String shown;

        Verdict(String shown) {
            this.shown = shown;
        }

        String shown() {
            return shown;
        }
    }

    /** A side's rate is to be at least so many times the other's. */
    static Mark atLeast(double limit, String side, String against) {
        return new Mark(side, against, Measure.RATE, Bound.AT_LEAST, limit);
    }

    /** Shown, and nothing asked. */
    static Mark none(String side, String against) {
        return new Mark(side, against, Measure.RATE, Bound.AT_LEAST, Double.NaN);
    }

    Verdict verdict(List<Double> ratios) {
        double median = Ratios.median(ratios);
        if (Double.isNaN(median)) {
            return Verdict.FAR;
        }
        if (Double.isNaN(limit)) {
            return Verdict.UNMARKED;
        }
        double reached = bound == Bound.AT_LEAST ? median / limit : limit / median;
        if (reached >= 1) {
            return Verdict.MET;
        }
        return reached < 0.5 ? Verdict.FAR : Verdict.MISSED;
    }

    String shownLimit() {
        return Double.isNaN(limit)
                ? "–"
                : String.format(Locale.ROOT, "%s %.2f", bound == Bound.AT_LEAST ? "≥" : "≤", limit);
    }

    /** What is compared with what. */
    String shownSides() {
        return switch (measure) {
            case RATE -> side + " / " + against;
            case BYTES -> side + ", bytes, / " + against;
            case KEPT -> side + ", part kept while asked, / " + against;
        };
    }
}
