package io.idempotencykey.benchmarks;

import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** How long is measured: as in the enumeration, unless system properties say otherwise. */
enum Mode {
    /** For a look, within ten minutes with the build. */
    QUICK(5, 400, 2_000, 600, 8),
    /** For figures that are told to others, within ninety minutes. */
    FULL(11, 1_000, 10_000, 2_500, 86);

    private final int rounds;
    private final int millis;
    private final int warmUpRequests;
    private final int warmUpMillis;
    private final int minutes;

    Mode(int rounds, int millis, int warmUpRequests, int warmUpMillis, int minutes) {
        this.rounds = rounds;
        this.millis = millis;
        this.warmUpRequests = warmUpRequests;
        this.warmUpMillis = warmUpMillis;
        this.minutes = minutes;
    }

    Rounds rounds(Place place) {
        Rounds rounds = rounds();
        return switch (place) {
            // Its requests are short, and the compiler needs many, all the more beside a load.
            case ADAPTER_INMEMORY -> rounds.warmingUpMore(50);
            // Hibernate takes many requests to be compiled.
            case ADAPTER_JPA -> rounds.warmingUp(2);
            // Nothing is asked there, so a full measurement is to leave its time to others.
            case ADAPTER_JPA_MYSQL, ADAPTER_JPA_MARIADB -> this == QUICK ? rounds.warmingUp(2) : rounds.lasting(0.5);
            // It is slow, so that few requests would be in a round.
            case ADAPTER_MONGO -> rounds.lasting(2);
        };
    }

    Rounds rounds() {
        return new Rounds(
                option("rounds", rounds),
                Duration.ofMillis(option("millis", millis)),
                option("warmup.requests", warmUpRequests),
                Duration.ofMillis(option("warmup.millis", warmUpMillis)));
    }

    /** What is measured unless it is named; what takes long only by {@link #FULL}. */
    Set<Workload> workloads() {
        return this == QUICK ? EnumSet.range(Workload.STAGES, Workload.SCALING) : EnumSet.allOf(Workload.class);
    }

    /** Where is measured unless a place is named. */
    Set<Place> places() {
        return this == QUICK
                ? EnumSet.of(Place.ADAPTER_INMEMORY, Place.ADAPTER_JPA, Place.ADAPTER_MONGO)
                : EnumSet.allOf(Place.class);
    }

    /** When no other cell is begun. */
    Duration deadline() {
        return Duration.ofMinutes(option("minutes", minutes));
    }

    /** By how many threads a place is asked. */
    List<Integer> threads(Place place) {
        if (System.getProperty("threads") != null) {
            return List.of(option("threads", 1));
        }
        return this == QUICK ? List.of(1, 8) : place.threads();
    }

    /**
     * Reads all options, whose names are those of system properties.
     *
     * @throws IllegalArgumentException if one of them isn't a whole number of 1 or more
     */
    static void checkOptions() {
        Rounds unusedRounds = FULL.rounds();
        Duration unusedDeadline = FULL.deadline();
        List<Integer> unusedThreads = FULL.threads(Place.ADAPTER_JPA);
    }

    private static int option(String name, int usual) {
        String given = System.getProperty(name);
        if (given == null) {
            return usual;
        }
        try {
            int value = Integer.parseInt(given);
            if (value >= 1) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Refused below, as a number that is too small.
        }
        throw new IllegalArgumentException(
                "-D" + name + " is '" + given + "'; allowed: a whole number from 1 to " + Integer.MAX_VALUE);
    }
}
