package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Locale;

/** One thing to be measured: a workload in a place, by so many threads. */
record Cell(Place place, Workload workload, int threads) {
    List<Mark> marks() {
        return Marks.of(this);
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s %s, %d threads", place.shown(), workload.shown(), threads);
    }
}
