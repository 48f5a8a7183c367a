package io.idempotencykey.benchmarks;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * A side's turns in a cell, one for each round.
 *
 * @param roundTrips to the server, for each request: by documentation, not counted; NaN where nobody says
 */
record SideTurns(String name, double roundTrips, List<Turn> turns) {
    /** How many answers others got in a second meanwhile; nothing where nobody asked. */
    String askers() {
        double askers = median(Turn::askers);
        return askers == 0 ? "" : String.format(Locale.ROOT, "%,.0f", askers);
    }

    double median(ToDoubleFunction<Turn> figure) {
        return Ratios.median(turns.stream().mapToDouble(figure).boxed().toList());
    }
}
