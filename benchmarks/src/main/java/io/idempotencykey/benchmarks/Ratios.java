package io.idempotencykey.benchmarks;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** Medians, with the least and the greatest. */
final class Ratios {
    private Ratios() {}

    /** The first values divided by the second ones, as far as both go. */
    static List<Double> of(List<Double> first, List<Double> second) {
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < Math.min(first.size(), second.size()); i++) {
            ratios.add(first.get(i) / second.get(i));
        }
        return ratios;
    }

    /** Not a number if there is no value, or if one of them isn't a number. */
    static double median(List<Double> values) {
        if (values.isEmpty() || values.stream().anyMatch(value -> value.isNaN())) {
            return Double.NaN;
        }
        List<Double> sorted = values.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }

    /** The median, with the least and the greatest. */
    static String shown(List<Double> values) {
        return values.isEmpty()
                ? "–"
                : String.format(
                        Locale.ROOT,
                        "%.2f (%.2f–%.2f)",
                        median(values),
                        Collections.min(values),
                        Collections.max(values));
    }
}
