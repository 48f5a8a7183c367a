package io.idempotencykey.benchmarks;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import org.jspecify.annotations.Nullable;

/**
 * Shares the time that is left among the cells that are left. Where that is short, as beside a load, rounds get shorter,
 * so that all cells are measured.
 */
final class Shares {
    private final InstantSource clock;
    private final Instant deadline;
    private final Instant end;
    private final int cells;
    private int ended;
    private Instant begun;
    private Instant prepared;
    private @Nullable Rounds planned;
    private int sides;

    /**
     * What the last cell took beside its rounds and after it was prepared, such as to renew tables, and what the next
     * one is therefore taken to need if it has the same workload. It is less than nothing if the rounds took less than
     * planned. The first cell, which is slow, doesn't count. What a workload's first cell takes so is taken from those
     * that follow.
     */
    private Duration beside = Duration.ZERO;

    private @Nullable Workload last;

    /**
     * Shares for cells of which the first one begins now.
     *
     * @param deadline when all are to have ended
     * @param end when no other is begun
     */
    Shares(InstantSource clock, Instant deadline, Instant end, int cells) {
        this.clock = clock;
        this.deadline = deadline;
        this.end = end;
        this.cells = cells;
        this.begun = clock.instant();
        this.prepared = begun;
    }

    /** Whether no other cell is begun, and no cell gets more rounds. */
    boolean isOver() {
        return clock.instant().isAfter(end);
    }

    /**
     * The rounds that the cell at hand, which is prepared now, has time for. The first cell warms up for longer,
     * whatever time there is.
     */
    Rounds of(Rounds usual, int sides, Workload workload) {
        prepared = clock.instant();
        Duration share =
                Duration.between(begun, deadline).dividedBy(cells - ended).minus(Duration.between(begun, prepared));
        if (workload != last) {
            beside = Duration.ZERO;
        }
        last = workload;
        Rounds rounds =
                ended == 0 ? usual.within(share, sides).afterColdStart() : usual.within(share.minus(beside), sides);
        this.planned = rounds;
        this.sides = sides;
        return rounds;
    }

    /** The cell at hand has ended, after so many rounds, or none if it failed. Returns how long it took. */
    Duration end(int rounds) {
        Instant now = clock.instant();
        Duration took = Duration.between(begun, now);
        // What has failed says nothing about the next one.
        beside = ended == 0 || planned == null || rounds == 0
                ? Duration.ZERO
                : Duration.between(prepared, now).minus(planned.longest(sides, rounds));
        planned = null;
        ended++;
        begun = now;
        return took;
    }
}
