package io.idempotencykey.spring.web;

import io.idempotencykey.KeyId;
import jakarta.servlet.http.HttpServletRequest;
import java.nio.charset.StandardCharsets;
import java.security.Principal;
import org.jspecify.annotations.Nullable;

/**
 * Says whose keys a request's key is among, so that one client's key never meets another's.
 *
 * <p>Implementations are safe for many threads.
 */
@FunctionalInterface
public interface KeyScope {
    /**
     * Names the scope of a request.
     *
     * @param request before it is read
     * @return 0 to 255 visible ASCII characters; {@code null} if the request doesn't say whose it is, and then it is
     *     refused with 400
     */
    @Nullable
    String of(HttpServletRequest request);

    /**
     * The authenticated principal's name, which is what servlets call the user; for requests without one, the empty
     * scope, which all of them share.
     *
     * <p>A name that has other characters than visible ASCII ones, or is longer than 255, is digested: {@code sha-256:}
     * and 64 hexadecimal digits. So is a name that itself begins like that.
     *
     * @return the scope
     */
    static KeyScope principal() {
        return request -> {
            Principal principal = request.getUserPrincipal();
            return principal == null || principal.getName() == null ? "" : legal(principal.getName());
        };
    }

    private static String legal(String name) {
        boolean isLegal = name.length() <= KeyId.MAX_LENGTH
                && !name.startsWith(Digest.PREFIX)
                && name.chars().allMatch(c -> c >= '!' && c <= '~');
        return isLegal ? name : Digest.of(name.getBytes(StandardCharsets.UTF_8));
    }
}
