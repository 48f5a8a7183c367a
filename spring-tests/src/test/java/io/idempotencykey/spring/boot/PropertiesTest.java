package io.idempotencykey.spring.boot;

import static org.assertj.core.api.Assertions.assertThat;

import io.idempotencykey.Request;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.DefaultValue;

/** The properties, what editors are told of them, and the page. */
class PropertiesTest {
    /** Each property's name, and its default as it is written in the code. */
    private static Map<String, String> properties() {
        Map<String, String> properties = new TreeMap<>();
        add("idempotency", IdempotencyProperties.class, properties);
        add("management.endpoint.idempotency", IdempotencyEndpointProperties.class, properties);
        return properties;
    }

    private static void add(String prefix, Class<?> type, Map<String, String> properties) {
        Class<?>[] types = List.of(type.getRecordComponents()).stream()
                .map(RecordComponent::getType)
                .toArray(Class<?>[]::new);
        for (int i = 0; i < types.length; i++) {
            String name = prefix + "."
                    + type.getRecordComponents()[i]
                            .getName()
                            .replaceAll("([A-Z])", "-$1")
                            .toLowerCase(Locale.ROOT);
            if (types[i].isRecord()) {
                add(name, types[i], properties);
            } else {
                DefaultValue value = defaultOf(type, types, i);
                properties.put(name, value == null || value.value().length == 0 ? "" : value.value()[0]);
            }
        }
    }

    private static @Nullable DefaultValue defaultOf(Class<?> type, Class<?>[] parameters, int index) {
        try {
            return type.getDeclaredConstructor(parameters)
                    .getParameters()[index]
                    .getAnnotation(DefaultValue.class);
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Map<String, Map<?, ?>> metadata() throws IOException {
        try (InputStream file = Objects.requireNonNull(
                IdempotencyProperties.class.getResourceAsStream("/META-INF/spring-configuration-metadata.json"))) {
            Map<?, ?> all = (Map<?, ?>) Request.jsonValue(new String(file.readAllBytes(), StandardCharsets.UTF_8));
            Map<String, Map<?, ?>> byName = new TreeMap<>();
            for (Object each :
                    (List<?>) Objects.requireNonNull(Objects.requireNonNull(all).get("properties"))) {
                Map<?, ?> property = (Map<?, ?>) each;
                byName.put((String) Objects.requireNonNull(property.get("name")), property);
            }
            return byName;
        }
    }

    @Test
    void editorsKnowEachPropertyAndItsDefault() throws IOException {
        Map<String, String> properties = properties();
        Map<String, Map<?, ?>> metadata = metadata();

        assertThat(metadata.keySet()).isEqualTo(properties.keySet());
        properties.forEach((name, value) -> {
            Map<?, ?> described = Objects.requireNonNull(metadata.get(name));
            assertThat((String) described.get("description")).as(name).endsWith(".");
            if (!value.isEmpty()) {
                assertThat(written(described.get("defaultValue"))).as(name).isEqualTo(value);
            }
        });
    }

    /** Numbers in full, which are read as if by their powers of ten. */
    private static String written(@Nullable Object value) {
        return value instanceof BigDecimal number ? number.toPlainString() : String.valueOf(value);
    }

    @Test
    void thePageNamesEachProperty() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "SPRING.md"));
        Set<String> missing = new TreeSet<>();
        for (String name : properties().keySet()) {
            String last = name.substring(name.lastIndexOf('.') + 1);
            if (!page.contains("`" + name + "`")
                    && !page.contains("`" + name.substring("idempotency.".length()) + "`")
                    && !page.contains("`." + last + "`")) {
                missing.add(name);
            }
        }

        assertThat(missing).isEmpty();
    }
}
