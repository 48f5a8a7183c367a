package io.idempotencykey.benchmarks;

import java.util.List;

/** What is to be reached. The names of the sides are those that the houses give. */
final class Marks {
    static final String LIBRARY = "library";
    static final String JDBC = "JDBC";
    static final String JDBC_IN_ONE = "JDBC in one round trip";
    static final String JDBC_UNLOCKED = "JDBC without a lock";
    static final String JDBC_WHOLE = "JDBC that reads whole keys";
    static final String ENTITIES = "JDBC with entities";
    static final String DRIVER = "driver";
    static final String MAP = "map";
    static final String MAP_READ_FIRST = "map, read first";
    static final String DIGESTS = "digests alone";
    static final String ASKED = ", asked";
    static final String ASKED_WITH_PAUSES = ", asked with pauses";
    static final String SMALL = " among 10 thousand";
    static final String LARGE = " among many";
    static final List<String> GROWING = List.of("claim", "claim and stage", "retrieve");
    static final String ONE_THREAD = " by 1 thread";
    static final String TWO_THREADS = " by 2 threads";

    private Marks() {}

    static List<Mark> of(Cell cell) {
        return switch (cell.place()) {
            case ADAPTER_INMEMORY -> inMemory(cell.workload());
            case ADAPTER_JPA -> onJpa(cell.workload(), cell.threads());
            case ADAPTER_JPA_MYSQL, ADAPTER_JPA_MARIADB -> onInnodb(cell.workload());
            case ADAPTER_MONGO -> onMongo(cell.workload());
        };
    }

    private static List<Mark> inMemory(Workload workload) {
        return switch (workload) {
            case STAGES, RETRIEVE -> List.of(Mark.atLeast(0.6, LIBRARY, MAP));
            case REPLAY, REFUSED -> List.of(Mark.atLeast(0.6, LIBRARY, MAP), Mark.none(LIBRARY, MAP_READ_FIRST));
            case SINGLE, OWN -> List.of(Mark.none(LIBRARY, MAP));
            case SCALING ->
                List.of(
                        Mark.atLeast(1.7, LIBRARY + TWO_THREADS, LIBRARY + ONE_THREAD),
                        Mark.none(MAP + TWO_THREADS, MAP + ONE_THREAD),
                        Mark.none(DIGESTS + TWO_THREADS, DIGESTS + ONE_THREAD));
            case HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> List.of();
        };
    }

    private static List<Mark> onJpa(Workload workload, int threads) {
        return switch (workload) {
            case STAGES ->
                List.of(
                        Mark.atLeast(0.93, LIBRARY, JDBC),
                        Mark.atLeast(0.97, LIBRARY, ENTITIES),
                        new Mark(LIBRARY, ENTITIES, Measure.BYTES, Mark.Bound.AT_MOST, 1.5),
                        new Mark(LIBRARY, JDBC, Measure.BYTES, Mark.Bound.AT_MOST, Double.NaN));
            case SINGLE ->
                List.of(
                        Mark.atLeast(0.95, LIBRARY, JDBC),
                        Mark.none(LIBRARY, JDBC_UNLOCKED),
                        Mark.none(LIBRARY, ENTITIES));
            case REPLAY ->
                List.of(
                        Mark.atLeast(1.0, LIBRARY, JDBC),
                        Mark.none(LIBRARY, JDBC_IN_ONE),
                        Mark.none(LIBRARY, JDBC_WHOLE));
            case RETRIEVE -> List.of(Mark.atLeast(0.95, LIBRARY, JDBC), Mark.none(LIBRARY, JDBC_WHOLE));
            case REFUSED ->
                List.of(
                        Mark.atLeast(0.95, LIBRARY, JDBC_IN_ONE),
                        Mark.none(LIBRARY, JDBC),
                        Mark.none(LIBRARY, JDBC_WHOLE));
            case OWN -> List.of(Mark.atLeast(20, LIBRARY, JDBC));
            case SCALING -> List.of();
            case SHAPE ->
                Shape.ALL.stream()
                        .map(shape -> Mark.none(shape.of(LIBRARY), shape.of(JDBC)))
                        .toList();
            case HOTKEY ->
                List.of(
                        Mark.atLeast(0.9, LIBRARY + ASKED_WITH_PAUSES, LIBRARY),
                        Mark.none(JDBC + ASKED_WITH_PAUSES, JDBC),
                        new Mark(LIBRARY, JDBC, Measure.KEPT, Mark.Bound.AT_LEAST, 1.0),
                        Mark.none(LIBRARY + ASKED, LIBRARY),
                        Mark.none(JDBC + ASKED, JDBC));
            case RIVALS ->
                Rival.ALL.stream().map(rival -> against(rival, threads)).toList();
            case GROWTH, GROWTH_TO_5_MILLION ->
                GROWING.stream()
                        .map(request ->
                                new Mark(request + SMALL, request + LARGE, Measure.RATE, Mark.Bound.AT_MOST, 1.15))
                        .toList();
        };
    }

    /** More is asked only where the rival guarantees as much. */
    private static Mark against(Rival rival, int threads) {
        String library = libraryFor(rival);
        return switch (rival.closest()) {
            case STAGES -> Mark.atLeast(threads < 8 ? 2 : 3, library, rival.title());
            case REPLAY -> Mark.atLeast(2, library, rival.title());
            case SINGLE, RETRIEVE, REFUSED, OWN, SCALING, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS ->
                Mark.none(library, rival.title());
        };
    }

    /** The library's side that a rival is compared with. */
    static String libraryFor(Rival rival) {
        return rival.closest() == Workload.SINGLE
                ? LIBRARY
                : LIBRARY + ", " + rival.closest().shown();
    }

    private static List<Mark> onInnodb(Workload workload) {
        return switch (workload) {
            case STAGES, SINGLE -> List.of(Mark.none(LIBRARY, JDBC), Mark.none(LIBRARY, ENTITIES));
            case REPLAY, RETRIEVE, REFUSED -> List.of(Mark.none(LIBRARY, JDBC), Mark.none(LIBRARY, JDBC_WHOLE));
            case OWN, SCALING, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> List.of();
        };
    }

    private static List<Mark> onMongo(Workload workload) {
        return switch (workload) {
            case STAGES, SINGLE, REPLAY, RETRIEVE, REFUSED -> List.of(Mark.atLeast(0.95, LIBRARY, DRIVER));
            case OWN -> List.of(Mark.none(LIBRARY, DRIVER));
            case SCALING, HOTKEY, GROWTH, GROWTH_TO_5_MILLION, SHAPE, RIVALS -> List.of();
        };
    }
}
