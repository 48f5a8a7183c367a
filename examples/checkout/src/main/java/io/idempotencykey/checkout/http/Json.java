package io.idempotencykey.checkout.http;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Writes JSON, and reads it strictly, since strangers send it. */
public final class Json {
    public static final String CONTENT_TYPE = "application/json";

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(
                            StreamReadConstraints.builder().maxNestingDepth(64).build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private Json() {}

    /** The text isn't JSON in UTF-8, has a member twice, goes on after its end, or is nested too deeply. */
    public static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        private Malformed(String message, Throwable cause) {
            super(message, cause);
        }
    }

    public static @Nullable Object read(byte[] utf8) throws Malformed {
        String text;
        try {
            // The parser would accept UTF-16 and UTF-32, too.
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new Malformed("The body isn't UTF-8.", e);
        }
        try {
            return MAPPER.readValue(text, Object.class);
        } catch (JacksonException | NumberFormatException e) {
            throw new Malformed("The body isn't one well-formed JSON text with every member once.", e);
        }
    }

    public static String write(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** A JSON object's members, by their names. */
    public static Map<String, @Nullable Object> members(Map<?, ?> object) {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        object.forEach((name, value) -> members.put(String.valueOf(name), value));
        return members;
    }
}
