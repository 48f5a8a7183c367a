package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A request has one fingerprint however it is spelled, and another once a character goes from one part to the next. */
public final class FingerprintTarget {
    private FingerprintTarget() {}

    /** Reads the input as an operation's name, a method, a path and JSON, each on a line of its own. */
    public static void fuzzerTestOneInput(byte[] input) {
        String[] lines = new String(input, StandardCharsets.UTF_8).split("\n", 4);
        if (lines.length < 4) {
            return;
        }
        Map<String, @Nullable Object> parameters = new HashMap<>();
        Request request;
        Fingerprint fingerprint;
        try {
            parameters.put("v", Request.jsonValue(lines[3]));
            request = Request.of(lines[1], lines[2], parameters);
            fingerprint = Fingerprint.of(lines[0], request);
        } catch (IllegalArgumentException e) {
            assertThat(e.getMessage()).hasSizeLessThan(1_000).matches("argument '[ -~…]*; allowed: [ -~]*");
            return;
        }
        assertThat(fingerprint.value()).matches("v1:[0-9a-f]{64}");
        String other = OtherJson.write(parameters);
        assertThat(Fingerprint.of(lines[0], Request.restored(lines[1], lines[2], other, true)))
                .isEqualTo(fingerprint);
        Map<String, @Nullable Object> reversed = OtherJson.reversed(parameters);
        assertThat(Fingerprint.of(lines[0], Request.of(lines[1], lines[2], reversed)))
                .isEqualTo(fingerprint);

        for (int part = 0; part < 2; part++) {
            for (boolean forwards : new boolean[] {true, false}) {
                String both = lines[part] + lines[part + 1];
                int end = lines[part].length() + (forwards ? -1 : 1);
                if (end >= 0 && end <= both.length()) {
                    String[] shifted = lines.clone();
                    shifted[part] = both.substring(0, end);
                    shifted[part + 1] = both.substring(end);
                    assertAnother(shifted, parameters, fingerprint);
                }
            }
        }
        Map<String, @Nullable Object> more = new HashMap<>(parameters);
        more.put("w", null);
        assertAnother(lines, more, fingerprint);
    }

    private static void assertAnother(
            String[] lines, Map<String, @Nullable Object> parameters, Fingerprint fingerprint) {
        Fingerprint another;
        try {
            another = Fingerprint.of(lines[0], Request.of(lines[1], lines[2], parameters));
        } catch (IllegalArgumentException e) {
            return;
        }
        assertThat(another).isNotEqualTo(fingerprint);
    }
}
