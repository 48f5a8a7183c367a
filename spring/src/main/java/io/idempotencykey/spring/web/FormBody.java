package io.idempotencykey.spring.web;

import jakarta.servlet.http.HttpServletRequest;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The fields of a form, which the container or a filter may have read already, as a body again. */
final class FormBody {
    private FormBody() {}

    /**
     * Gives the fields of the body, without those of the query string, which come first among those of one name.
     *
     * @return as the body has them, in the order of their names; empty if nobody reads forms of such a request
     */
    static byte[] of(HttpServletRequest request) {
        String encoding = request.getCharacterEncoding();
        Charset charset = encoding == null ? StandardCharsets.UTF_8 : Charset.forName(encoding);
        Map<String, Integer> inQuery = namesIn(request.getQueryString());
        List<String> fields = new ArrayList<>();
        request.getParameterMap().forEach((name, values) -> {
            for (int i = inQuery.getOrDefault(name, 0); i < values.length; i++) {
                fields.add(URLEncoder.encode(name, charset) + "=" + URLEncoder.encode(values[i], charset));
            }
        });
        return String.join("&", fields).getBytes(StandardCharsets.US_ASCII);
    }

    /** How often each name is in a query string, as far as it can be read. */
    private static Map<String, Integer> namesIn(@Nullable String query) {
        Map<String, Integer> names = new HashMap<>();
        for (String field : (query == null ? "" : query).split("&", -1)) {
            try {
                names.merge(URLDecoder.decode(field.replaceFirst("=.*", ""), StandardCharsets.UTF_8), 1, Integer::sum);
            } catch (IllegalArgumentException e) {
                // The container leaves it out, too.
            }
        }
        return names;
    }
}
