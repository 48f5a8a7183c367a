package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** The header's value is read as the standard's grammar says, or refused in one line; nothing else comes of it. */
public final class HeaderTarget {
    private static final Pattern LEGAL = Pattern.compile(
            "[ \\t]*+(?:\"(?:[!#-\\[\\]-~]|\\\\[\"\\\\]){1,255}+\"|[!#-+\\--:<-\\[\\]-~]{1,255}+)[ \\t]*+");

    private HeaderTarget() {}

    /** Reads the input as a header in UTF-8. */
    public static void fuzzerTestOneInput(byte[] input) {
        String header = new String(input, StandardCharsets.UTF_8);
        KeyId id;
        try {
            id = KeyId.fromHeader("scope", header);
        } catch (IdempotencyException.InvalidKey e) {
            assertThat(header).doesNotMatch(LEGAL);
            assertThat(e.getMessage()).hasSizeLessThan(1_000).matches("[ -~…]*");
            return;
        }
        assertThat(header).matches(LEGAL);
        String value = id.value();
        assertThat(header.replaceAll("^[ \\t]*|[ \\t]*$", ""))
                .isIn(value, '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"');
        assertThat(id.scope()).isEqualTo("scope");
    }
}
