package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * JSON is read as another reader does, or refused in one line; what was read is written so that it can be read again,
 * and its members are given by name and type or refused by name.
 */
public final class JsonTarget {
    private JsonTarget() {}

    /** Reads the input as JSON in UTF-8. */
    public static void fuzzerTestOneInput(byte[] input) {
        String json = new String(input, StandardCharsets.UTF_8);
        Object value;
        try {
            value = Request.jsonValue(json);
        } catch (IllegalArgumentException e) {
            String message = String.valueOf(e.getMessage());
            assertThat(message).hasSizeLessThan(1_000).matches("argument 'json' is '[ -~…]*; allowed: [ -~]*");
            if (message.contains("malformed")) {
                assertThat(isReadByTheOther(json))
                        .as("the other reader takes %s", json)
                        .isFalse();
            }
            return;
        }
        Map<String, @Nullable Object> read = new HashMap<>();
        read.put("v", value);
        Map<String, @Nullable Object> normalized = Json.normalize(read, "json");
        assertThat(normalized).isEqualTo(read);
        Map<String, @Nullable Object> other = new HashMap<>();
        other.put("v", OtherJson.read(json));
        assertThat(Json.normalize(other, "json")).isEqualTo(read);

        String written = Json.write(normalized, "json");
        assertThat(Json.write(Json.read(written, "json"), "json")).isEqualTo(written);
        assertThat(Request.jsonValue(OtherJson.write(value))).isEqualTo(value);
        readByName(new Parameters("", read), "");
    }

    private static boolean isReadByTheOther(String json) {
        try {
            OtherJson.read(json);
            return true;
        } catch (JacksonException e) {
            return false;
        }
    }

    private static void readByName(Parameters parameters, String place) {
        for (String name : List.of("v", "a", "items", "")) {
            String at = place.isEmpty() ? name : place + "." + name;
            attempt(parameters, name, at, read -> read.text(name));
            attempt(parameters, name, at, read -> read.flag(name));
            attempt(parameters, name, at, read -> read.decimal(name));
            attempt(parameters, name, at, read -> read.integer(name));
            attempt(parameters, name, at, read -> read.texts(name));
            Parameters object = attempt(parameters, name, at, read -> read.object(name));
            if (object != null) {
                readByName(object, at);
            }
            List<Parameters> objects = attempt(parameters, name, at, read -> read.objects(name));
            if (objects != null && !objects.isEmpty()) {
                readByName(objects.get(objects.size() - 1), at + "[" + (objects.size() - 1) + "]");
            }
        }
    }

    private static <R> @Nullable R attempt(
            Parameters parameters, String name, String place, Function<Parameters, R> read) {
        try {
            R value = read.apply(parameters);
            assertThat(parameters.has(name)).isTrue();
            return value;
        } catch (Parameters.Invalid e) {
            assertThat(e.name()).startsWith(place);
            assertThat(e.getMessage()).startsWith("parameter '" + e.name() + "' is ");
            return null;
        }
    }
}
