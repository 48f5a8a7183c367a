package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void membersAreWrittenInTheOrderOfTheirNamesWithoutBlanks() {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        members.put("b", Arrays.asList(true, false, null));
        members.put("a", Map.of("x", "y"));
        members.put("", List.of());
        members.put("B", Map.of());

        assertThat(written(members)).isEqualTo("{\"\":[],\"B\":{},\"a\":{\"x\":\"y\"},\"b\":[true,false,null]}");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "-0, 0",
        "0.000, 0",
        "0E+5000000, 0",
        "1.0, 1",
        "10, 10",
        "1E1, 10",
        "-12.50, -12.5",
        "0.1, 0.1",
        "1E19, 10000000000000000000",
        "1E20, 1E+20",
        "123E18, 1.23E+20",
        "1E30, 1E+30",
        "1E-7, 1E-7",
        "1E+200000, 1E+200000",
        "1E+1000000, 1E+1000000",
        "1E-1000000, 1E-1000000"
    })
    void everyNumberHasOneSpelling(String given, String spelled) {
        assertThat(written(Map.of("n", new BigDecimal(given)))).isEqualTo("{\"n\":" + spelled + "}");
        assertThat(Json.write(Json.read("{\"n\":" + given + "}", "json"), "json"))
                .isEqualTo("{\"n\":" + spelled + "}");
    }

    @Test
    void allTypesOfAWholeNumberAreTheSame() {
        List<Object> ones = List.of((byte) 1, (short) 1, 1, 1L, 1.0f, 1.0, BigInteger.ONE, new BigDecimal("1.00"));

        assertThat(ones).allSatisfy(one -> assertThat(written(Map.of("n", one))).isEqualTo("{\"n\":1}"));
    }

    @Test
    void aBinaryFractionIsItsShortestDecimal() {
        assertThat(written(Map.of("n", 0.1))).isEqualTo("{\"n\":0.1}");
        assertThat(written(Map.of("n", 0.1f))).isEqualTo("{\"n\":0.1}");
    }

    @Test
    void onlyWhatMustBeEscapedIsEscaped() {
        assertThat(written(Map.of("t", "\"\\/\u0000\n\u001f\u007fé😀")))
                .isEqualTo("{\"t\":\"\\\"\\\\/\\u0000\\u000a\\u001f\u007fé😀\"}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                " {\t\"a\" :\r\n [ ] } ",
                "{\"a\":[1,-2.5e-3,\"\\u00e9\\n\\/\\b\\f\\r\\t\\\\\\\"\",true,false,null,{\"b\":{}}]}",
                "{\"\\ud83d\\ude00\":0}",
                "{\"a\":\"\\uD83D\\uDE00\"}"
            })
    void legalJsonIsReadAndWrittenToTheSameValues(String json) {
        Map<String, @Nullable Object> read = Json.read(json, "json");

        assertThat(Json.read(Json.write(read, "json"), "json")).isEqualTo(read);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "[]",
                "1",
                "{",
                "}",
                "{}x",
                "{} {}",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{,}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":01}",
                "{\"a\":-}",
                "{\"a\":+1}",
                "{\"a\":.5}",
                "{\"a\":5.}",
                "{\"a\":1e}",
                "{\"a\":1e+}",
                "{\"a\":1E+99999999999}",
                "{\"a\":NaN}",
                "{\"a\":tru}",
                "{\"a\":nul}",
                "{\"a\":falsey}",
                "{\"a\":[1 2]}",
                "{\"a\":[1,]}",
                "{\"a\":[}",
                "{\"a\":\"",
                "{\"a\":\"\\",
                "{\"a\":\"\\x\"}",
                "{\"a\":\"\\u12\"}",
                "{\"a\":\"\\u12g4\"}",
                "{\"a\":\"\\u１２３４\"}",
                "{\"a\":\"\n\"}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\\udc00\\ud800\"}",
                "{\"a\":1,\"a\":2}"
            })
    void anythingElseIsRefused(String json) {
        assertThatIllegalArgumentException().isThrownBy(() -> Json.read(json, "json"));
    }

    @Test
    void aHundredLevelsAreReadAndOneMoreIsNot() {
        String legal = "{\"a\":" + "[".repeat(100) + "]".repeat(100) + "}";
        String illegal = "{\"a\":" + "[".repeat(101) + "]".repeat(101) + "}";

        assertThat(Json.write(Json.read(legal, "json"), "json")).isEqualTo(legal);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read(illegal, "json"))
                .withMessageContaining("at most 100 levels");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"a\":".repeat(102) + "1" + "}".repeat(102), "json"))
                .withMessageContaining("at most 100 levels");
    }

    @Test
    void aHundredLevelsAreTakenAndOneMoreIsNot() {
        assertThat(written(Map.of("a", nested(100)))).startsWith("{\"a\":[[[");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("a", nested(101))))
                .withMessageContaining("'parameters'")
                .withMessageContaining("at most 100 levels");
    }

    @Test
    void aMapThatHoldsItselfIsRefused() {
        Map<String, @Nullable Object> circle = new HashMap<>();
        circle.put("self", circle);

        assertThatIllegalArgumentException().isThrownBy(() -> written(circle)).withMessageContaining("levels");
    }

    @Test
    void aThousandDigitsAreTakenAndOneMoreIsNot() {
        BigDecimal longest = new BigDecimal("1." + "3".repeat(999));

        assertThat(Json.read(written(Map.of("n", longest)), "json")).containsEntry("n", longest);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("n", new BigDecimal("1." + "3".repeat(1000)))))
                .withMessageContaining("at most 1000 digits");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("n", BigInteger.ONE.shiftLeft(80_000_000))))
                .withMessageContaining("at most 1000 digits");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"n\":" + "9".repeat(1_000_000) + "}", "json"))
                .withMessageContaining("at most 1000 digits");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"1E+1000001", "1E-1000001", "1E+2147483647", "-1E-2147483647", "10E+1000000", "500E+999999"})
    void largerExponentsAreRefused(String number) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("n", new BigDecimal(number))))
                .withMessageContaining("exponents of at most 1000000");
    }

    /** Written out, it would be sixteen million numbers. */
    @Test
    void aListInManyPlacesIsRefusedBeforeItIsWritten() {
        List<?> list = List.of(1);
        for (int i = 0; i < 24; i++) {
            list = List.of(list, list);
        }
        Map<String, ?> shared = Map.of("list", list);

        assertThatIllegalArgumentException().isThrownBy(() -> written(shared)).withMessageContaining("characters");
    }

    @Test
    void otherTypesAreRefusedByName() {
        List<Object> illegal =
                List.of('c', new Object[0], Double.NaN, Float.POSITIVE_INFINITY, new Object(), java.time.Instant.EPOCH);

        assertThat(illegal)
                .allSatisfy(value -> assertThatIllegalArgumentException()
                        .isThrownBy(() -> written(Map.of("v", value)))
                        .withMessageContaining("argument 'parameters'")
                        .withMessageContaining("String, Boolean, null"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.normalize(Map.of(1, "a"), "parameters"))
                .withMessageContaining("names that are strings");
    }

    @Test
    void aValueOfAnUnknownTypeIsNotAskedForItsText() {
        Object endless = new Object() {
            @Override
            public String toString() {
                return this + "...";
            }
        };

        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", List.of(endless))))
                .withMessageStartingWith(
                        "argument 'parameters' is 'a " + endless.getClass().getName() + "'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.normalize(Map.of(endless, "v"), "parameters"))
                .withMessageStartingWith(
                        "argument 'parameters' is 'a " + endless.getClass().getName() + "'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", Double.NaN)))
                .withMessageStartingWith("argument 'parameters' is 'NaN'; allowed: ");
    }

    @Test
    void whatSaysThatItIsEndlessIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", Collections.nCopies(Integer.MAX_VALUE, "x"))))
                .withMessageStartingWith("argument 'parameters' is '{\"v\":...'; allowed: ")
                .withMessageContaining("at most 2097152 characters");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\ud800", "\udc00", "a\ud800b", "\ud83d\ud83d\ude00", "\ud83d\ude00\ude00"})
    void unpairedSurrogatesAreRefusedInNamesAndValues(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> written(Map.of("v", text)));
        assertThatIllegalArgumentException().isThrownBy(() -> written(Map.of(text, "v")));
    }

    @Test
    void theLongestTextIsTakenAndOneCharacterMoreIsNot() {
        String longest = "x".repeat(Json.MAX_LENGTH - "{\"v\":\"\"}".length());

        assertThat(written(Map.of("v", longest))).hasSize(Json.MAX_LENGTH);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", longest + "x")))
                .withMessageContaining("at most 2097152 characters");
    }

    @Test
    void whatIsTooDeepOrHasTooManyValuesIsShownByItsBeginning() {
        List<Object> inItself = new ArrayList<>(List.of("ada"));
        inItself.add(inItself);
        Object manyTimes = List.of("bob");
        for (int i = 0; i < 30; i++) {
            manyTimes = List.of(manyTimes, manyTimes);
        }
        Map<String, Object> tooMany = Map.of("v", manyTimes);
        List<Object> endless = new AbstractList<>() {
            @Override
            public Object get(int index) {
                return true;
            }

            @Override
            public int size() {
                return 1;
            }

            @Override
            public Iterator<Object> iterator() {
                return Stream.<Object>generate(() -> true).iterator();
            }
        };

        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", inItself)))
                .withMessage("argument 'parameters' is '{\"v\":...'; allowed: at most 100 levels of lists and maps");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(tooMany))
                .withMessage(
                        "argument 'parameters' is '{\"v\":...'; allowed: at most 2097152 characters when written as JSON");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", endless)))
                .withMessageStartingWith("argument 'parameters' is '{\"v\":...'; allowed: ");
    }

    @Test
    void whatIsTooLongIsShown() {
        String digits = "9".repeat(1_001);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", "x".repeat(Json.MAX_LENGTH))))
                .withMessageStartingWith("argument 'parameters' is '{\"v\":\"xx…' (");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", new BigInteger(digits))))
                .withMessage(
                        "argument 'parameters' is 'a number of 3326 bits'; allowed: numbers of at most 1000 digits");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"v\":" + digits + digits + "}", "json"))
                .withMessageStartingWith("argument 'json' is '99999999…' (2002 characters); allowed: ");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"v\":1e99999999999}", "json"))
                .withMessage(
                        "argument 'json' is '1e999999…' (13 characters); allowed: numbers with exponents of at most 1000000");
    }

    /** What a client sends may be a secret. */
    @Test
    void noMoreThanEightCharactersOfAParameterAreShown() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", "password\ud800")))
                .withMessageStartingWith("argument 'parameters' is 'password…' (9 characters); allowed: ");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"password1\":1,\"password1\":2}", "json"))
                .withMessageStartingWith("argument 'json' is 'password…' (9 characters); allowed: ");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> written(Map.of("v", new BigDecimal("123456789e1000001"))))
                .withMessageStartingWith("argument 'parameters' is '1.234567…' (");
    }

    @Test
    void malformedTextIsShownWithThePlace() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Json.read("{\"v\":[1 2]}", "json"))
                .withMessage(
                        "argument 'json' is '{\"v\":[1 …' (11 characters); allowed: JSON; malformed at character 8");
    }

    @Test
    void randomValuesSurviveWritingAndReading() {
        for (long seed = 0; seed < 500; seed++) {
            Map<String, @Nullable Object> value = Json.normalize(randomMap(new Random(seed), 4), "value");

            assertThat(Json.read(Json.write(value, "value"), "json"))
                    .as("seed %d", seed)
                    .isEqualTo(value);
        }
    }

    @Test
    void damagedTextIsReadOrRefusedButNeverEndsOtherwise() {
        Random random = new Random(7);
        for (int i = 0; i < 5_000; i++) {
            StringBuilder json = new StringBuilder(Json.write(Json.normalize(randomMap(random, 3), "value"), "value"));
            for (int changes = random.nextInt(3); changes >= 0; changes--) {
                json.setCharAt(random.nextInt(json.length()), "{}[]\",:\\u0-e.t ".charAt(random.nextInt(15)));
            }
            try {
                Json.read(json.toString(), "json");
            } catch (IllegalArgumentException refused) {
                assertThat(refused.getMessage())
                        .startsWith("argument 'json' is '")
                        .contains("; allowed: ");
            }
        }
    }

    private static String written(Map<String, ? extends @Nullable Object> value) {
        return Json.write(Json.normalize(value, "parameters"), "parameters");
    }

    private static Object nested(int levels) {
        Object value = List.of();
        for (int i = 1; i < levels; i++) {
            value = List.of(value);
        }
        return value;
    }

    private static Map<String, @Nullable Object> randomMap(Random random, int depth) {
        Map<String, @Nullable Object> map = new HashMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            map.put(randomText(random), randomValue(random, depth));
        }
        return map;
    }

    private static @Nullable Object randomValue(Random random, int depth) {
        return switch (random.nextInt(depth > 0 ? 8 : 6)) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> randomText(random);
            case 3 -> random.nextLong() >> random.nextInt(64);
            case 4 -> new BigDecimal(new BigInteger(random.nextInt(300), random), random.nextInt(600) - 300);
            case 5 -> random.nextGaussian();
            case 6 -> randomMap(random, depth - 1);
            default -> {
                List<@Nullable Object> list = new ArrayList<>();
                for (int i = random.nextInt(5); i > 0; i--) {
                    list.add(randomValue(random, depth - 1));
                }
                yield list;
            }
        };
    }

    private static String randomText(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            int codePoint = random.nextInt(random.nextBoolean() ? 0x80 : 0x11_0000);
            text.appendCodePoint(codePoint >= 0xd800 && codePoint < 0xe000 ? '\u0000' : codePoint);
        }
        return text.toString();
    }
}
