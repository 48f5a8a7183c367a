package io.idempotencykey.spring.boot;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Map;
import org.springframework.security.web.csrf.CsrfToken;

/** By what Spring Security tells requests of the application's own pages; for applications that have it. */
final class SpringSecurityToken {
    private SpringSecurityToken() {}

    /** The header in which it expects its token; none if it protects nothing. */
    static Map<String, String> header(HttpServletRequest request) {
        return request.getAttribute(CsrfToken.class.getName()) instanceof CsrfToken token
                ? Map.of(token.getHeaderName(), token.getToken())
                : Map.of();
    }
}
