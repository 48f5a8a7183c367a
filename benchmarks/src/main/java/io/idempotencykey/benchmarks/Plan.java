package io.idempotencykey.benchmarks;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** What is to be measured, in the order in which it is done. */
record Plan(Mode mode, List<Cell> cells) {
    static final String THROUGHPUT = "throughput";

    /**
     * Reads arguments: {@code quick} or {@code full}, and names of places and workloads; all of them where none is
     * named. {@code throughput} names the workloads from {@code stages} to {@code scaling}.
     *
     * @throws IllegalArgumentException if a name means nothing, or the names together mean no cell or two modes
     */
    static Plan of(List<String> arguments) {
        if (arguments.containsAll(List.of("quick", "full"))) {
            throw new IllegalArgumentException("'quick' and 'full' exclude each other");
        }
        Mode mode = Mode.QUICK;
        Set<Place> places = EnumSet.noneOf(Place.class);
        Set<Workload> workloads = EnumSet.noneOf(Workload.class);
        for (String argument : arguments) {
            Optional<Place> place = Place.named(argument);
            Optional<Workload> workload = Workload.named(argument);
            if (argument.equals("quick") || argument.equals("full")) {
                mode = argument.equals("full") ? Mode.FULL : Mode.QUICK;
            } else if (place.isPresent()) {
                places.add(place.get());
            } else if (argument.equals(THROUGHPUT)) {
                workloads.addAll(Mode.QUICK.workloads());
            } else if (workload.isPresent()) {
                workloads.add(workload.get());
            } else {
                throw new IllegalArgumentException("'" + argument + "' is neither a place nor a workload");
            }
        }
        // Unless something is named, a look is at what something is asked of.
        boolean isLook = mode == Mode.QUICK && places.isEmpty() && workloads.isEmpty();
        List<Cell> cells = new ArrayList<>();
        for (Place place : places.isEmpty() ? mode.places() : places) {
            for (Workload workload : workloads.isEmpty() ? mode.workloads() : workloads) {
                cells(mode, place, workload)
                        .filter(cell -> !isLook || cell.isMarked())
                        .forEach(cells::add);
            }
        }
        if (cells.isEmpty()) {
            throw new IllegalArgumentException("nothing is measured for " + String.join(" ", arguments));
        }
        return new Plan(mode, cells);
    }

    /** The cells that have something to compare. */
    private static Stream<Cell> cells(Mode mode, Place place, Workload workload) {
        List<Integer> threads = switch (workload) {
            case SCALING -> List.of(2);
            case HOTKEY -> List.of(64, 256);
            case GROWTH, GROWTH_TO_5_MILLION -> List.of(4);
            case SHAPE -> List.of(8);
            case STAGES, SINGLE, REPLAY, RETRIEVE, REFUSED, OWN, RIVALS -> mode.threads(place);
        };
        return threads.stream()
                .map(number -> new Cell(place, workload, number))
                .filter(cell -> !cell.marks().isEmpty());
    }

    List<Cell> in(Place place) {
        return cells.stream().filter(cell -> cell.place() == place).toList();
    }

    List<Place> places() {
        return cells.stream().map(Cell::place).distinct().toList();
    }
}
