package io.idempotencykey;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Jackson: another reader and writer of JSON, which ours is compared with. */
final class OtherJson {
    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNumberLength(5_000)
                            .maxNestingDepth(5_000)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .enable(DeserializationFeature.USE_BIG_INTEGER_FOR_INTS)
            .build();

    private OtherJson() {}

    /** Twice, since its reader of characters takes some letters for the hexadecimal digits of an escape. */
    static @Nullable Object read(String json) {
        Object unused = MAPPER.readValue(json.getBytes(StandardCharsets.UTF_8), Object.class);
        return MAPPER.readValue(json, Object.class);
    }

    /** In many lines, and with all objects' members in the opposite order. */
    static String write(@Nullable Object value) {
        return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(reversed(value));
    }

    private static @Nullable Object reversed(@Nullable Object value) {
        if (value instanceof List<?> list) {
            return list.stream().<@Nullable Object>map(OtherJson::reversed).toList();
        }
        return value instanceof Map<?, ?> map ? reversed(map) : value;
    }

    static Map<String, @Nullable Object> reversed(Map<?, ?> map) {
        Map<String, @Nullable Object> sorted = new TreeMap<>(Collections.reverseOrder());
        map.forEach((name, member) -> sorted.put((String) name, reversed(member)));
        return sorted;
    }
}
