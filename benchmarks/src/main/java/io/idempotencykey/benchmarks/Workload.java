package io.idempotencykey.benchmarks;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** What is asked for again and again. */
enum Workload {
    /** A claim and two stages, with a row of the application's each. */
    STAGES,
    /** A request of one stage, in one transaction. */
    SINGLE,
    /** A claim of a finished key that the service hasn't seen lately, so that the store is asked. */
    REPLAY,
    /** A read of a finished key, from the store. */
    RETRIEVE,
    /** A claim of a key that another instance holds. */
    REFUSED,
    /** A claim of one finished key, again and again, by one service, which may know the answer. */
    OWN,
    /** Stages by two threads, over those by one. */
    SCALING,
    /** Stages by eight threads, alone and while so many others ask for one key that is running. */
    HOTKEY,
    /** Requests among a million keys, over those among ten thousand. */
    GROWTH,
    /** The same among five million. */
    GROWTH_TO_5_MILLION,
    /** Requests of one and of fifty stages, and with responses of several sizes. */
    SHAPE,
    /** Requests of one stage against other libraries. */
    RIVALS;

    /** How many keys are stored, at most. */
    static final int MOST_STORED = 1 << 16;

    /** Whether each request has a new key. */
    boolean makesKeys() {
        return this == STAGES || this == SINGLE || this == SCALING || this == HOTKEY || this == SHAPE || this == RIVALS;
    }

    /**
     * How many keys are stored to be asked for, one after the other: for replays so many that a service has forgotten
     * that it was asked for one until it is asked for that again.
     */
    int stored() {
        return this == REPLAY ? MOST_STORED : MOST_STORED / 4;
    }

    /**
     * What a side does for one request.
     *
     * @param stored how many keys are stored, of which one after the other is asked for
     */
    Contestant.Task task(Requests requests, int stored) {
        return switch (this) {
            case STAGES, SCALING, HOTKEY, SHAPE -> number -> requests.stages(Example.newKey());
            case SINGLE, RIVALS -> number -> requests.single(Example.newKey());
            // By their own numbers, many threads would come back to a few keys each, which the service still knows.
            case REPLAY -> Contestant.Task.inTurn(number -> requests.replay(Example.storedKey(number, stored)));
            case RETRIEVE, GROWTH, GROWTH_TO_5_MILLION ->
                number -> requests.retrieve(Example.storedKey(number, stored));
            case REFUSED -> number -> requests.refused(Example.storedKey(number, stored));
            case OWN -> number -> requests.replay(Example.storedKey(0, stored));
        };
    }

    String shown() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Optional<Workload> named(String name) {
        return Arrays.stream(values())
                .filter(workload -> workload.shown().equals(name))
                .findFirst();
    }
}
