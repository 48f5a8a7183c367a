package io.idempotencykey.micrometer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names of meters that stand in the Javadoc of classes. */
final class MeterNames {
    private static final Pattern NAME = Pattern.compile("@code (idempotency\\.[a-z.]+)}");

    private MeterNames() {}

    static Set<String> in(Class<?>... classes) throws IOException {
        Set<String> names = new LinkedHashSet<>();
        for (Class<?> documented : classes) {
            Path file = Path.of("src", "main", "java", documented.getName().replace('.', '/') + ".java");
            Matcher name = NAME.matcher(Files.readString(file));
            while (name.find()) {
                names.add(name.group(1));
            }
        }
        return names;
    }
}
