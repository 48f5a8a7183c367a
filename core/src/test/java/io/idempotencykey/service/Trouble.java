package io.idempotencykey.service;

import java.util.List;

/** What may go wrong at one moment of a simulated world. */
enum Trouble {
    NONE("nothing"),
    CRASH_BEFORE("crashes before the call"),
    TIME_PASSES("a lease's time passes"),
    UNAVAILABLE("the store can't be reached"),
    TRANSIENT("the store rolls back because of a conflict"),
    LOST_BEFORE("the connection is lost, and nothing was done"),
    BUSY("the row is held, and the write may land later"),
    CRASH_AFTER("crashes after the call"),
    LOST_AFTER("the answer is lost"),
    LATE("the connection is lost, and the write may land later"),
    TIME_TO_LIVE_PASSES("the time to live passes"),
    CLOCK_FORWARD("the store's clock jumps two hours forward"),
    CLOCK_FAR_FORWARD("the store's clock jumps past the time to live"),
    CLOCK_BACK("the store's clock jumps two hours back"),
    WORK_THROWS("the application throws"),
    WORK_TAKES_LONG("the work takes longer than its lease");

    /** What a small world has to go through. */
    static final List<Trouble> OF_WRITES = List.of(
            NONE, CRASH_BEFORE, TIME_PASSES, UNAVAILABLE, TRANSIENT, LOST_BEFORE, BUSY, CRASH_AFTER, LOST_AFTER, LATE);

    static final List<Trouble> OF_READS = List.of(NONE, CRASH_BEFORE, TIME_PASSES, UNAVAILABLE);
    static final List<Trouble> OF_CLOCKS =
            List.of(NONE, TIME_TO_LIVE_PASSES, CLOCK_FORWARD, CLOCK_FAR_FORWARD, CLOCK_BACK);
    static final List<Trouble> OF_WORK = List.of(NONE, WORK_THROWS, WORK_TAKES_LONG);

    final String text;

    Trouble(String text) {
        this.text = text;
    }
}
