package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A request's parameters, read by name and type.
 *
 * <p>A parameter that is missing, {@code null} or of another type is refused with an {@link Invalid} that names it by
 * its place, such as {@code items[2].quantity}. Immutable and safe for many threads.
 */
public final class Parameters {
    private static final BigDecimal LEAST = BigDecimal.valueOf(Long.MIN_VALUE);
    private static final BigDecimal MOST = BigDecimal.valueOf(Long.MAX_VALUE);

    private final String place;
    private final Map<?, ?> values;

    Parameters(String place, Map<?, ?> values) {
        this.place = place;
        this.values = values;
    }

    /** A parameter isn't what the application expects: its client's mistake, and so mostly answered by 400. */
    public static final class Invalid extends IllegalArgumentException {
        private static final long serialVersionUID = 1L;

        /** Where it stands. */
        private final String name;

        private Invalid(String name, String message) {
            super(message);
            this.name = name;
        }

        /**
         * Which parameter it is.
         *
         * @return its place, such as {@code items[2].quantity}
         */
        public String name() {
            return name;
        }
    }

    /**
     * Says whether a parameter is there and not {@code null}.
     *
     * @param name the parameter's name
     * @return whether it can be read
     */
    public boolean has(String name) {
        return values.get(Arguments.required(name, "name")) != null;
    }

    /**
     * Reads a string.
     *
     * @param name the parameter's name
     * @return the string as it came
     * @throws Invalid if it is missing or of another type
     */
    public String text(String name) {
        return read(name, String.class, "a string");
    }

    /**
     * Reads a boolean.
     *
     * @param name the parameter's name
     * @return the boolean
     * @throws Invalid if it is missing or of another type
     */
    public boolean flag(String name) {
        return read(name, Boolean.class, "true or false");
    }

    /**
     * Reads a number.
     *
     * @param name the parameter's name
     * @return the number, without trailing zeros
     * @throws Invalid if it is missing or of another type
     */
    public BigDecimal decimal(String name) {
        return read(name, BigDecimal.class, "a number");
    }

    /**
     * Reads a whole number.
     *
     * @param name the parameter's name
     * @return the number
     * @throws Invalid if it is missing, of another type, has a fraction, or doesn't fit into 64 bits
     */
    public long integer(String name) {
        String kind = "a whole number of at most 64 bits";
        BigDecimal number = read(name, BigDecimal.class, kind);
        // The bounds first: a number of a million digits is not to be written out.
        if (number.compareTo(LEAST) < 0
                || number.compareTo(MOST) > 0
                || number.stripTrailingZeros().scale() > 0) {
            throw invalid(at(name), number, kind);
        }
        return number.longValueExact();
    }

    /**
     * Reads a map.
     *
     * @param name the parameter's name
     * @return its members, to be read the same way
     * @throws Invalid if it is missing or of another type
     */
    public Parameters object(String name) {
        return new Parameters(at(name), read(name, Map.class, "an object"));
    }

    /**
     * Reads a list of maps.
     *
     * @param name the parameter's name
     * @return the elements, to be read the same way
     * @throws Invalid if it is missing or of another type, or one of its elements is
     */
    public List<Parameters> objects(String name) {
        List<Parameters> objects = new ArrayList<>();
        for (Map<?, ?> element : list(name, Map.class, "an object")) {
            objects.add(new Parameters(at(name) + "[" + objects.size() + "]", element));
        }
        return List.copyOf(objects);
    }

    /**
     * Reads a list of strings.
     *
     * @param name the parameter's name
     * @return the elements
     * @throws Invalid if it is missing or of another type, or one of its elements is
     */
    public List<String> texts(String name) {
        return list(name, String.class, "a string");
    }

    private <V> List<V> list(String name, Class<V> type, String kind) {
        List<V> elements = new ArrayList<>();
        for (Object element : read(name, List.class, "a list")) {
            if (!type.isInstance(element)) {
                throw invalid(at(name) + "[" + elements.size() + "]", element, kind);
            }
            elements.add(type.cast(element));
        }
        return List.copyOf(elements);
    }

    private <V> V read(String name, Class<V> type, String kind) {
        Object value = values.get(Arguments.required(name, "name"));
        if (!type.isInstance(value)) {
            throw invalid(at(name), value, kind);
        }
        return type.cast(value);
    }

    private String at(String name) {
        return place.isEmpty() ? name : place + "." + name;
    }

    private static Invalid invalid(String name, @Nullable Object value, String kind) {
        String found = value == null ? "missing or null" : Arguments.shownSecret(value);
        return new Invalid(name, "parameter '" + name + "' is " + found + "; it has to be " + kind);
    }

    /** Returns how many there are; never their values. */
    @Override
    public String toString() {
        return "Parameters[" + values.size() + "]";
    }
}
