package io.idempotencykey.spring.web;

import io.idempotencykey.IdempotencyException;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Enumeration;
import org.jspecify.annotations.Nullable;

/** The header that a request's key comes in. */
final class KeyHeader {
    private KeyHeader() {}

    /**
     * Reads the header.
     *
     * @return as it was sent; {@code null} if the request has none
     * @throws IdempotencyException.InvalidKey if the request has it twice
     */
    static @Nullable String of(HttpServletRequest request, String name) {
        Enumeration<String> values = request.getHeaders(name);
        String value = values.hasMoreElements() ? values.nextElement() : null;
        if (values.hasMoreElements()) {
            throw new IdempotencyException.InvalidKey("the request has the header " + name + " twice; send one key");
        }
        return value;
    }
}
