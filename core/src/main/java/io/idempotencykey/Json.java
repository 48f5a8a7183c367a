package io.idempotencykey;

import io.idempotencykey.internal.Arguments;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * JSON in the one spelling that version 1 of the fingerprint is computed from: members in the order of their UTF-16
 * code units, no white space, one spelling per number and per character.
 *
 * <p>Core has no dependency, stores keep this text, and two libraries that spell a number differently would break the
 * fingerprint: so reader and writer are here.
 */
final class Json {
    static final int MAX_DEPTH = 100;
    static final int MAX_LENGTH = 2 * 1024 * 1024;
    static final int MAX_DIGITS = 1_000;
    static final int MAX_EXPONENT = 1_000_000;

    private static final String ALLOWED =
            "String, Boolean, null, Byte, Short, Integer, Long, BigInteger, BigDecimal, finite Float and"
                    + " Double, List, Map"
                    + " with String names";

    private static final String EXPONENTS = "numbers with exponents of at most " + MAX_EXPONENT;

    private Json() {}

    /** Copies the map into sorted, immutable maps, immutable lists and numbers without trailing zeros. */
    static Map<String, @Nullable Object> normalize(Map<?, ?> map, String argument) {
        return new Normalizer(map, argument).map(map, 0);
    }

    private static final class Normalizer {
        private final Map<?, ?> whole;
        private final String argument;
        private int values;

        Normalizer(Map<?, ?> whole, String argument) {
            this.whole = whole;
            this.argument = argument;
        }

        private @Nullable Object value(@Nullable Object value, int depth) {
            if (++values > MAX_LENGTH) {
                // One list that is in many places, itself in many: exponentially more to write than there is in memory.
                throw tooLong(argument, beginning(whole));
            }
            if (value == null || value instanceof Boolean) {
                return value;
            }
            if (value instanceof String text) {
                return wellFormed(text, argument);
            }
            if (value instanceof Number number) {
                return number(number, argument);
            }
            if (value instanceof Map<?, ?> map) {
                return map(map, deeper(depth));
            }
            if (value instanceof List<?> list) {
                int next = deeper(depth);
                // Not as long as the list says that it is, which may be two thousand million.
                List<@Nullable Object> copy = new ArrayList<>();
                for (Object element : list) {
                    copy.add(value(element, next));
                }
                return Collections.unmodifiableList(copy);
            }
            throw Arguments.refused(argument, typeOf(value), ALLOWED);
        }

        Map<String, @Nullable Object> map(Map<?, ?> map, int depth) {
            Map<String, @Nullable Object> copy = new TreeMap<>();
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                if (!(entry.getKey() instanceof String name)) {
                    throw Arguments.refused(argument, typeOf(entry.getKey()), "names that are strings");
                }
                copy.put(wellFormed(name, argument), value(entry.getValue(), depth));
            }
            return Collections.unmodifiableMap(copy);
        }

        private int deeper(int depth) {
            if (depth == MAX_DEPTH) {
                throw tooDeep(argument, beginning(whole));
            }
            return depth + 1;
        }
    }

    /** Only the beginning, since a value that is refused may never come to an end. */
    private static String beginning(Map<?, ?> map) {
        StringBuilder json = new StringBuilder();
        write(map, json, Arguments.SHOWN_OF_SECRETS);
        return json.substring(0, Math.min(json.length(), Arguments.SHOWN_OF_SECRETS - 3)) + "...";
    }

    private static IllegalArgumentException tooLong(String argument, CharSequence value) {
        return Arguments.refusedSecret(argument, value, "at most " + MAX_LENGTH + " characters when written as JSON");
    }

    private static IllegalArgumentException tooDeep(String argument, CharSequence value) {
        return Arguments.refusedSecret(argument, value, "at most " + MAX_DEPTH + " levels of lists and maps");
    }

    private static String wellFormed(String text, String argument) {
        if (!Arguments.isWellFormed(text)) {
            throw Arguments.refusedSecret(argument, text, "text without unpaired surrogates");
        }
        return text;
    }

    private static BigDecimal number(Number value, String argument) {
        if (value instanceof BigDecimal decimal) {
            return normalizeNumber(decimal, argument);
        }
        if (value instanceof BigInteger integer) {
            return normalizeNumber(new BigDecimal(integer), argument);
        }
        if (value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte) {
            // Within all bounds.
            return BigDecimal.valueOf(value.longValue()).stripTrailingZeros();
        }
        if (value instanceof Double || value instanceof Float) {
            if (!Double.isFinite(value.doubleValue())) {
                throw Arguments.refused(argument, value, ALLOWED);
            }
            // The shortest decimal that stands for the value, not the binary fraction's fifty digits.
            return normalizeNumber(new BigDecimal(value.toString()), argument);
        }
        throw Arguments.refused(argument, typeOf(value), ALLOWED);
    }

    /** In place of a value of a type that isn't known, whose text may have no end, or throw. */
    private static String typeOf(@Nullable Object value) {
        return value == null ? "null" : "a " + value.getClass().getName();
    }

    private static BigDecimal normalizeNumber(BigDecimal number, String argument) {
        // Counting bits first, since counting the digits of a number of many megabytes takes minutes.
        if (number.unscaledValue().bitLength() > 4 * MAX_DIGITS || number.precision() > MAX_DIGITS) {
            throw Arguments.refused(
                    argument,
                    "a number of " + number.unscaledValue().bitLength() + " bits",
                    "numbers of at most " + MAX_DIGITS + " digits");
        }
        if (number.signum() == 0) {
            return BigDecimal.ZERO;
        }
        // Twice: stripping a number at the edge of what a scale can be fails, and what is left is what is stored and
        // read.
        checkExponent(number, argument);
        BigDecimal stripped = number.stripTrailingZeros();
        checkExponent(stripped, argument);
        return stripped;
    }

    private static void checkExponent(BigDecimal number, String argument) {
        if (Math.abs((long) number.scale()) > MAX_EXPONENT) {
            throw Arguments.refusedSecret(argument, number, EXPONENTS);
        }
    }

    /** Writes normalized values. */
    static String write(Map<String, ? extends @Nullable Object> normalized, String argument) {
        StringBuilder json = new StringBuilder(128);
        write(normalized, json, MAX_LENGTH);
        if (json.length() > MAX_LENGTH) {
            throw tooLong(argument, json);
        }
        return json.toString();
    }

    /** Leaves off once there are more characters than are enough. */
    private static void write(@Nullable Object value, StringBuilder json, int enough) {
        // Classes first: to find that one doesn't implement an interface takes as long as to write it.
        if (value instanceof String text) {
            write(text, json, enough);
        } else if (value instanceof BigDecimal number) {
            json.append(spell(number));
        } else if (value instanceof Map<?, ?> map) {
            char separator = '{';
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                if (json.length() > enough) {
                    return;
                }
                json.append(separator);
                separator = ',';
                write(entry.getKey(), json, enough);
                json.append(':');
                write(entry.getValue(), json, enough);
            }
            json.append(map.isEmpty() ? "{}" : "}");
        } else if (value instanceof List<?> list) {
            char separator = '[';
            for (Object element : list) {
                if (json.length() > enough) {
                    return;
                }
                json.append(separator);
                separator = ',';
                write(element, json, enough);
            }
            json.append(list.isEmpty() ? "[]" : "]");
        } else {
            json.append(value);
        }
    }

    private static String spell(BigDecimal number) {
        boolean isShort = number.scale() <= 0 && (long) number.precision() - number.scale() <= 20;
        return isShort ? number.toPlainString() : number.toString();
    }

    private static void write(String text, StringBuilder json, int enough) {
        json.append('"');
        int end = Math.min(text.length(), Math.max(0, enough - json.length() + 1));
        int plain = 0;
        for (int i = 0; i < end; i++) {
            char c = text.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                json.append(text, plain, i).append('\\');
                plain = i + 1;
                if (c < ' ') {
                    json.append("u00").append(Character.forDigit(c >> 4, 16)).append(Character.forDigit(c & 15, 16));
                } else {
                    json.append(c);
                }
            }
        }
        json.append(text, plain, end).append('"');
    }

    /**
     * Reads a JSON object in any legal spelling (RFC 8259), strictly: no duplicate names, no trailing text.
     *
     * @param argument what the text is called where it came in
     * @throws IllegalArgumentException if the text isn't one, or passes a limit
     */
    static Map<String, @Nullable Object> read(String text, String argument) {
        Reader reader = new Reader(text, argument);
        Map<String, @Nullable Object> object = reader.object(0);
        reader.end();
        return object;
    }

    /** Reads any JSON value, as strictly. */
    static @Nullable Object readValue(String text, String argument) {
        Reader reader = new Reader(text, argument);
        Object value = reader.value(0);
        reader.end();
        return value;
    }

    private static final class Reader {
        private final String text;
        private final String argument;
        private int position;

        Reader(String text, String argument) {
            this.text = text;
            this.argument = argument;
        }

        Map<String, @Nullable Object> object(int depth) {
            Map<String, @Nullable Object> object = new TreeMap<>();
            expect('{');
            if (!skips('}')) {
                do {
                    skipBlanks();
                    String name = string();
                    expect(':');
                    if (object.containsKey(name)) {
                        throw Arguments.refusedSecret(argument, name, "every name once per object");
                    }
                    object.put(name, value(depth));
                } while (skips(','));
                expect('}');
            }
            return Collections.unmodifiableMap(object);
        }

        private List<@Nullable Object> array(int depth) {
            List<@Nullable Object> array = new ArrayList<>();
            expect('[');
            if (!skips(']')) {
                do {
                    array.add(value(depth));
                } while (skips(','));
                expect(']');
            }
            return Collections.unmodifiableList(array);
        }

        @Nullable
        Object value(int depth) {
            skipBlanks();
            return switch (position < text.length() ? text.charAt(position) : 0) {
                case '{' -> object(deeper(depth));
                case '[' -> array(deeper(depth));
                case '"' -> string();
                case 't' -> literal("true", true);
                case 'f' -> literal("false", false);
                case 'n' -> literal("null", null);
                default -> number();
            };
        }

        private int deeper(int depth) {
            if (depth == MAX_DEPTH) {
                throw tooDeep(argument, text);
            }
            return depth + 1;
        }

        private @Nullable Object literal(String spelling, @Nullable Object value) {
            if (!text.startsWith(spelling, position)) {
                throw malformed();
            }
            position += spelling.length();
            return value;
        }

        private BigDecimal number() {
            int start = position;
            skipCharacter('-');
            if (!skipCharacter('0')) {
                digits();
            }
            if (skipCharacter('.')) {
                digits();
            }
            if (skipCharacter('e') || skipCharacter('E')) {
                if (!skipCharacter('+')) {
                    skipCharacter('-');
                }
                digits();
            }
            if (position - start > MAX_DIGITS + 20) {
                throw Arguments.refusedSecret(
                        argument, text.substring(start, position), "numbers of at most " + MAX_DIGITS + " digits");
            }
            try {
                return normalizeNumber(new BigDecimal(text.substring(start, position)), argument);
            } catch (NumberFormatException e) {
                throw Arguments.refusedSecret(argument, text.substring(start, position), EXPONENTS);
            }
        }

        private void digits() {
            int start = position;
            while (position < text.length() && text.charAt(position) >= '0' && text.charAt(position) <= '9') {
                position++;
            }
            if (position == start) {
                throw malformed();
            }
        }

        private String string() {
            StringBuilder string = new StringBuilder();
            if (!skipCharacter('"')) {
                throw malformed();
            }
            while (true) {
                char c = next();
                if (c == '"') {
                    return wellFormed(string.toString(), argument);
                }
                if (c < ' ') {
                    throw malformed();
                }
                string.append(c == '\\' ? escaped() : c);
            }
        }

        private char escaped() {
            char c = next();
            return switch (c) {
                case '"', '\\', '/' -> c;
                case 'b' -> '\b';
                case 'f' -> '\f';
                case 'n' -> '\n';
                case 'r' -> '\r';
                case 't' -> '\t';
                case 'u' -> {
                    int code = 0;
                    for (int i = 0; i < 4; i++) {
                        char digit = next();
                        if (digit > 'f' || Character.digit(digit, 16) < 0) {
                            throw malformed();
                        }
                        code = code * 16 + Character.digit(digit, 16);
                    }
                    yield (char) code;
                }
                default -> throw malformed();
            };
        }

        private char next() {
            if (position == text.length()) {
                throw malformed();
            }
            return text.charAt(position++);
        }

        private boolean skips(char expected) {
            skipBlanks();
            return skipCharacter(expected);
        }

        private void expect(char expected) {
            if (!skips(expected)) {
                throw malformed();
            }
        }

        private boolean skipCharacter(char expected) {
            if (position < text.length() && text.charAt(position) == expected) {
                position++;
                return true;
            }
            return false;
        }

        void end() {
            skipBlanks();
            if (position != text.length()) {
                throw malformed();
            }
        }

        private void skipBlanks() {
            while (position < text.length() && " \t\r\n".indexOf(text.charAt(position)) >= 0) {
                position++;
            }
        }

        private IllegalArgumentException malformed() {
            return Arguments.refusedSecret(argument, text, "JSON; malformed at character " + position);
        }
    }
}
