package io.idempotencykey;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;

/** A stored response's headers are read or refused in one line, and what was read is stored to the same. */
public final class StoredHeadersTarget {
    private StoredHeadersTarget() {}

    /** Reads the input as stored headers in UTF-8. */
    public static void fuzzerTestOneInput(byte[] input) {
        String headers = new String(input, StandardCharsets.UTF_8);
        Response response;
        try {
            response = Response.restored(200, headers, input);
        } catch (IllegalArgumentException e) {
            assertThat(e.getMessage()).hasSizeLessThan(1_000).matches("[ -~…]*");
            return;
        }
        assertThat(Response.restored(200, response.headersJson(), response.body()))
                .isEqualTo(response);
        for (String name : response.headers().keySet()) {
            assertThat(name).matches("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}");
            assertThat(response.headers().get(name)).isNotEmpty().allMatch(value -> value.matches("[\t -~]*"));
        }
    }
}
