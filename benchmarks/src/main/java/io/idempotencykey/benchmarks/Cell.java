package io.idempotencykey.benchmarks;

import java.util.List;

/** One thing to be measured: a workload in a place, by so many threads. */
record Cell(Place place, Workload workload, int threads) {
    List<Mark> marks() {
        return Marks.of(this);
    }

    /** Whether anything is asked of it. */
    boolean isMarked() {
        return marks().stream().anyMatch(mark -> !Double.isNaN(mark.limit()));
    }

    /** What is measured, without the place. */
    String shown() {
        return workload.shown() + ", " + threads + (threads == 1 ? " thread" : " threads");
    }

    @Override
    public String toString() {
        return place.shown() + " " + shown();
    }
}
