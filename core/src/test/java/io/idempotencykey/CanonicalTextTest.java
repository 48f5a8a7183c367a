package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * No two different requests have one fingerprint, and one request has one, however it is spelled.
 *
 * <p>Each request is turned into one that is nearly the same. Whether the two are the same is decided here, by values
 * that know nothing of the text that fingerprints are computed from.
 */
class CanonicalTextTest {
    private static final int PAIRS = 20_000;

    /** Letters that an operation, a method and a path may have, so that any can go from one to the next. */
    private static final String LETTERS = "aP.1-";

    private static final List<String> TEXTS = List.of(
            "", "a", "b", "ab", "A", "1", "1.0", "1e0", "-1", "true", "null", "\"", "\\", ",", ":", "a\",\"b",
            "a\":\"b", "{}", "[]", "\\n", "\n", "\u0000", "\\u0061", "é", "e\u0301", "\u007f", "\uffff", "😀", "😁",
            " ");

    private record Said(String operation, String method, String path, Members parameters) {
        boolean isSame(Said other) {
            return operation.equals(other.operation)
                    && method.equals(other.method)
                    && path.equals(other.path)
                    && parameters.isSame(other.parameters);
        }
    }

    private sealed interface Value {
        /** Whether it means the same, which for a number isn't how it is spelled. */
        default boolean isSame(@Nullable Value other) {
            return equals(other);
        }
    }

    private record Text(String text) implements Value {}

    private record Flag(boolean flag) implements Value {}

    private record Nothing() implements Value {}

    private record Numeral(BigDecimal number) implements Value {
        @Override
        public boolean isSame(@Nullable Value other) {
            return other instanceof Numeral that && number.compareTo(that.number) == 0;
        }
    }

    private record Sequence(List<Value> elements) implements Value {
        @Override
        public boolean isSame(@Nullable Value other) {
            if (!(other instanceof Sequence that) || elements.size() != that.elements.size()) {
                return false;
            }
            for (int i = 0; i < elements.size(); i++) {
                if (!elements.get(i).isSame(that.elements.get(i))) {
                    return false;
                }
            }
            return true;
        }
    }

    private record Members(Map<String, Value> members) implements Value {
        @Override
        public boolean isSame(@Nullable Value other) {
            return other instanceof Members that
                    && members.keySet().equals(that.members.keySet())
                    && members.entrySet().stream()
                            .allMatch(member -> member.getValue().isSame(that.members.get(member.getKey())));
        }
    }

    @Test
    void nearlyEqualRequestsHaveOneFingerprintIfTheyAreTheSameAndTwoIfNot() {
        int same = 0;
        for (long seed = 0; seed < PAIRS; seed++) {
            Random random = new Random(seed);
            Said one = said(random);
            Said other = one;
            for (int changes = random.nextInt(3); changes >= 0; changes--) {
                other = changed(other, random);
            }

            boolean isSame = one.isSame(other);
            assertThat(fingerprint(one, random).equals(fingerprint(other, random)))
                    .as("seed %d: whether one fingerprint belongs to %s and to %s", seed, one, other)
                    .isEqualTo(isSame);
            same += isSame ? 1 : 0;
        }
        assertThat(same).isBetween(PAIRS / 20, PAIRS / 2);
    }

    /** What decides above whether two requests are the same isn't blind itself. */
    @Test
    void whatDecidesKnowsTheseCases() {
        assertThat(numeral("1").isSame(numeral("1.0"))).isTrue();
        assertThat(numeral("1").isSame(numeral("10"))).isFalse();
        assertThat(numeral("1").isSame(new Text("1"))).isFalse();
        assertThat(new Nothing().isSame(new Nothing())).isTrue();
        assertThat(new Nothing().isSame(new Text("null"))).isFalse();
        assertThat(new Flag(true).isSame(new Text("true"))).isFalse();
        assertThat(sequence(numeral("1"), new Nothing()).isSame(sequence(numeral("1.0"), new Nothing())))
                .isTrue();
        assertThat(sequence(numeral("1"), new Nothing()).isSame(sequence(new Nothing(), numeral("1"))))
                .isFalse();
        assertThat(sequence(sequence()).isSame(sequence())).isFalse();
        assertThat(sequence().isSame(new Members(Map.of()))).isFalse();
        assertThat(new Members(Map.of("a", new Nothing())).isSame(new Members(Map.of("b", new Nothing()))))
                .isFalse();
        assertThat(new Members(Map.of("a", new Nothing())).isSame(new Members(Map.of())))
                .isFalse();
    }

    private static Value numeral(String spelling) {
        return new Numeral(new BigDecimal(spelling));
    }

    private static Value sequence(Value... elements) {
        return new Sequence(List.of(elements));
    }

    private static Said said(Random random) {
        return new Said(letters(random, 0), letters(random, 1), letters(random, 1), members(random, 3));
    }

    private static String letters(Random random, int least) {
        StringBuilder letters = new StringBuilder();
        for (int i = random.nextInt(4) + least; i > 0; i--) {
            letters.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
        }
        return letters.toString();
    }

    private static Members members(Random random, int depth) {
        Map<String, Value> members = new TreeMap<>();
        for (int i = random.nextInt(4); i > 0; i--) {
            members.put(text(random), value(random, depth));
        }
        return new Members(members);
    }

    private static String text(Random random) {
        return TEXTS.get(random.nextInt(TEXTS.size()));
    }

    private static Value value(Random random, int depth) {
        return switch (random.nextInt(depth > 0 ? 8 : 5)) {
            case 0 -> new Nothing();
            case 1 -> new Flag(random.nextBoolean());
            case 2, 3 -> new Text(text(random));
            case 4 -> new Numeral(BigDecimal.valueOf(random.nextInt(25) - 12, random.nextInt(50) - 25));
            case 5 -> members(random, depth - 1);
            default -> {
                int kind = random.nextInt(4);
                List<Value> elements = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    elements.add(
                            switch (kind) {
                                case 0 -> new Text(text(random));
                                case 1 -> new Numeral(BigDecimal.valueOf(random.nextInt(30)));
                                default -> value(random, depth - 1);
                            });
                }
                yield new Sequence(elements);
            }
        };
    }

    private static Said changed(Said said, Random random) {
        String operation = said.operation();
        String method = said.method();
        String path = said.path();
        Members parameters = said.parameters();
        switch (random.nextInt(12)) {
            case 0 -> {
                String[] shifted = shifted(operation, method, random.nextBoolean());
                operation = shifted[0];
                method = shifted[1];
            }
            case 1 -> {
                String[] shifted = shifted(method, path, random.nextBoolean());
                method = shifted[0];
                path = shifted[1];
            }
            case 2 -> {
                String text = operation;
                operation = method;
                method = text.isEmpty() ? "P" : text;
            }
            case 3 -> path = path + "{}";
            default -> parameters = changed(parameters, random);
        }
        return new Said(operation, method.isEmpty() ? "P" : method, path.isEmpty() ? "/" : path, parameters);
    }

    /** A letter goes from the first text's end to the second one's beginning, or back. */
    private static String[] shifted(String first, String second, boolean forwards) {
        String both = first + second;
        int end = Math.min(both.length(), Math.max(0, first.length() + (forwards ? -1 : 1)));
        return new String[] {both.substring(0, end), both.substring(end)};
    }

    private static Members changed(Members map, Random random) {
        Map<String, Value> members = new TreeMap<>(map.members());
        if (members.isEmpty()) {
            members.put(text(random), value(random, 1));
            return new Members(members);
        }
        List<String> names = List.copyOf(members.keySet());
        String name = names.get(random.nextInt(names.size()));
        String next = names.get(random.nextInt(names.size()));
        Value value = members.getOrDefault(name, new Nothing());
        switch (random.nextInt(8)) {
            case 0 -> {
                members.remove(name);
                members.put(text(random), value);
            }
            case 1 -> members.put(text(random), new Nothing());
            case 2 -> members.remove(name);
            case 3 -> {
                // "ab": "c" becomes "a": "bc".
                if (value instanceof Text text && isCutAt(name + text.text(), name.length() - 1)) {
                    String[] shifted = shifted(name, text.text(), true);
                    members.remove(name);
                    members.put(shifted[0], new Text(shifted[1]));
                }
            }
            case 4 -> {
                // A member goes into the map beside it.
                if (!next.equals(name) && members.get(next) instanceof Members inner) {
                    Map<String, Value> more = new TreeMap<>(inner.members());
                    more.put(name, value);
                    members.remove(name);
                    members.put(next, new Members(more));
                }
            }
            case 5 -> {
                members.put(name, members.getOrDefault(next, value));
                members.put(next, value);
            }
            default -> members.put(name, changed(value, random));
        }
        return new Members(members);
    }

    /** Whether neither part of a text that is cut here has half a character. */
    private static boolean isCutAt(String text, int at) {
        return at >= 0 && at <= text.length() && (at == text.length() || !Character.isLowSurrogate(text.charAt(at)));
    }

    private static Value changed(Value value, Random random) {
        int choice = random.nextInt(7);
        if (choice == 0) {
            return sequence(value);
        }
        if (choice == 1) {
            return new Members(Map.of("", value));
        }
        if (value instanceof Members map) {
            return choice == 2
                    ? new Sequence(map.members().entrySet().stream()
                            .<Value>mapMulti((member, elements) -> {
                                elements.accept(new Text(member.getKey()));
                                elements.accept(member.getValue());
                            })
                            .toList())
                    : changed(map, random);
        }
        if (value instanceof Sequence sequence) {
            return changed(sequence, random);
        }
        if (value instanceof Numeral numeral) {
            BigDecimal number = numeral.number();
            return switch (choice) {
                case 2 -> new Text(number.toString());
                case 3 -> new Numeral(number.negate());
                case 4 -> new Numeral(number.scaleByPowerOfTen(1));
                case 5 -> new Numeral(number.add(number.ulp()));
                default -> new Numeral(number.setScale(Math.max(0, number.scale()) + 3));
            };
        }
        if (value instanceof Flag flag) {
            return choice < 4 ? new Flag(!flag.flag()) : choice < 6 ? new Text("" + flag.flag()) : numeral("1");
        }
        if (value instanceof Text text) {
            return switch (choice) {
                case 2 -> new Text(text.text() + "a");
                case 3 -> new Text(text.text().replace("\"", "").replace("\\", ""));
                case 4 -> new Text(text.text().toUpperCase(Locale.ROOT));
                default ->
                    switch (text.text()) {
                        case "true" -> new Flag(true);
                        case "null", "" -> new Nothing();
                        case "1", "1.0", "1e0", "-1" -> numeral(text.text());
                        case "{}" -> new Members(Map.of());
                        case "[]" -> sequence();
                        default -> new Text(text(random));
                    };
            };
        }
        return switch (choice) {
            case 2 -> new Text("null");
            case 3 -> new Text("");
            case 4 -> sequence();
            case 5 -> new Members(Map.of());
            default -> new Flag(false);
        };
    }

    private static Value changed(Sequence sequence, Random random) {
        List<Value> elements = new ArrayList<>(sequence.elements());
        if (elements.size() < 2) {
            elements.add(new Nothing());
            return new Sequence(elements);
        }
        int at = random.nextInt(elements.size() - 1);
        Value first = elements.get(at);
        Value second = elements.get(at + 1);
        switch (random.nextInt(6)) {
            case 0 -> Collections.swap(elements, at, at + 1);
            case 1 -> elements.remove(at);
            case 2 -> elements.set(at, changed(first, random));
            case 3 -> {
                // ["a", "b"] becomes ["a\",\"b"], and [1, 2] becomes [12].
                if (first instanceof Text one && second instanceof Text two) {
                    elements.remove(at);
                    elements.set(at, new Text(one.text() + "\",\"" + two.text()));
                } else if (first instanceof Numeral one
                        && second instanceof Numeral two
                        && isShort(one.number())
                        && isShort(two.number())) {
                    elements.remove(at);
                    elements.set(
                            at,
                            numeral(one.number().toPlainString() + two.number().toPlainString()));
                }
            }
            case 4 -> {
                if (first instanceof Text one
                        && second instanceof Text two
                        && isCutAt(one.text() + two.text(), one.text().length() - 1)) {
                    String[] shifted = shifted(one.text(), two.text(), true);
                    elements.set(at, new Text(shifted[0]));
                    elements.set(at + 1, new Text(shifted[1]));
                }
            }
            default -> {
                // [[1], 2] becomes [[1, 2]].
                if (first instanceof Sequence inner) {
                    List<Value> more = new ArrayList<>(inner.elements());
                    more.add(second);
                    elements.remove(at);
                    elements.set(at, new Sequence(more));
                }
            }
        }
        return new Sequence(elements);
    }

    private static boolean isShort(BigDecimal number) {
        return number.signum() > 0 && number.scale() == 0 && number.precision() < 9;
    }

    /** Computed from the values, or from what a store made of their JSON; spelled in one way or another. */
    private static Fingerprint fingerprint(Said said, Random random) {
        Request request;
        if (random.nextBoolean()) {
            Map<String, @Nullable Object> parameters = new LinkedHashMap<>();
            shuffled(said.parameters(), random)
                    .forEach(member -> parameters.put(member.getKey(), spelled(member.getValue(), random)));
            request = Request.of(said.method(), said.path(), parameters);
        } else {
            request = Request.restored(said.method(), said.path(), json(said.parameters(), random), true);
        }
        return Fingerprint.of(said.operation(), request);
    }

    private static List<Map.Entry<String, Value>> shuffled(Members map, Random random) {
        List<Map.Entry<String, Value>> members = new ArrayList<>(map.members().entrySet());
        Collections.shuffle(members, random);
        return members;
    }

    private static @Nullable Object spelled(Value value, Random random) {
        if (value instanceof Text text) {
            return text.text();
        }
        if (value instanceof Flag flag) {
            return flag.flag();
        }
        if (value instanceof Numeral numeral) {
            return spelled(numeral.number(), random);
        }
        if (value instanceof Sequence sequence) {
            List<@Nullable Object> list = new ArrayList<>();
            sequence.elements().forEach(element -> list.add(spelled(element, random)));
            return list;
        }
        if (value instanceof Members map) {
            Map<String, @Nullable Object> members = new LinkedHashMap<>();
            shuffled(map, random).forEach(member -> members.put(member.getKey(), spelled(member.getValue(), random)));
            return members;
        }
        return null;
    }

    private static Number spelled(BigDecimal number, Random random) {
        boolean isWhole = number.stripTrailingZeros().scale() <= 0;
        return switch (random.nextInt(4)) {
            case 0 -> isWhole && number.precision() - number.scale() < 18 ? number.longValueExact() : number;
            case 1 -> isWhole ? number.toBigIntegerExact() : number;
            case 2 -> {
                double nearest = number.doubleValue();
                yield new BigDecimal(Double.toString(nearest)).compareTo(number) == 0 ? nearest : number;
            }
            default -> number.setScale(number.scale() + random.nextInt(3));
        };
    }

    private static String json(Value value, Random random) {
        String blank = List.of("", "", " ", "\n\t").get(random.nextInt(4));
        if (value instanceof Text text) {
            return blank + quoted(text.text(), random);
        }
        if (value instanceof Flag flag) {
            return blank + flag.flag() + blank;
        }
        if (value instanceof Numeral numeral) {
            BigDecimal number = numeral.number();
            return blank
                    + switch (random.nextInt(4)) {
                        case 0 -> number.toPlainString();
                        case 1 -> number.scaleByPowerOfTen(3).toPlainString() + "e-3";
                        case 2 -> number.unscaledValue() + "E" + -number.scale();
                        default ->
                            number.setScale(Math.max(0, number.scale()) + 2).toPlainString() + "e+00";
                    };
        }
        if (value instanceof Sequence sequence) {
            return sequence.elements().stream()
                    .map(element -> json(element, random))
                    .collect(Collectors.joining(blank + ",", blank + "[", blank + "]"));
        }
        if (value instanceof Members map) {
            return shuffled(map, random).stream()
                    .map(member -> quoted(member.getKey(), random) + blank + ":" + json(member.getValue(), random))
                    .collect(Collectors.joining(blank + "," + blank, blank + "{" + blank, blank + "}"));
        }
        return blank + "null";
    }

    private static String quoted(String text, Random random) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || random.nextInt(4) == 0) {
                quoted.append(String.format(random.nextBoolean() ? "\\u%04x" : "\\u%04X", (int) c));
            } else {
                quoted.append(c == '"' || c == '\\' ? "\\" : "").append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
